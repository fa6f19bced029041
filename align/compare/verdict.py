"""Judgement: the error of one tensor, its limit, and which layer is to blame.

float64 is judged by a limit relative to the tensor's scale. float32 is judged by the floor: its error against the
float64 truth may be at most four times what PyTorch's own float32 makes on the same values, and a few units in the last
place in any case: 8, or half the square root of the number of terms that one value sums, which is how the rounding of a
sum grows in an order that is no worse than any other. What is missing, empty, NaN or of another shape or dtype fails.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

FLOOR_FACTOR = 4
EXTRA, MISSING = "PyTorch has nothing of this name", "Paddle never computed it"
FLOAT32_ULP = 2.0**-23
ZERO = 1e-9  # of a layer's largest gradient: what is below it in float64 has cancelled
UNKNOWN = "unknown"  # the cause of a difference that no known mistake reproduces
FREE = ("propagated", "whole")  # views in which errors travel on
WHATS = {
    ("forward", "propagated"): {"output", "state"},
    ("forward", "isolated"): {"input", "output"},
    ("backward", "propagated"): {"grad_output", "grad_param"},
    ("backward", "isolated"): {"grad_output", "grad_input", "grad_param"},
    ("forward", "whole"): {"output"},
    ("backward", "whole"): {"grad_param"},
}


@dataclass
class Row:
    """One comparison; the fields are the report's."""

    layer: str
    type: str
    call: int
    what: str
    slot: str
    view: str
    dtype: str
    shape: list[int]
    error: float | None
    floor: float | None
    limit: float
    verdict: str = "pass"
    note: str = ""


def error_of(truth, array, scale):
    """Largest absolute difference, relative to `scale`; inf where a value is not finite."""
    if truth.shape != array.shape or not truth.size:
        return np.inf
    largest = 0.0
    for difference in _differences(truth, array):
        np.abs(difference, out=difference)
        largest = max(largest, float(difference.max()))
        if not np.isfinite(difference).all():
            return np.inf
    return largest / scale


def mean_error_of(truth, array, scale):
    """Root of the mean squared difference, relative to that of the truth, or to `scale` where that is larger."""
    if truth.shape != array.shape or not truth.size:
        return np.inf
    squares = sum(float(np.vdot(difference, difference)) for difference in _differences(truth, array))
    size = sum(float(np.vdot(part, part)) for part in _parts(truth))
    error = squares**0.5 / max(size**0.5, scale)
    return error if np.isfinite(error) else np.inf


def _parts(array, count=1 << 16):
    """The values in pieces that stay in the cache: three times as fast as whole maps."""
    flat = array.reshape(-1)
    return (flat[start : start + count] for start in range(0, flat.size, count))


def _differences(truth, array):
    for one, other in zip(_parts(truth), _parts(array), strict=True):
        with np.errstate(invalid="ignore"):  # inf - inf is NaN, which the caller reports
            yield one - other


def error_for(view, dtype, key):
    """The error that judges a tensor: the largest, but for float32 gradients of a free run the mean one.

    There a ReLU whose input rounding cannot tell from zero lets a gradient through or not: one value all wrong, on
    either side, and no fault.
    """
    flips = dtype == "float32" and view in FREE and key.what.startswith("grad")
    return mean_error_of if flips else error_of


def scales_of(tensors):
    """What each tensor's error is relative to: its largest value.

    A parameter's gradient counts for at least a thousandth of the largest in its layer. An analytically zero one (of a
    bias before a norm, or of the bias of a key) is rounding on both sides, and can only be held against the terms that
    cancel in it: it counts for the largest itself.
    """
    own = {key: _largest(array) for key, array in tensors.items()}
    layers = {}
    for key, largest in own.items():
        if key.what == "grad_param":
            layers[key.layer] = max(layers.get(key.layer, 0.0), largest)
    return {
        key: (_beside(layers[key.layer], largest) if key.what == "grad_param" else largest) or 1.0
        for key, largest in own.items()
    }


def _beside(layer, own):
    """The scale of a parameter's gradient, from its layer's largest and its own."""
    return layer if own < ZERO * layer else max(own, 1e-3 * layer)


def terms_of(weights, tensors):
    """Layer -> how many terms one of its values, or one value of its gradients, sums at most.

    Weights per output and per input unit, and pixels of the batch; the model as a whole counts as its largest layer.
    """
    terms = defaultdict(lambda: 1)
    for name, array in weights.items():
        if array.ndim > 1:
            layer = name.rpartition(".")[0]
            terms[layer] = max(terms[layer], array.size // min(array.shape[:2]))
    for key, array in tensors.items():
        if key.what in ("input", "output") and array is not None and array.ndim > 1:
            terms[key.layer] = max(terms[key.layer], array.size // array.shape[1])
    terms[""] = max(terms.values(), default=1)
    return terms


def _largest(array):
    if array is None or not array.size:
        return 0.0
    return max(float(np.abs(part).max()) for part in _parts(array))


def dtype_of(truth, dtype):
    """The dtype that an array must have whose truth is this one: a side's own; whole numbers are whole in any."""
    return truth.dtype if truth.dtype.kind == "i" else np.dtype(dtype)


class Judge:
    """A sink that compares what a run gives with the reference; `rows` in the order of arrival."""

    def __init__(self, reference, check, view, dtype, limit):
        self.reference, self.view, self.dtype, self.limit = reference, view, dtype, limit
        self.check, self.whats = check, WHATS[check, view]
        self.rows = {}

    def __call__(self, key, array):
        if self.wants(key):
            self.rows[key] = self._compare(key, array)

    def finish(self):
        """All rows, those that the run never reached among them, as failures."""
        for key in self.reference.tensors:
            if self.wants(key) and key not in self.rows:
                self.rows[key] = self._row(key, [], None, MISSING)
        return list(self.rows.values())

    def wants(self, key):
        """Whether this check compares such a tensor."""
        if key.layer == "" and key.what in ("input", "grad_output"):
            return False  # what the model itself is given is the question, not an answer
        if key.what == "output" and key.layer and self.view == "whole":
            return False
        return key.what in self.whats or (self.check == "backward" and key.what == "grad_input" and key.layer == "")

    def _compare(self, key, array):
        if key not in self.reference:
            return self._row(key, [], None, EXTRA)
        truth = self.reference[key]
        if truth is None and array is None:
            return self._row(key, [], 0.0, "no gradient on either side")
        if truth is None or array is None:
            return self._row(key, [], None, f"{'PyTorch' if truth is None else 'Paddle'} has none, the other has one")
        shape = list(array.shape)
        if array.shape != truth.shape:
            return self._row(key, shape, None, f"shape {shape}, PyTorch's is {list(truth.shape)}")
        if array.dtype != (wanted := dtype_of(truth, self.dtype)):
            return self._row(key, shape, None, f"dtype {array.dtype}, wanted {wanted}")
        if not array.size:
            return self._row(key, shape, None, "empty")
        error = error_for(self.view, self.dtype, key)(truth, array, self.reference.scales[key])
        if not np.isfinite(error):
            return self._row(key, shape, None, "NaN or infinite")
        return self._row(key, shape, error, "")

    def _row(self, key, shape, error, note):
        floor, limit = None, self.limit
        if self.dtype == "float32":
            # PyTorch's own is the same whether somebody looks or not.
            floor = self.reference.floors.get(("propagated" if self.view in FREE else self.view, key), 0.0)
            # Freely running, a layer inherits the rounding of all the others.
            terms = self.reference.terms[key.layer if self.view == "isolated" else ""]
            limit = max(FLOOR_FACTOR * floor, FLOAT32_ULP * max(8, 0.5 * terms**0.5))
        verdict = "pass" if error is not None and error <= limit else "fail"
        kind = self.reference.types.get(key.layer, "")
        view = "state" if key.what == "state" else self.view
        return Row(
            key.layer, kind, key.call, key.what, key.slot, view, self.dtype, shape, error, floor, limit, verdict, note
        )


def weight_rows(reference, state, dtype):
    """Every parameter and buffer after conversion, bit for bit; `state` is Paddle's, in PyTorch's layout."""
    rows = []
    for name in sorted(reference.weights.keys() | state.keys()):
        layer, _, leaf = name.rpartition(".")
        error, note, shape = None, "", list(state[name].shape) if name in state else []
        if name not in state:
            note = "Paddle has no such key"
        elif name not in reference.weights:
            note = "PyTorch has no such key"
        elif state[name].shape != reference.weights[name].shape:
            note = f"shape {shape}, PyTorch's is {list(reference.weights[name].shape)}"
        elif state[name].dtype != (kind := dtype_of(reference.weights[name], dtype)):
            note = f"dtype {state[name].dtype}, wanted {kind}"
        else:
            wanted = reference.weights[name].astype(kind)
            error = error_of(wanted, state[name], _largest(wanted) or 1.0)
        verdict = "pass" if error == 0 else "fail"
        kind = reference.types.get(layer, "")
        rows.append(Row(layer, kind, 0, "weight", leaf, "state", dtype, shape, error, None, 0.0, verdict, note))
    return rows


def in_order(rows, reference, check):
    """Rows in the order of execution, backward in reverse; weights first, since all else follows from them."""
    position = {place: i for i, place in enumerate(reference.order)}
    last = {}
    for i, (layer, _) in enumerate(reference.order):
        last[layer] = i
    sign, end = (1, len(position)) if check == "forward" else (-1, -1)
    # Backward, what arrives at a layer comes before what it makes of it.
    steps = {"weight": 0, "input": 1, "grad_output": 2, "output": 3, "grad_input": 4, "grad_param": 5, "state": 6}

    def place(row):
        here = position.get((row.layer, row.call)) if row.what not in ("grad_param", "state") else last.get(row.layer)
        if here is None:
            inside = [i for layer, i in last.items() if layer.startswith(row.layer + ".")] if row.layer else []
            here = max(inside) if inside else end
        return (row.what != "weight", sign * here, steps[row.what], row.dtype == "float32")

    return sorted(rows, key=place)


def blame(rows):
    """Mark what is merely inherited, and return the row to blame or None; rows in order of execution.

    Weights come first, then calls that only one side makes, since all else follows from them.
    """
    failed = [row for row in rows if row.verdict == "fail"]
    own = [row for row in failed if row.view not in FREE] or failed[:1]
    if own and own[0].what != "weight":
        own = [row for row in failed if row.note in (EXTRA, MISSING)] or own
    if not own:
        return None
    for row in failed:
        if row.view in FREE and row is not own[0]:
            row.verdict = "inherited"
    return own[0]


def blame_message(row, model_type):
    """One line that says where and what."""
    where = f"{row.layer or model_type} ({row.type})" if row.layer else model_type
    size = row.note or f"error {row.error:.1e}, limit {row.limit:.1e}"
    between = {
        "input": f"the code that leads to {where} gives it another input",
        "grad_output": f"the code that follows {where} sends back another gradient",
    }
    if row.view == "isolated" and row.what in between:
        return f"{between[row.what]} (call {row.call}, {row.dtype}): {size}"
    if row.view == "whole":
        where += ", its layers run as a whole"
    what = {"weight": f"weight {row.slot}", "grad_param": f"gradient of {row.slot}", "state": f"state {row.slot}"}
    return f"{where}: {what.get(row.what, row.what)} differs (call {row.call}, {row.dtype}): {size}"
