"""The verdict: the error of each tensor, its limit, and the layer to blame.

float64 is judged by a limit relative to the tensor's scale. float32 is judged by a floor: its error from the float64
reference may be at most four times that of PyTorch's own float32 on the same values. A few units in the last place are
always allowed: 8, or 1.15 times the square root of the number of terms summed in one value. Added one after another,
n values of one size err by a random walk whose standard deviation is half a unit times sqrt(n / 3); four of those are
allowed. A tensor that is missing, empty, NaN, or of another shape or dtype fails.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from align.compare.scales import largest, parts

FLOOR_FACTOR = 4
UNDETERMINED = (
    "some values are zero but for rounding: free runs are judged by how far PyTorch's own results move with the last "
    "digits of the input, and gradients in float32 layer by layer only"
)
NO_KEY = {side: f"{side} has no such key" for side in ("Paddle", "PyTorch")}
EXTRA, MISSING = "PyTorch has no tensor of this name", "Paddle never computed it"
FLOAT32_ULP = 2.0**-23
SUM_ULPS = 4 * 0.5 / 3**0.5  # times the root of the number of terms: four standard deviations
COMPUTED = {"float64": 1e-10, "float32": 1e-5}  # limits of arrays that each side makes for itself
UNKNOWN = "unknown"  # the cause of a difference that no known mistake reproduces
FREE = ("propagated", "whole")  # views in which errors propagate
# The "view" of the floors of free runs; in float64 there are some only where values are zero but for rounding.
FREE_FLOORS = {"float32": "propagated", "float64": "propagated float64"}
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
    """One comparison; its fields are those of the report."""

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
    """Return the largest absolute difference relative to `scale`; inf if shapes differ or a value is NaN or infinite.

    A value that is NaN, or the same infinity, on both sides agrees; but a tensor without a finite value never does.
    """
    if truth.shape != array.shape or not truth.size or not np.isfinite(truth).any():
        return np.inf
    largest = 0.0
    for difference in _differences(truth, array):
        np.abs(difference, out=difference)
        largest = max(largest, float(difference.max()))
        if not np.isfinite(difference).all():
            return np.inf
    return largest / scale


def mean_error_of(truth, array, scale):
    """Return the norm of the difference relative to that of the truth, or to `scale` if that is larger."""
    if truth.shape != array.shape or not truth.size:
        return np.inf
    squares = sum(float(np.vdot(difference, difference)) for difference in _differences(truth, array))
    size = sum(float(np.vdot(part, part)) for part in parts(truth))
    error = squares**0.5 / max(size**0.5, scale)
    return error if np.isfinite(error) else np.inf


def _differences(truth, array):
    for one, other in zip(parts(truth), parts(array), strict=True):
        if one.dtype.kind in "iub":
            yield one.astype(np.float64) - other.astype(np.float64)
            continue
        with np.errstate(invalid="ignore", over="ignore"):  # inf - inf is NaN, which the caller reports
            difference = one - other
        if not np.isfinite(one).all():  # such as the mask of an attention
            difference[(one == other) | (np.isnan(one) & np.isnan(other))] = 0
        yield np.abs(difference) if difference.dtype.kind == "c" else difference


def error_for(view, dtype, key):
    """Return the function that measures a tensor's error: the largest, or the mean in float32 gradients of a free run.

    There a ReLU whose input is zero up to rounding error passes its gradient or blocks it: one value is entirely
    different, and neither side is at fault.
    """
    flips = dtype == "float32" and view in FREE and key.what.startswith("grad")
    return mean_error_of if flips else error_of


def terms_of(weights, tensors):
    """Return layer -> the largest number of terms summed in one of its values or gradients.

    These are weights per output and per input unit, and pixels of the batch. The whole model counts as its largest
    layer.
    """
    terms, channels_last = defaultdict(lambda: 1), set()
    for name, array in weights.items():
        if array.ndim > 1 and array.size:
            layer = name.rpartition(".")[0]
            if array.ndim == 2:  # a Linear
                channels_last.add(layer)
            terms[layer] = max(terms[layer], array.size // min(array.shape[:2]))
    for key, array in tensors.items():
        if key.what in ("input", "output") and array is not None and array.ndim > 1 and array.size:
            axis = -1 if key.layer in channels_last else 1
            terms[key.layer] = max(terms[key.layer], array.size // array.shape[axis])
    terms[""] = max(terms.values(), default=1)
    return terms


def fits_dtype(truth, array, dtype):
    """Return whether an array has the dtype that a run in `dtype` gives for this truth, which is from float64.

    Whole numbers may have any number of bits; what is float32 in a float64 run is so in both.
    """
    kinds = truth.dtype.kind, array.dtype.kind
    if kinds[0] in "iu":
        return kinds[1] in "iu"
    if kinds[0] not in "fc" or kinds[0] != kinds[1]:
        return kinds[0] == kinds[1]
    wanted = truth.dtype if dtype == "float64" else np.dtype("complex64" if kinds[0] == "c" else "float32")
    return array.dtype == wanted


def dtype_of(truth, dtype):
    """Return the dtype that an array must have to match its truth: the side's own, or that of an integer truth."""
    if truth.dtype.kind == "c":
        return np.dtype("complex128" if dtype == "float64" else "complex64")
    return np.dtype(dtype) if truth.dtype.kind == "f" else truth.dtype


class Judge:
    """A sink that compares the tensors of a run with the reference; `rows` are in order of arrival."""

    def __init__(self, reference, check, view, dtype, limit):
        self.reference, self.view, self.dtype, self.limit = reference, view, dtype, limit
        self.check, self.whats = check, WHATS[check, view]
        self.rows = {}

    def __call__(self, key, array):
        if self.wants(key):
            self.rows[key] = self._compare(key, array)

    def finish(self):
        """Return all rows; tensors that the run never produced are failures."""
        for key in self.reference.tensors:
            if self.wants(key) and key not in self.rows:
                self.rows[key] = self._row(key, [], None, MISSING)
        return list(self.rows.values())

    def wants(self, key):
        """Return whether this check compares such a tensor."""
        if key.layer == "" and key.what in ("input", "grad_output"):
            return False  # given to the model, so equal by construction
        free_gradient = self.view in FREE and key.what.startswith("grad")
        if self.dtype == "float32" and free_gradient and self.reference.scales.undetermined:
            return False  # made of rounding errors, which float32 has others of: UNDETERMINED
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
            if key.what in ("grad_input", "grad_output") and not np.any(array if truth is None else truth):
                return self._row(key, [], 0.0, "no gradient on one side, zeros on the other")
            return self._row(key, [], None, f"only {'Paddle' if truth is None else 'PyTorch'} has one")
        shape = list(array.shape)
        if array.shape != truth.shape:
            return self._row(key, shape, None, f"shape {shape}, PyTorch's is {list(truth.shape)}")
        if not fits_dtype(truth, array, self.dtype):
            wanted = self.dtype if truth.dtype.kind == "f" else truth.dtype
            return self._row(key, shape, None, f"dtype {array.dtype}, wanted {wanted}")
        if not array.size:  # somebody's model may have some, this project's have none
            return self._row(key, shape, 0.0 if self.reference.facts else None, "empty")
        scale = self.reference.scales.of(self.dtype)[key]
        error = error_for(self.view, self.dtype, key)(truth, array, scale)
        if not np.isfinite(error):
            return self._row(key, shape, None, "NaN or infinite")
        return self._row(key, shape, error, "")

    def _row(self, key, shape, error, note):
        floor, limit = None, self.limit
        if self.dtype == "float32":
            # PyTorch's floor is the same whether or not its layers are watched.
            floor = self.reference.floors.get(("propagated" if self.view in FREE else self.view, key), 0.0)
            # In a free run, a layer inherits the rounding errors of all others.
            terms = self.reference.terms[key.layer if self.view == "isolated" else ""]
            from align.compare import device_floor  # which needs Paddle; a recording is made without it

            floor *= device_floor.ratio()
            limit = max(FLOOR_FACTOR * floor, FLOAT32_ULP * max(8, SUM_ULPS * terms**0.5))
        elif self.view in FREE and (floor := self.reference.floors.get((FREE_FLOORS["float64"], key))) is not None:
            limit = max(limit, FLOOR_FACTOR * floor)
        view = "propagated" if self.view in FREE else self.view
        narrow = self.reference.floors.get((f"{view} with float32 inside", key))
        if self.dtype == "float64" and narrow is not None:  # such as .float() in the model
            floor, limit = narrow, max(limit, FLOOR_FACTOR * narrow, 8 * FLOAT32_ULP)
        verdict = "pass" if error is not None and error <= limit else "fail"
        kind = self.reference.types.get(key.layer, "")
        view = "state" if key.what == "state" else self.view
        return Row(
            key.layer, kind, key.call, key.what, key.slot, view, self.dtype, shape, error, floor, limit, verdict, note
        )


def weight_rows(reference, state, dtype, computed=()):
    """Compare all parameters and buffers bit for bit after conversion; `state` is Paddle's in PyTorch's layout.

    Those in `computed` each side has made for itself: they must agree up to rounding error.
    """
    rows = []
    for name in sorted(reference.weights.keys() | state.keys()):
        layer, _, leaf = name.rpartition(".")
        error, note, shape = None, "", list(state[name].shape) if name in state else []
        if name not in state:
            note = f"{NO_KEY['Paddle']}, PyTorch's has the shape {list(reference.weights[name].shape)}"
        elif name not in reference.weights:
            note = f"{NO_KEY['PyTorch']}, Paddle's has the shape {shape}"
        elif state[name].shape != reference.weights[name].shape:
            note = f"shape {shape}, PyTorch's is {list(reference.weights[name].shape)}"
        elif not _same_kind(state[name].dtype, kind := dtype_of(reference.weights[name], dtype)):
            note = f"dtype {state[name].dtype}, wanted {kind}"
        else:
            wanted = reference.weights[name].astype(kind)
            error = error_of(wanted, state[name], largest(wanted) or 1.0) if wanted.size else 0.0
        limit = COMPUTED[dtype] if name in computed else 0.0
        verdict = "pass" if error is not None and error <= limit else "fail"
        kind = reference.types.get(layer, "")
        rows.append(Row(layer, kind, 0, "weight", leaf, "state", dtype, shape, error, None, limit, verdict, note))
    return rows


def _same_kind(dtype, wanted):
    return dtype == wanted or (dtype.kind in "iu" and wanted.kind in "iu")


def structure(rows):
    """Return one line that lists the arrays without a partner, or with one of another shape; "" if there are none."""
    found = {}
    for row in rows:
        if row.what == "weight" and row.note and not row.note.startswith("dtype"):
            found[f"{row.layer}.{row.slot}" if row.layer else row.slot] = row.note
    if len(found) < 2:
        return ""  # a single one is the message of the blamed row
    shown = [f"{key} ({note})" for key, note in list(found.items())[:4]]
    more = f", and {len(found) - 4} more" if len(found) > 4 else ""
    return f"the structures differ: {'; '.join(shown)}{more}; all other weights were loaded and compared"


def in_order(rows, reference, check):
    """Sort rows in order of execution, reversed for backward; weights first, since all else depends on them."""
    position = {place: i for i, place in enumerate(reference.order)}
    last = {}
    for i, (layer, _) in enumerate(reference.order):
        last[layer] = i
    sign, end = (1, len(position)) if check == "forward" else (-1, -1)
    # Backward, the gradient that arrives at a layer comes before those that it computes.
    steps = {"weight": 0, "input": 1, "grad_output": 2, "output": 3, "grad_input": 4, "grad_param": 5, "state": 6}

    def place(row):
        here = position.get((row.layer, row.call)) if row.what not in ("grad_param", "state") else last.get(row.layer)
        if here is None:
            inside = [i for layer, i in last.items() if layer.startswith(row.layer + ".")] if row.layer else []
            here = max(inside) if inside else end
        return (row.what != "weight", sign * here, steps[row.what], row.dtype == "float32")

    return sorted(rows, key=place)


def blame(rows):
    """Return the row to blame or None, and mark failures that are merely inherited; rows are in order of execution.

    Weights come first, then calls that only one side makes, since all else depends on them.
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
    """Return one line that says what differs and where."""
    where = f"{row.layer or model_type} ({row.type})" if row.layer else model_type
    size = row.note or f"error {row.error:.1e}, limit {row.limit:.1e}"
    between = {
        "input": f"the code before {where} passes it a different input",
        "grad_output": f"the code after {where} returns a different gradient",
    }
    if row.view == "isolated" and row.what in between:
        return f"{between[row.what]} (call {row.call}, {row.dtype}): {size}"
    if row.view == "whole":
        where += ", run as a whole"
    if row.what == "weight" and row.note:
        return f"{where}: {row.slot}: {row.note}"
    what = {"weight": f"weight {row.slot}", "grad_param": f"gradient of {row.slot}", "state": f"state {row.slot}"}
    return f"{where}: {what.get(row.what, row.what)} differs (call {row.call}, {row.dtype}): {size}"
