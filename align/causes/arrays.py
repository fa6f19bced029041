"""Causes that are visible in the tensors: `weight_cause` of a parameter, `array_causes` of a layer's values."""

import numpy as np

from align.compare.verdict import UNKNOWN

NEAR = 1e-6  # a factor this near to 1 is what a rounded constant makes, no mistake of the port


def weight_cause(blamed, wanted, state, initial, layer_agrees):
    """Find what a wrong parameter or buffer holds instead; returns {"name", "before", "after", "tried"}.

    `wanted`, `state` and `initial` map keys to arrays: PyTorch's, Paddle's, and Paddle's before they were loaded.
    `layer_agrees()` tells whether the layer computes the right result nevertheless.
    """
    key = f"{blamed.layer}.{blamed.slot}" if blamed.layer else blamed.slot
    if key not in wanted:
        agrees = layer_agrees()
        name = "a parameter that PyTorch lacks, at a value without effect" if agrees else UNKNOWN
        return {"name": name, "before": None, "after": 0.0 if agrees else None, "tried": 1}
    if key not in state:
        return {"name": UNKNOWN, "before": None, "after": None, "tried": 0}
    truth, found = wanted[key].astype("float64"), state[key]
    before = _error(truth, found)
    tried = 0
    for name, array in _weight_guesses(key, truth, wanted, initial):
        tried += 1
        if array.shape == found.shape and _error(array, found) == 0:
            return {"name": name, "before": before, "after": 0.0, "tried": tried}
    return {"name": UNKNOWN, "before": before, "after": None, "tried": tried}


def _error(one, other):
    if one.shape != other.shape:
        return np.inf
    return float(np.abs(one - other).max() / (np.abs(one).max() or 1.0))


def _weight_guesses(key, truth, wanted, initial):
    if truth.ndim > 1:
        yield "transposed", truth.swapaxes(0, 1)
    if truth.ndim == 4:
        yield "mirrored kernel", truth[..., ::-1, ::-1]
        yield "kernel's height and width swapped", truth.swapaxes(2, 3)
        yield "input channels reversed", truth[:, ::-1]
    if key in initial:
        yield "never loaded: still at its initial value", initial[key]
    for other, array in wanted.items():
        if other != key:
            yield f"the values of {other}", array.astype("float64")
    for factor in (-1, 2, 0.5):
        yield f"times {factor:g}", truth * factor
    for value in (0, 1):
        yield f"{value} throughout", np.full_like(truth, value)
    yield "in reverse order", truth[::-1]
    yield "rounded to float16", truth.astype("float16").astype("float64")


def array_causes(reference, truth, found, failing, layer):
    """Yield (name, {key: what PyTorch would have with that mistake}) for the failing keys of a layer."""
    if all(key.what.startswith("grad") and (found.get(key) is None or not found[key].any()) for key in failing):
        slots = ", ".join(f"{key.what.removeprefix('grad_')} {key.slot}" for key in failing)
        yield f"no gradient reaches {slots}", {key: found.get(key) for key in failing}
    pairs = [key for key in failing if truth.get(key) is not None and found.get(key) is not None]
    if len(pairs) != len(failing) or any(truth[key].shape != found[key].shape for key in pairs):
        yield from _other_shapes(truth, found, failing)
        return
    if all(np.isfinite(array[key]).all() for key in failing for array in (truth, found)):
        yield from _scaled(reference, truth, found, failing)
    for name, change in _TURNS.items():
        if all(change(truth[key]) is not None for key in failing):
            yield name, {key: change(truth[key]) for key in failing}
    yield from _exchanged(truth, failing)
    yield from _as_nhwc(reference, truth, failing)
    # Any order: so after every order that has a name.
    if all(_shuffled(truth[key], found[key]) for key in failing):
        yield "the same values in another order, as of a reshape for a transpose", {key: found[key] for key in failing}
    yield from _other_tensors(reference, truth, found, failing)


def _shuffled(truth, found):
    """Whether two arrays, of more values than a coincidence could explain, differ in the order of values only."""
    differ = truth.dtype.kind == "f" and truth.size > 4 and not np.allclose(truth, found)
    return differ and np.allclose(np.sort(truth, None), np.sort(found, None), rtol=1e-10, atol=1e-12)


def _scaled(reference, truth, found, failing):
    first = truth[failing[0]]
    other = found[failing[0]]
    slope = float(np.vdot(first, other) / (np.vdot(first, first) or 1.0))
    counts = {array.shape[1] for array in reference.tensors.values() if array is not None and array.ndim == 4}
    names = {1 / count: f"mean over {count} channels for their sum" for count in sorted(counts)}
    names |= {count: f"sum over {count} channels for their mean" for count in sorted(counts)}
    name = next((text for value, text in names.items() if abs(slope - value) < 1e-9 * value), f"times {slope:.10g}")
    if abs(slope - 1) > NEAR:
        yield name, {key: truth[key] * slope for key in failing}
    if first.size > 4:
        slope, shift = np.polyfit(first.ravel(), other.ravel(), 1) if np.ptp(first) else (1.0, 0.0)
        if abs(slope - 1) > NEAR or abs(shift) > NEAR * float(np.abs(first).max()):
            yield f"times {slope:.10g}, plus {shift:.10g}", {key: truth[key] * slope + shift for key in failing}
    yield "rounded to float32", {key: truth[key].astype("float32").astype("float64") for key in failing}
    yield "rounded to float16", {key: truth[key].astype("float16").astype("float64") for key in failing}


_TURNS = {
    "height and width swapped": lambda x: x.swapaxes(2, 3) if x.ndim == 4 and x.shape[2] == x.shape[3] else None,
    "channels reversed": lambda x: x[:, ::-1] if x.ndim > 1 else None,
    "upside down": lambda x: x[:, :, ::-1] if x.ndim == 4 else None,
    "mirrored": lambda x: x[..., ::-1] if x.ndim == 4 else None,
    "transposed": lambda x: x.T if x.ndim == 2 and x.shape[0] == x.shape[1] else None,
    "opposite sign": lambda x: -x,
}


def _exchanged(truth, failing):
    for one in failing:
        for other in failing:
            same_call = (one.what, one.call) == (other.what, other.call) and one.slot < other.slot
            if same_call and truth[one].shape == truth[other].shape:
                changed = {}
                for key in failing:
                    swap = {one.slot: other.slot, other.slot: one.slot}.get(key.slot, key.slot)
                    changed[key] = truth.get(key._replace(slot=swap), truth[key])
                kind = "outputs" if "output" in one.what else "arguments"
                yield f"{kind} {one.slot} and {other.slot} swapped", changed


def _as_nhwc(reference, truth, failing):
    (first,) = failing[:1]
    if truth[first].ndim != 2:
        return
    for key, array in reference.tensors.items():
        if key.what != "output" or array is None or array.ndim != 4 or len(array) != len(truth[first]):
            continue
        if array.size == truth[first].size and np.array_equal(array.reshape(len(array), -1), truth[first]):
            turned = array.transpose(0, 2, 3, 1).reshape(len(array), -1)
            yield "flattened as NHWC", {first: turned}


def _other_shapes(truth, found, failing):
    for key in failing:
        one, other = truth.get(key), found.get(key)
        if one is None or other is None:
            return
    yield (
        "another shape of the same values",
        {key: truth[key].reshape(found[key].shape) for key in failing if truth[key].size == found[key].size},
    )


def _other_tensors(reference, truth, found, failing):
    """Another tensor of the run in its place, added to it or subtracted from it."""
    if len(failing) != 1:
        return
    (key,) = failing
    gradient = key.what.startswith("grad")
    seen = set()
    for other, array in reference.tensors.items():
        if array is None or array.shape != truth[key].shape or other.what.startswith("grad") != gradient:
            continue
        mark = (float(array.flat[0]), float(array.sum()))
        if mark in seen or np.array_equal(array, truth[key]):
            continue
        seen.add(mark)
        place = f"{other.what} of {other.layer or 'the model'}"
        yield f"a term missing: only the {place}", {key: array}
        yield f"a term missing: the {place}", {key: truth[key] - array}
        yield f"a term too many: the {place}", {key: truth[key] + array}
