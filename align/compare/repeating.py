"""Whether a model can be compared at all: it repeats itself, gives values, and is not changed by being watched."""

from contextlib import ExitStack
from unittest.mock import patch

import numpy as np

from align.compare.raised import NotComparable
from align.compare.scales import largest
from align.compare.views import Key, Propagated, Whole

ROUNDING = 1e-11  # of the largest value: what another order of summation may change in float64
TOOK = {"PyTorch": "torch.nn.functional", "Paddle": "paddle.nn.functional"}


def require_values(first):
    """Raise NotComparable if the outputs (slot -> array of each call) hold no tensor, or no finite value at all."""
    arrays = [array for call in first for array in call.values()]
    if not arrays:
        raise NotComparable("PyTorch's model returns no tensor, so there is nothing to compare")
    if not any(array.size for array in arrays):
        raise NotComparable("PyTorch's model returns empty tensors only, so there is nothing to compare")
    if all(array.dtype.kind in "fc" and array.size and not np.isfinite(array).any() for array in arrays):
        raise NotComparable("all values that PyTorch's model returns are NaN or infinite")


def same(one, other, rounding=ROUNDING, scale=0.0):
    """Return whether two arrays, or None, agree up to rounding error; NaN and infinity at the same places agree.

    Rounding error is relative to the largest value, or to `scale` if that is larger.
    """
    if one is None or other is None:
        return one is other
    if one.shape != other.shape or one.dtype.kind != other.dtype.kind:
        return False
    if one.dtype.kind not in "fc":
        return np.array_equal(one, other)
    if one.dtype.itemsize < 8 or one.dtype == "complex64":
        rounding = max(rounding, 1e-5)
    with np.errstate(all="ignore"):
        close = np.abs(one - other) <= rounding * max(largest(one), scale)
    return bool((close | (one == other) | (np.isnan(one) & np.isnan(other))).all())


def require_untouched(side, build, first, reference, cotangents):
    """Raise NotComparable unless the untouched model gives what was recorded while it was watched.

    `first` are its outputs in a run of its own. With `cotangents`, its gradients must be the recorded ones too.
    """
    tensors, inputs = reference.tensors, reference.inputs
    found = {key: tensors.get(key) for key in tensors if key.what == "output" and key.layer == ""}
    wanted = {
        Key("output", "", call, slot): array for call, arrays in enumerate(first) for slot, array in arrays.items()
    }
    if cotangents is not None:
        noted = {}
        Whole(side, build(), noted.__setitem__).run(inputs, cotangents)
        wanted = {key: array for key, array in noted.items() if key.what != "output"} | wanted
        found |= {key: tensors.get(key) for key in wanted}
    scale = max((largest(array) for key, array in wanted.items() if key.what != "output"), default=0.0)
    scales = {key: 0.0 if key.what == "output" else 1e-2 * scale for key in wanted}  # some are zero but for rounding
    different = [key for key in wanted if not same(wanted[key], found.get(key), scale=scales[key])]
    if not different and len(wanted.keys() & found.keys()) == len(found):
        return
    require_repeat(side, build, inputs, "PyTorch")
    what = "outputs" if not different or different[0].what == "output" else "gradients"
    raise NotComparable(
        f"cannot observe this PyTorch model without changing it: its {what} are others while its layers are watched"
    )


def require_repeat(side, build, inputs, name):
    """Raise NotComparable, which names the place, if two runs of new models on one input differ."""
    place = _first_difference(side, build, inputs)
    if place is None:
        return
    calm = ""
    with ExitStack() as stack:
        stack.enter_context(patch(f"{TOOK[name]}.dropout", lambda x, *_, **__: x))
        if _first_difference(side, build, inputs) is None:
            calm = ", where dropout draws"
    raise NotComparable(f"{name} does not repeat itself: two runs on one input differ, first {place}{calm}")


def _first_difference(side, build, inputs):
    """Where two runs differ first, in words; None if they agree."""
    runs, types = [], {}
    for _ in range(2):
        model, noted = build(), {}
        types = side.layer_types(model)
        Propagated(side, model, noted.__setitem__, inputs_too=True).run(inputs)
        runs.append(noted)
    for key, array in runs[0].items():
        if same(array, runs[1].get(key)):
            continue
        layer = f"{key.layer} ({types.get(key.layer, '')})" if key.layer else "the model"
        return f"in the code before {layer}" if key.what == "input" else f"in {layer}"
    return None
