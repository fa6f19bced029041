"""The reference for Paddle: what PyTorch computes in float64, and how far its own float32 is from that.

`measure` computes it with the PyTorch twin; recording.py stores it for machines without PyTorch.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from align.cases import randomise, representable
from align.cases.pair import Pair
from align.compare import repeating
from align.compare.raised import NotComparable, on_side
from align.compare.scales import Scales
from align.compare.sides import torch_side_of
from align.compare.structures import parts_of
from align.compare.verdict import FREE_FLOORS, error_for, error_of, terms_of
from align.compare.views import Isolated, Key, Propagated

# Float32 runs besides the plain one, each with inputs moved by up to half a unit in the last place. A small model needs
# many: there the error of a whole tensor may depend on how one variance is rounded, and a single draw may be lucky.
JITTERS, JITTERS_LARGE, LARGE = 8, 1, 1_000_000  # LARGE: number of recorded values
NARROW = 1e-12  # the error from which on a tensor counts as made with float32
UNITS = {"float32": 64, "float64": 256}  # half units in the last place that a layer may add, see verdict.py


@dataclass
class Reference:
    """What PyTorch computes for one case; tensors by Key, floors by (view, Key), arrays in PyTorch's layout."""

    name: str
    seed: int
    weights: dict[str, np.ndarray]  # before the first call
    inputs: list[list[np.ndarray]]
    cotangents: list[dict[str, np.ndarray | None]]  # slot of an output -> its gradient
    tensors: dict[Key, np.ndarray | None] = field(default_factory=dict)
    floors: dict[tuple[str, Key], float] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)  # layer path -> class name
    order: list[tuple[str, int]] = field(default_factory=list)  # (layer, call) as executed
    torch: str = ""
    facts: dict = field(default_factory=dict)  # of a pair's model, see TorchPairSide.facts

    def only(self, layers):
        """Return the reference without the tensors of leaves that are not in `layers`."""
        leaves = {layer for layer, _ in self.order}
        tensors = {
            key: array
            for key, array in self.tensors.items()
            if key.layer not in leaves - layers or key.what in ("grad_param", "state")
        }
        return replace(self, tensors=tensors, order=[place for place in self.order if place[0] in layers])

    @cached_property
    def scales(self):
        """What the errors are relative to: scales.of(dtype) maps Key to it."""
        return Scales(self.tensors, self.weights, self.types, self.order)

    @cached_property
    def terms(self):
        """Layer -> the largest number of terms summed in one of its values."""
        return terms_of(self.weights, self.tensors)

    def __contains__(self, key):
        return key in self.tensors

    def __getitem__(self, key):
        return self.tensors[key]


def fresh_weights(side, case, seed):
    """Return the float32 state of a new twin, norms moved off their initial values and spectral norms settled."""
    model = side.build(case.build, seed)
    state = side.state(model)
    randomise(side.learned(model, state), seed)
    side.load(model, {key: case.gain * array if array.ndim > 1 else array for key, array in state.items()})
    if case.training or not isinstance(case, Pair):  # somebody's model may be unable to run in training mode
        model.train()
        with side.in_use():
            for _ in range(2):
                side.call_model(model, [side.tensor(array) for array in case.inputs(seed)[0]])
    return side.state(model)


def measure(case, torch_side, seed=0, weights=None, inputs=None, backward=True, float32=True):
    """Run the PyTorch twin in float64 for the reference and, with `float32`, in float32 for the floors.

    `torch_side` makes a side from a dtype: TorchSide, or what `torch_side_of(case)` returns. Raises NotComparable if
    two runs on the same inputs differ, or PyTorch raises an exception.
    """
    with on_side("PyTorch"):
        try:
            return _measured(case, torch_side, seed, weights, inputs, backward, float32)
        except RuntimeError as error:
            if not isinstance(case, Pair) or "modified by an inplace operation" not in str(error):
                raise
        # PyTorch itself cannot run the model backward, since it overwrites what it needs: its formulas can be.
        case = replace(case, facts={"mutates": True})
        found = _measured(case, torch_side_of(case), seed, weights, inputs, backward, float32)
        return replace(found, facts=found.facts | {"mutates": True})


def _measured(case, torch_side, seed, weights, inputs, backward, float32):
    inputs = inputs or case.inputs(seed)
    weights = weights or (case.published and case.published.weights())
    weights = weights or fresh_weights(torch_side("float32"), case, seed)
    side = torch_side("float64")
    model = loaded(side, case, seed, weights)
    first = outputs_of(side, model, inputs)
    repeating.require_values(first)
    cotangents = _cotangents(first, seed)
    reference = Reference(case.name, seed, weights, inputs, cotangents, torch=side.version)
    model = side.again(model, weights, lambda: loaded(side, case, seed, weights))
    reference.types, reference.facts, leaves = side.layer_types(model), side.facts(model), set(side.leaves(model))

    def record(key, array):
        reference.tensors[key] = array
        if key.what == "output" and key.layer in leaves and (key.layer, key.call) not in reference.order[-1:]:
            reference.order.append((key.layer, key.call))

    Propagated(side, model, record, inputs_too=True).run(inputs, cotangents if backward else None)
    if isinstance(case, Pair):
        repeating.require_untouched(
            side, lambda: loaded(side, case, seed, weights), first, reference, cotangents if backward else None
        )
        _measure_narrow(case, torch_side, reference, cotangents if backward else None)
    else:
        require_repeat(side.name, first, reference.tensors)
    if float32:
        del model  # to free its memory
        _measure_floors(case, torch_side, reference, backward)
    if reference.scales.undetermined:
        for dtype in ("float64", "float32") if float32 else ("float64",):
            _measure_last_digit(case, torch_side, reference, cotangents if backward else None, dtype)
    return reference


def loaded(side, case, seed, weights):
    """Return a new model with these weights, in the case's mode."""
    model = side.build(case.build, seed)
    side.load(model, weights)
    set_mode(model, case.training)
    return model


def outputs_of(side, model, inputs):
    """Return the model's outputs of each call, slot -> array; its buffers are updated."""
    found = []
    with side.in_use(), side.no_gradients():
        for call in inputs:
            parts = parts_of(side.call_model(model, [side.tensor(a) for a in call]), side.is_tensor, numbers=True)
            found.append({slot: side.array(tensor) for slot, tensor in zip(parts.slots, parts.tensors, strict=True)})
    return found


def require_repeat(name, first, tensors):
    """Raise NotComparable unless a second run (`tensors` by Key) gave the same bits as `first` (per call)."""
    if not repeats(first, tensors):
        raise NotComparable(f"{name} does not repeat itself: two runs on one input differ")


def repeats(first, tensors):
    """Return whether a second run (`tensors` by Key) gave the same bits as `first` (per call)."""
    return all(np.array_equal(array, tensors[key], equal_nan=True) for key, array in by_key(first))


def by_key(outputs):
    """Yield (Key, array) for a model's outputs of each call."""
    for call, arrays in enumerate(outputs):
        for slot, array in arrays.items():
            yield Key("output", "", call, slot), array


def set_mode(model, training):
    """Set a model of either framework to training or evaluation mode."""
    model.train() if training else model.eval()


def _cotangents(outputs, seed):
    """Output gradients for the backward pass: normal, with values exact in float32."""
    rng = np.random.default_rng([seed, 1])
    return [{slot: _cotangent(array, rng) for slot, array in call.items()} for call in outputs]


def _cotangent(array, rng):
    """The gradient of one output; None for one that takes none, such as integers."""
    if array.dtype.kind not in "fc":
        return None
    drawn = representable(np.asarray(rng.standard_normal(array.shape)))
    return (
        drawn if array.dtype.kind == "f" else drawn + 1j * representable(np.asarray(rng.standard_normal(array.shape)))
    )


def _measure_floors(case, torch_side, reference, backward):
    """Fill `reference.floors` with the largest error of PyTorch's float32 runs against its float64."""
    floors = defaultdict(float)
    cotangents = reference.cotangents if backward else None

    def floor_sink(view):
        def sink(key, array):
            if array is not None and reference.tensors.get(key) is not None:
                error = error_for(view, "float32", key)(reference[key], array, reference.scales.of("float32")[key])
                floors[view, key] = max(floors[view, key], error)

        return sink

    sides = [torch_side("float32")]
    large = sum(array.size for array in reference.tensors.values() if array is not None) > LARGE
    draws = range(JITTERS_LARGE if large else JITTERS)
    sides += [torch_side("float32", np.random.default_rng([reference.seed, 2, i])) for i in draws]
    model = sides[0].build(case.build, reference.seed)
    sides[0].load(model, reference.weights)
    set_mode(model, case.training)
    for side in sides:
        kinks = _kinks(side, model, reference, floors) if backward and side is sides[-1] else None
        if not (kinks and large):
            Propagated(side, model, floor_sink("propagated"), inputs_too=True).run(reference.inputs, cotangents)
            side.set_buffers(model, reference.weights)
        if kinks:
            sink = _gradients_only(floor_sink("propagated"))
            Propagated(side, model, sink, inputs_too=True, kinks=kinks).run(reference.inputs, cotangents)
            side.set_buffers(model, reference.weights)
        Isolated(side, model, floor_sink("isolated"), reference).run(reference.inputs, cotangents)
        side.set_buffers(model, reference.weights)
    reference.floors |= floors


def _measure_narrow(case, torch_side, reference, cotangents):
    """Fill the floors of tensors that depend on what somebody's model computes in float32, in a run in float64."""
    from align.compare.narrow import Wide

    side = torch_side("float64")
    side.wide = Wide()
    outputs_of(side, loaded(side, case, reference.seed, reference.weights), reference.inputs)
    if not side.wide.asked:
        return

    def sink_of(view):
        def sink(key, array):
            truth = reference.tensors.get(key)
            if array is not None and truth is not None and truth.shape == array.shape:
                error = error_of(truth, array, reference.scales.of("float64")[key])
                if error > NARROW:
                    reference.floors[f"{view} with float32 inside", key] = error

        return sink

    for view, run in (("propagated", Propagated), ("isolated", Isolated)):
        more = {"inputs_too": True} if view == "propagated" else {"reference": reference}
        model = loaded(side, case, reference.seed, reference.weights)
        run(side, model, sink_of(view), **more).run(reference.inputs, cotangents)
    if any(view.endswith("with float32 inside") for view, _ in reference.floors):
        reference.facts["narrow"] = True


def _measure_last_digit(case, torch_side, reference, cotangents, dtype):
    """Raise the floors of free runs to how far PyTorch moves with the last digits of the inputs.

    Where values are zero but for rounding (a picture of one colour, normalised), all that follows may be made of
    rounding errors. Running freely, two correct implementations then differ by as much as PyTorch differs from itself.
    """
    view, floors = FREE_FLOORS[dtype], reference.floors

    def sink(key, array):
        if array is not None and reference.tensors.get(key) is not None:
            error = error_for("propagated", dtype, key)(reference[key], array, reference.scales.of(dtype)[key])
            floors[view, key] = max(floors.get((view, key), 0.0), error)

    for draw in range(JITTERS):
        side = torch_side(dtype, np.random.default_rng([reference.seed, 4, draw]), UNITS[dtype])
        model = side.build(case.build, reference.seed)
        side.load(model, reference.weights)
        set_mode(model, case.training)
        Propagated(side, model, sink, inputs_too=True).run(reference.inputs, cotangents)


def _kinks(side, model, reference, floors):
    """(path, call) -> how close to zero a ReLU's input must be for float32 to get its sign wrong.

    This is four times the float32 error measured there. Such a value passes its whole gradient or none: legitimate, but
    far above a unit in the last place. So the gradients' floors include a run in which all of them flip.
    """
    distances = {}
    for path in side.kinks(model):
        for call in range(sum(1 for layer, _ in reference.order if layer == path)):
            key = Key("input", path, call, "0")
            distances[path, call] = 4 * floors["propagated", key] * reference.scales.of("float32")[key]
    return distances


def _gradients_only(sink):
    def gradient_sink(key, array):
        if key.what.startswith("grad"):
            sink(key, array)

    gradient_sink.wants = lambda key: key.what.startswith("grad")
    return gradient_sink
