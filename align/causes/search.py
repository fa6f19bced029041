"""Why does the blamed layer differ? `find_cause` makes likely mistakes in PyTorch until one gives what Paddle gave.

A mistake is named only if, made in the reference's computation, it brings every tensor of the blamed layer that the
check compares (inputs, outputs, gradients, state) within the case's float64 limit of Paddle's, and makes no tensor of
any other layer wrong that Paddle has right. Nothing that fits nearly, or explains a part, is named: the answer is then
"unknown".
"""

import time

import numpy as np

from align.causes.arrays import array_causes, weight_cause
from align.causes.rules import call_rules, graph_rules, layer_rules
from align.compare.reference import set_mode
from align.compare.sides import paddle_side_of, torch_side_of
from align.compare.verdict import EXTRA, MISSING, UNKNOWN, error_of
from align.compare.views import Isolated, Key, Propagated
from align.planting import in_force
from paddle_ugatit.weights import WeightError

SECONDS = 120  # after which no further mistake is tried
LARGE = 50_000_000  # weights, of a model that is not built again and again: its cause is unknown


def find_cause(case, reference, check, blamed, tamper=None, seconds=SECONDS):
    """{"name", "before", "after", "tried"}: the cause, and the largest error without and with it.

    `blamed` is the row that `verdict.blame` gave, `tamper(model)` what changed Paddle's model, if anything did.
    """
    if sum(array.size for array in reference.weights.values()) > LARGE:
        return {"name": UNKNOWN, "before": None, "after": None, "tried": 0}
    ours, theirs = paddle_side_of(case)("float64"), torch_side_of(case)("float64")
    search = _Search(case, reference, check, blamed, ours, theirs, seconds)
    with np.errstate(all="ignore"):
        return search.run(tamper)


class _Search:
    def __init__(self, case, reference, check, blamed, ours, theirs, seconds):
        self.case, self.reference, self.check, self.blamed = case, reference, check, blamed
        self.ours, self.theirs, self.layer = ours, theirs, blamed.layer
        self.tried, self.end = 0, time.perf_counter() + seconds

    def run(self, tamper):
        case, reference, ours = self.case, self.reference, self.ours
        model = ours.build(case.build, reference.seed)
        initial = ours.state(model)
        try:
            ours.load(model, reference.weights)
        except WeightError:  # an array too few, too many or of another shape: the message says so
            return self._answer()
        if tamper:
            tamper(model)
        set_mode(model, case.training)
        if self.blamed.what == "weight":
            state = ours.state(model)
            found = weight_cause(self.blamed, reference.weights, state, initial, self._layer_agrees(model))
            self.tried += found.pop("tried")
            if found["name"] != UNKNOWN or not self.blamed.note:
                return self._answer(**found)
        if self.blamed.note in (EXTRA, MISSING):
            return self._of_calls(model)
        return self._of_values(model)

    def _answer(self, name=UNKNOWN, before=None, after=None):
        numbers = [None if x is None or not np.isfinite(x) else float(x) for x in (before, after)]
        return {"name": name, "before": numbers[0], "after": numbers[1], "tried": self.tried}

    def _layer_agrees(self, model):
        """A function that says whether the blamed layer nevertheless gives what PyTorch's does."""

        def agrees():
            found = self._isolated(self.ours, model, "forward")
            own = {key: array for key, array in found.items() if key.what in ("input", "output")}
            return bool(own) and self._distance(own, own.keys(), self.reference) <= self.case.limit

        return agrees

    def _of_values(self, model):
        found = self._isolated(self.ours, model, self.check)
        truth = self._isolated(self.theirs, self._twin(), self.check)
        keys = found.keys() | truth.keys()
        failing = [key for key in keys if self._distance(found, [key], truth) > self.case.limit]
        before = self._distance(found, keys, truth)
        if not failing:
            if self.blamed.dtype == "float32":
                self.tried += 1
                return self._answer("rounding of float32: the formula is right in float64", before, before)
            return self._answer()
        wrong = self._wrong_keys(self.ours, model)
        for rule in self._rules():
            if time.perf_counter() > self.end:
                break
            after = self._try(rule, found, keys, wrong)
            if after is not None:
                return self._answer(rule.name, before, after)
        for name, arrays in array_causes(self.reference, truth, found, failing, self.layer):
            self.tried += 1
            after = self._distance(found, keys, truth | arrays)
            if after <= self.case.limit:
                return self._answer(name, before, after)
        return self._answer(before=before)

    def _rules(self):
        reference, path = self.reference, self.layer
        twin = self._twin()
        if path in self.theirs.leaves(twin):
            shapes = []
            while (key := Key("input", path, self.blamed.call, str(len(shapes)))) in reference:
                shapes.append(tuple(reference[key].shape))
            output = reference.tensors.get(Key("output", path, self.blamed.call, "0"))
            if output is not None:
                yield from layer_rules(twin, path, shapes, tuple(output.shape))
        yield from graph_rules(twin, path)

    def _try(self, rule, found, keys, wrong):
        """The distance of Paddle's tensors from those of the twin that makes this mistake; None if it is not the cause.

        Nor is it where the twin goes wrong at a tensor, of any layer, that Paddle has right (is not in `wrong`).
        """
        self.tried += 1
        with in_force(rule.patches):
            twin = self._twin()
            try:
                if rule.plant:
                    rule.plant(twin if rule.whole else twin.get_submodule(self.layer))
                made = self._isolated(self.theirs, twin, self.check)
                after = self._distance(found, keys | made.keys(), made)
                fits = after <= self.case.limit and self._wrong_keys(self.theirs, twin) <= wrong
            except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError):
                return None  # the mistake does not fit this layer: wrong shapes, nothing to swap
        return after if fits else None

    def _wrong_keys(self, side, model):
        """Keys, of all layers, of the tensors that differ from the reference in the isolated view."""
        wrong, reference = set(), self.reference

        def sink(key, array):
            truth = reference.tensors.get(key)
            if (
                (truth is None) != (array is None)
                or array is not None
                and error_of(truth, array, reference.scales[key]) > self.case.limit
            ):
                wrong.add(key)

        sink.wants = lambda key: not _given(key)
        buffers = side.buffers(model)
        cotangents = reference.cotangents if self.check == "backward" else None
        Isolated(side, model, sink, reference).run(reference.inputs, cotangents)
        side.set_buffers(model, buffers)
        return wrong

    def _twin(self):
        model = self.theirs.build(self.case.build, self.reference.seed)
        self.theirs.load(model, self.reference.weights)
        set_mode(model, self.case.training)
        return model

    def _isolated(self, side, model, check):
        """Every tensor of the blamed layer in the isolated view, and its buffers after the run, by Key."""
        found = {}

        def sink(key, array):
            if sink.wants(key):
                found[key] = None if array is None else np.array(array)

        backward = check == "backward"
        whats = ("grad_input", "grad_output", "grad_param") if backward else ("input", "output")
        sink.wants = lambda key: key.layer == self.layer and key.what in whats and not _given(key)
        buffers = side.buffers(model)
        cotangents = self.reference.cotangents if backward else None
        Isolated(side, model, sink, self.reference).run(self.reference.inputs, cotangents)
        for name, array in side.buffers(model).items() if not backward else ():
            layer, _, leaf = name.rpartition(".")
            if layer == self.layer:
                found[Key("state", layer, 0, leaf)] = np.array(array)
        side.set_buffers(model, buffers)
        return found

    def _distance(self, found, keys, truth):
        """The largest error of these tensors; inf where one side has none."""
        largest = 0.0
        for key in keys:
            ours = found.get(key)
            theirs = truth.get(key) if isinstance(truth, dict) else truth.tensors.get(key)
            if ours is None and theirs is None:
                continue
            if ours is None or theirs is None or not theirs.size:
                return np.inf
            scale = self.reference.scales.get(key) or float(np.abs(theirs).max()) or 1.0
            largest = max(largest, error_of(theirs, ours, scale))
        return largest

    def _of_calls(self, model):
        """A layer that one side never calls: the twin with the mistake must make the same calls and outputs."""
        found = self._free(self.ours, model)
        truth = self._free(self.theirs, self._twin())
        before = self._distance(found, found.keys() & truth.keys(), truth)
        for rule in call_rules(self._twin(), self.layer):
            self.tried += 1
            twin = self._twin()
            try:
                rule.plant(twin)
                made = self._free(self.theirs, twin)
            except (RuntimeError, ValueError, TypeError, AttributeError):
                continue
            if made.keys() == found.keys() and self._distance(found, found.keys(), made) <= self.case.limit:
                return self._answer(rule.name, before, self._distance(found, found.keys(), made))
        return self._answer(before=before)

    def _free(self, side, model):
        found, buffers = {}, side.buffers(model)

        def sink(key, array):
            found[key] = None if array is None else np.array(array)

        Propagated(side, model, sink).run(self.reference.inputs)
        side.set_buffers(model, buffers)
        return found


def _given(key):
    """Whether this is what the model itself is given, the same by construction."""
    return key.layer == "" and key.what in ("input", "grad_output")
