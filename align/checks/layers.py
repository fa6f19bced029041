"""Check one case: Paddle against a reference, in all views and both dtypes."""

import time
from dataclasses import asdict
from importlib.util import find_spec

from align.cases.pair import Pair
from align.causes.constants import adopted, measured
from align.compare import repeating
from align.compare.narrowing import candidates, narrowed, without_uncalled
from align.compare.pair_names import joined
from align.compare.raised import on_side
from align.compare.reference import NotComparable, by_key, outputs_of, repeats, require_repeat, set_mode
from align.compare.sides import paddle_side_of
from align.compare.verdict import UNDETERMINED, Judge, blame, blame_message, in_order, structure, weight_rows
from align.compare.views import Isolated, Propagated, Whole
from align.report.api_row import line_about
from paddle_ugatit.weights import WeightError


def check_case(case, reference, check, dtypes=("float64", "float32"), tamper=None, causes=False):
    """Compare one case and return its report entry.

    `check` is "forward" or "backward"; `tamper(model)` plants a fault, in tests. With `causes`, and if PyTorch is
    installed, the cause of a difference is searched for (align/causes/search.py).
    """
    start = time.perf_counter()
    rows, problem, notes = [], "", [UNDETERMINED] if reference.scales.undetermined else []
    try:
        if isinstance(case, Pair):
            with on_side("Paddle"):
                case, reference, more = narrowed(case, reference, lambda case: paddle_side_of(case)("float64"))
            notes += more
        rows += _all_rows(case, reference, check, dtypes, tamper, notes)
        if isinstance(case, Pair) and (fewer := without_uncalled(case, reference, rows)):
            others, more = [], list(notes)
            others += _all_rows(fewer[0], fewer[1], check, dtypes, tamper, more)
            if all(row.verdict == "pass" for row in others):  # it is no layer left out: its weights are used elsewhere
                rows, notes = others, [*more, fewer[2]]
        if isinstance(case, Pair) and "float64" in dtypes:
            found = adopted(case, reference, check, rows, lambda *pair: _rows(*pair, check, "float64", tamper, []))
            if found:  # what is left is judged, and explained, with Paddle's constants
                case, more = found
                reference = measured(case, reference, check, "float32" in dtypes)
                rows, notes = _all_rows(case, reference, check, dtypes, tamper, notes), notes + more
    except NotComparable as error:
        problem = str(error)
    rows = in_order(rows, reference, check)
    blamed = blame(rows)
    if not rows and not problem:
        problem = "nothing was compared"
    cause = None
    if causes and blamed and find_spec("torch"):
        cause = _cause(case, reference, check, blamed, tamper)
    verdict = "not comparable" if problem else "diverged" if blamed else "aligned"
    blamed = blamed and {**asdict(blamed), "message": _message(case, reference, blamed), "cause": cause}
    if blamed and isinstance(case, Pair):
        blamed["more"] = line_about(blamed)
    notes = [problem] if problem else [line for line in (structure(rows), *dict.fromkeys(notes)) if line]
    return case_entry(case, reference.seed, verdict, "; ".join(notes), start, blamed, rows)


def _message(case, reference, blamed):
    """What differs, and for code behind a layer of somebody's model, which layer comes next."""
    text, place = blame_message(blamed, case.layer), (blamed.layer, blamed.call)
    if not isinstance(case, Pair) or blamed.what != "grad_output" or place not in reference.order[:-1]:
        return text
    layer, _ = reference.order[reference.order.index(place) + 1]
    return f"{text}; the next layer that receives an input is {layer} ({reference.types.get(layer, '')})"


def _cause(case, reference, check, blamed, tamper):
    """The mistake of the blamed layer, or the faster way without which all agrees."""
    from align.causes.search import UNKNOWN, find_cause, is_large
    from align.causes.ways import find_way

    cause = None
    try:
        if blamed.view != "whole":  # there, no single layer is to blame
            cause = find_cause(case, reference, check, blamed, tamper)
        if (cause is None or cause["name"] == UNKNOWN) and blamed.what != "weight" and not is_large(reference):
            cause = find_way(case, reference, check, tamper) or cause
    except Exception:  # whatever a model that differs raises when it is run in other ways: it differs all the same
        cause = {"name": UNKNOWN, "before": None, "after": None, "tried": 0}
    return cause


def case_entry(case, seed, verdict, note, start, blamed=None, rows=()):
    """Return the report's entry of a case; `start` is from time.perf_counter."""
    network = {name: x for name, x in case.network[1].items() if name != "shape"} if case.network else {}
    options = {"shapes": case.shapes, "calls": case.calls, "training": case.training, "seed": seed}
    if case.published:
        options["weights"] = case.published.about()
    return {
        "name": case.name,
        "title": f"{case.layer}: {case.name}",
        "layer": case.layer,
        "equation": case.equation,
        "paddle": case.sources[0],
        "torch": case.sources[1],
        "options": network | options,
        "verdict": verdict,
        "note": note,
        "seconds": round(time.perf_counter() - start, 3),
        "blamed": blamed,
        "counts": {
            "compared": len(rows),
            "failed": sum(row.verdict == "fail" for row in rows),
            "inherited": sum(row.verdict == "inherited" for row in rows),
        },
        "rows": [asdict(row) for row in rows],
    }


def _all_rows(case, reference, check, dtypes, tamper, notes):
    return [row for dtype in dtypes for row in _rows(case, reference, check, dtype, tamper, notes)]


def _rows(case, reference, check, dtype, tamper, notes):
    """Compare in one dtype. Raises NotComparable if Paddle raises, unless a difference in structure explains it."""
    refused = []
    with on_side("Paddle"):
        side, fits = paddle_side_of(case)(dtype), True

        def build():
            nonlocal fits
            model = side.build(case.build, reference.seed)
            try:
                side.load(model, reference.weights)
            except WeightError as error:
                refused.append(str(error))
                side.load_matching(model, reference.weights)
                fits = False
            if tamper:
                tamper(model)
            set_mode(model, case.training)
            return model

        model = build()
        state = side.state(model)
        rows = weight_rows(reference, state, dtype, reference.facts.get("unsaved", ()))
        if isinstance(case, Pair):
            near = candidates(reference, state)
            for row in rows:
                if row.what == "weight" and (other := near.get(joined(row.layer, row.slot))):
                    row.note += f"; {other}"
    if fits:
        return rows + _value_rows(case, reference, check, side, model, build)
    _require_failure(rows, refused)
    try:
        return rows + _value_rows(case, reference, check, side, model, build)
    except NotComparable as error:
        notes.append(f"values were not compared: {error}")
        return rows


def _value_rows(case, reference, check, side, model, build):
    with on_side("Paddle"):
        return _compared_values(case, reference, check, side, model, build)


def _compared_values(case, reference, check, side, model, build):
    dtype, rows, strange = side.dtype, [], isinstance(case, Pair)
    buffers = side.buffers(model)
    first = outputs_of(side, model, reference.inputs)
    model = side.again(model, buffers, build)
    cotangents = reference.cotangents if check == "backward" else None
    if cotangents and _shapes(first) != _shapes(cotangents):
        if strange:
            return _output_rows(reference, first, dtype, case.limit)
        raise NotComparable("the outputs differ in shape from PyTorch's, so no gradient can be passed to them")
    single = "" in side.leaves(model) and not strange
    for view in ("propagated", "isolated") if single else ("propagated", "isolated", "whole"):
        judge = Judge(reference, check, view, dtype, case.limit)
        if view == "propagated":
            seen = {}
            Propagated(side, model, _both(judge, seen)).run(reference.inputs, cotangents)
            if strange:
                _require_repeat(side, build, reference.inputs, first, seen)
            elif not repeats(first, seen):  # the first run was not watched, so layers may have run fused
                side.set_buffers(model, buffers)
                require_repeat(side.name, first, dict(by_key(outputs_of(side, model, reference.inputs))))
        elif view == "isolated":
            Isolated(side, model, judge, reference).run(reference.inputs, cotangents)
        elif cotangents:
            Whole(side, model, judge).run(reference.inputs, cotangents)
        else:
            for key, array in by_key(first):
                judge(key, array)
        model = side.again(model, buffers, build)
        rows += judge.finish()
    return rows


def _require_repeat(side, build, inputs, first, seen):
    """Raise NotComparable if somebody's model does not give the same again; if it does so watched only, it says so."""
    wanted = dict(by_key(first))
    if all(
        repeating.same(array, seen.get(key), 1e-4 if side.dtype == "float32" else 1e-9) for key, array in wanted.items()
    ):
        return
    repeating.require_repeat(side, build, inputs, "Paddle")
    raise NotComparable(
        "cannot observe this Paddle model without changing it: its outputs are others while it is watched"
    )


def _output_rows(reference, first, dtype, limit):
    """The comparison of the outputs alone, where their structures differ and no gradient can be passed to them."""
    judge = Judge(reference, "forward", "whole", dtype, limit)
    for key, array in by_key(first):
        judge(key, array)
    return judge.finish()


def _shapes(calls):
    """Slot -> shape, of the outputs of each call that a gradient can be passed to."""
    return [{slot: a.shape for slot, a in arrays.items() if a is not None and a.dtype.kind in "fc"} for arrays in calls]


def _require_failure(rows, refused):
    if all(row.verdict == "pass" for row in rows):
        told = f": {refused[0]}" if refused else ""
        raise NotComparable(f"paddle_ugatit/weights/rules.py refuses weights that all agree{told}")


def _both(judge, outputs):
    """A sink that judges, and keeps the model's own outputs."""

    def is_end(key):
        return key.what == "output" and key.layer == ""

    def sink(key, array):
        judge(key, array)
        if is_end(key):
            outputs[key] = array

    sink.wants = lambda key: is_end(key) or judge.wants(key)
    return sink
