"""Why the blamed layer differs: `find_cause` tries likely mistakes in PyTorch until one gives what Paddle gave.

A mistake is named only if, made in the reference's computation, it brings every tensor of the blamed layer that the
check compares (inputs, outputs, gradients, state) within the case's float64 limit of Paddle's, and spoils no tensor of
another layer that Paddle has right; and if it does so again on a second, independent case: other weights, another batch
and, where the model takes them, maps of another size. A mistake that nearly fits, explains only a part, or fits one
case by a coincidence of numbers, is not named: the cause is then "unknown".
"""

import time
from dataclasses import replace

import numpy as np

from align.cases.pair import Pair
from align.causes.arrays import array_causes, weight_cause
from align.causes.constants import called
from align.causes.mistakes import call_mistakes, graph_mistakes, layer_mistakes, strange_mistakes
from align.causes.second import second_cases
from align.compare.reference import by_key, measure, outputs_of, set_mode
from align.compare.sides import paddle_side_of, torch_side_of
from align.compare.verdict import EXTRA, MISSING, NO_KEY, UNKNOWN, error_of
from align.compare.views import Isolated, Key, Propagated
from align.planting import in_force
from paddle_ugatit.weights import WeightError

FLOAT32_ONLY = "rounding of float32: the formula is right in float64"
SECONDS = 120  # after these, no further mistake is tried
LARGE = 50_000_000  # weights; no cause is searched for in a larger model, which would have to be built again and again


def find_cause(case, reference, check, blamed, tamper=None, seconds=SECONDS):
    """Return {"name", "before", "after", "tried"}: the cause, the largest error without and with it, mistakes tried.

    `blamed` is the row from `verdict.blame`; `tamper(model)`, if given, is how Paddle's model was changed.
    """
    if is_large(reference):
        return {"name": UNKNOWN, "before": None, "after": None, "tried": 0}
    found = _found(case, reference, check, blamed, tamper, seconds)
    if found["name"] != UNKNOWN or not isinstance(case, Pair) or blamed.what == "weight":
        return found
    tried, known = found["tried"], set(reference.types)
    inside = [called(case, reference, blamed.layer)] if blamed.what != "input" and blamed.layer in known else []
    for names in filter(None, dict.fromkeys(map(tuple, [*inside, called(case, reference)]))):
        # A mistake beside the constants that Paddle's layer keeps in float32.
        both = _found(replace(case, arithmetic=(*case.arithmetic, *names)), reference, check, blamed, tamper, seconds)
        tried += both["tried"]
        if both["name"] != UNKNOWN:
            return both | {"name": f"{both['name']}, beside constants that Paddle keeps in float32", "tried": tried}
    return found | {"tried": tried}


def _found(case, reference, check, blamed, tamper, seconds):
    ours, theirs = paddle_side_of(case)("float64"), torch_side_of(case)("float64")
    refuted = set()
    with np.errstate(all="ignore"):
        while True:
            search = _Search(case, reference, check, blamed, ours, theirs, seconds)
            search.refuted = refuted
            found = search.run(tamper)
            if found["name"] in (UNKNOWN, FLOAT32_ONLY) or _holds_again(search, found["name"], tamper):
                return found
            refuted.add(found["name"])


def is_large(reference):
    """Whether the model is too large to be built again and again."""
    return sum(array.size for array in reference.weights.values()) > LARGE


def _holds_again(search, name, tamper):
    """Whether this cause, and no other, is found on a second case as well."""
    case, seed = search.case, search.reference.seed + 1
    for other in second_cases(case):
        try:
            reference = measure(other, torch_side_of(case), seed, None, None, search.check == "backward", False)
            again = _Search(other, reference, search.check, search.blamed, search.ours, search.theirs, SECONDS)
            again.only = name
            return again.run(tamper)["name"] == name
        except Exception:  # a size or a batch that the model does not take
            continue
    return False


class _Search:
    def __init__(self, case, reference, check, blamed, ours, theirs, seconds):
        self.case, self.reference, self.check, self.blamed = case, reference, check, blamed
        self.ours, self.theirs, self.layer = ours, theirs, blamed.layer
        self.tried, self.end = 0, time.perf_counter() + seconds
        self.only, self.refuted = None, set()  # the one name to be tried, names that are not to be

    def run(self, tamper):
        case, reference, ours = self.case, self.reference, self.ours
        model = ours.build(case.build, reference.seed)
        initial = ours.state(model)
        try:
            ours.load(model, reference.weights)
        except WeightError:  # missing, extra or misshapen arrays: the message already says so
            return self._of_structure(model)
        if tamper:
            tamper(model)
        set_mode(model, case.training)
        if self.blamed.what == "weight":
            state = ours.state(model)
            found = weight_cause(self.blamed, reference.weights, state, initial, self._layer_agrees(model))
            self.tried += found.pop("tried")
            if not self._wanted(found["name"]):
                found |= {"name": UNKNOWN, "after": None}
            if found["name"] != UNKNOWN or not self.blamed.note:
                return self._answer(**found)
        if isinstance(self.case, Pair) and (name := self._swapped_outputs(model)):
            return self._answer(name, None, 0.0)
        if self.blamed.note in (EXTRA, MISSING):
            return self._of_calls(model)
        return self._of_values(model)

    def _wanted(self, name):
        return name not in self.refuted and self.only in (None, name)

    def _answer(self, name=UNKNOWN, before=None, after=None):
        numbers = [None if x is None or not np.isfinite(x) else float(x) for x in (before, after)]
        return {"name": name, "before": numbers[0], "after": numbers[1], "tried": self.tried}

    def _of_structure(self, model):
        """For arrays without a partner: misnamed if the model gives PyTorch's outputs once they are loaded by shape."""
        wanted, own = self.reference.weights, self.ours.state(model)
        names, free = {}, [key for key in own if key not in wanted]
        for key in [key for key in wanted if key not in own]:
            same = [other for other in free if own[other].shape == wanted[key].shape]
            if not same:
                break
            free.remove(same[0])
            names[same[0]] = key
        self.ours.load_matching(model, wanted, names)
        if not names or free or len(names) + sum(key in wanted for key in own) < len(wanted):
            return self._with_matching(model, own)
        self.tried += 1
        set_mode(model, self.case.training)
        outputs = dict(by_key(outputs_of(self.ours, model, self.reference.inputs)))
        after = self._distance(outputs, outputs.keys(), self.reference)
        if after > self.case.limit:
            return self._answer()
        ours, theirs = next(iter(names.items()))
        more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
        return self._answer(f"misnamed: Paddle's {ours} is PyTorch's {theirs}{more}", None, after)

    def _with_matching(self, model, initial):
        """For an array that PyTorch lacks: whether it is without effect."""
        if not self.blamed.note.startswith(NO_KEY["PyTorch"]):
            return self._answer()
        set_mode(model, self.case.training)
        try:
            found = weight_cause(self.blamed, self.reference.weights, initial, initial, self._layer_agrees(model))
        except Exception:  # a model with other arrays may not run at all
            return self._answer()
        self.tried += found.pop("tried")
        return self._answer(**found)

    def _swapped_outputs(self, model):
        """Which two outputs of the model are in each other's place, in words; "" if no two are."""
        self.tried += 1
        buffers = self.ours.buffers(model)
        ours = dict(by_key(outputs_of(self.ours, model, self.reference.inputs)))
        self.ours.set_buffers(model, buffers)
        wrong = [key for key in ours if self._distance(ours, [key], self.reference) > self.case.limit]
        slots = sorted({key.slot for key in wrong})
        if len(slots) != 2:
            return ""
        other = dict(zip(slots, reversed(slots), strict=True))
        turned = {key: ours.get(key._replace(slot=other[key.slot])) for key in wrong}
        name = f"outputs {' and '.join(slots)} swapped"
        fits = self._distance(turned, turned, self.reference) <= self.case.limit
        return name if fits and self._wanted(name) else ""

    def _layer_agrees(self, model):
        """A function that tells whether the blamed layer nevertheless computes what PyTorch's does."""

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
                return self._answer(FLOAT32_ONLY, before, before)
            return self._answer()
        wrong = self._wrong_keys(self.ours, model)
        for mistake in self._mistakes():
            if time.perf_counter() > self.end:
                break
            if not self._wanted(mistake.name):
                continue
            after = self._try(mistake, found, keys, wrong)
            if after is not None:
                return self._answer(mistake.name, before, after)
        for name, arrays in array_causes(self.reference, truth, found, failing, self.layer):
            if not self._wanted(name):
                continue
            self.tried += 1
            after = self._distance(found, keys, truth | arrays)
            if after <= self.case.limit:
                return self._answer(name, before, after)
        return self._answer(before=before)

    def _mistakes(self):
        reference, path = self.reference, self.layer
        twin = self._twin()
        if path in self.theirs.leaves(twin):
            shapes = []
            while (key := Key("input", path, self.blamed.call, str(len(shapes)))) in reference:
                shapes.append(tuple(reference[key].shape))
            output = reference.tensors.get(Key("output", path, self.blamed.call, "0"))
            if output is not None:
                yield from layer_mistakes(twin, path, shapes, tuple(output.shape))
        yield from graph_mistakes(twin, path)
        if isinstance(self.case, Pair):
            yield from strange_mistakes(twin)

    def _try(self, mistake, found, keys, wrong):
        """The distance of Paddle's tensors from those of a twin with this mistake; None if it is not the cause.

        It is not if the twin gets a tensor of any layer wrong that Paddle has right, that is, which is not in `wrong`.
        """
        self.tried += 1
        with in_force(mistake.patches):
            twin = self._twin()
            try:
                if mistake.plant:
                    mistake.plant(twin if mistake.whole else twin.get_submodule(self.layer))
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
                and error_of(truth, array, reference.scales.of("float64")[key]) > self.case.limit
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
        """The largest error of these tensors; inf if only one side has one."""
        largest = 0.0
        for key in keys:
            ours = found.get(key)
            theirs = truth.get(key) if isinstance(truth, dict) else truth.tensors.get(key)
            if ours is None and theirs is None:
                continue
            if ours is None or theirs is None or not theirs.size:
                return np.inf
            scale = self.reference.scales.of("float64").get(key) or float(np.abs(theirs).max()) or 1.0
            largest = max(largest, error_of(theirs, ours, scale))
        return largest

    def _of_calls(self, model):
        """For a layer that one side never calls: a twin with the mistake must make the same calls and outputs."""
        found = self._free(self.ours, model)
        truth = self._free(self.theirs, self._twin())
        before = self._distance(found, found.keys() & truth.keys(), truth)
        for mistake in call_mistakes(self._twin(), self.layer):
            if not self._wanted(mistake.name):
                continue
            self.tried += 1
            twin = self._twin()
            try:
                mistake.plant(twin)
                made = self._free(self.theirs, twin)
            except (RuntimeError, ValueError, TypeError, AttributeError):
                continue
            if made.keys() == found.keys() and self._distance(found, found.keys(), made) <= self.case.limit:
                return self._answer(mistake.name, before, self._distance(found, found.keys(), made))
        return self._answer(before=before)

    def _free(self, side, model):
        found, buffers = {}, side.buffers(model)

        def sink(key, array):
            found[key] = None if array is None else np.array(array)

        Propagated(side, model, sink).run(self.reference.inputs)
        side.set_buffers(model, buffers)
        return found


def _given(key):
    """Whether the model itself is given this tensor, so that both sides agree by construction."""
    return key.layer == "" and key.what in ("input", "grad_output")
