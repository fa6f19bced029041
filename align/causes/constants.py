"""Which differences of a pair come from constants that Paddle keeps in float32, and are no fault of the port.

`adopted` tries each of them alone, in PyTorch (align/compare/constants.py): it is one if what differed then agrees and
nothing else differs.
"""

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec

from align.cases.pair import Pair
from align.compare.raised import NotComparable
from align.compare.reference import Reference, loaded, measure, outputs_of
from align.compare.sides import torch_side_of

SMALL = 1e-5  # relative: no constant in float32 makes a larger difference


def adopted(
    case: Pair, reference: Reference, check: str, rows: list, compare: Callable
) -> tuple[Pair, list[str]] | None:
    """Return the case with the constants that explain differences, and a note for each; None if none does.

    `compare(case, reference)` returns the rows of the check in float64.
    """
    wrong = _wrong(rows)
    if not find_spec("torch") or not any(row.error is not None and row.error < SMALL for row in wrong.values()):
        return None
    from align.compare.constants import WAYS

    notes = []
    for name in called(case, reference):
        trial = replace(case, arithmetic=(*case.arithmetic, name))
        try:
            left = _wrong(compare(trial, measured(trial, reference, check)))
        except NotComparable:
            continue
        gone = [row for key, row in wrong.items() if key not in left]
        if gone and left.keys() <= wrong.keys():
            case, wrong = trial, left
            places = dict.fromkeys(row.layer or "the model" for row in gone if row.view != "whole")
            where = ", ".join(list(places)[:4]) + (" and more" if len(places) > 4 else "")
            notes.append(
                f"Paddle keeps {WAYS[name].text} in float32, which makes a difference of up to "
                f"{max(row.error or 0.0 for row in gone):.0e} ({where}): it is Paddle's, not the port's"
            )
        if not wrong:
            break
    return (case, notes) if notes else None


def measured(case: Pair, reference: Reference, check: str, float32: bool = False) -> Reference:
    """Return the reference again, for the same weights and inputs, with the case's constants."""
    found = measure(
        case, torch_side_of(case), reference.seed, reference.weights, reference.inputs, check == "backward", float32
    )
    return replace(found, facts=reference.facts).only(case.layers)


def called(case: Pair, reference: Reference, layer: str = "") -> list[str]:
    """Return the constants whose functions PyTorch's model calls, or one of its layers, in the order of WAYS."""
    from align.compare.constants import WAYS, noted

    found: set[str] = set()
    side = torch_side_of(case)("float64")
    model = loaded(side, case, reference.seed, reference.weights)
    place = model.get_submodule(layer)
    own = place.forward

    def forward(*arguments, **options):
        with noted(found):
            return own(*arguments, **options)

    place.forward = forward
    outputs_of(side, model, reference.inputs)
    return [name for name in WAYS if name in found and name not in case.arithmetic]


def _wrong(rows):
    """The rows in float64 that fail, by what they compare; first the free runs, whose differences add up."""
    return {
        (row.layer, row.call, row.what, row.slot, row.view): row
        for row in rows
        if row.verdict != "pass" and row.dtype == "float64"
    }
