"""What a measured line means: `verdict_of`, and the words for it.

same                      every use and every edge agrees up to rounding
same, constant in float32 it would, but for a constant that Paddle rounds to float32
same but at edges         ordinary input agrees; ties, empty tensors, NaN and the like do not, or are refused
differs                   ordinary input gives other values, or has no counterpart of an argument
missing                   Paddle has nothing of the kind
not compared              PyTorch's result is random, or nothing could be run
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from align.api.entry import LIMIT

SAME, CONSTANT, EDGES, DIFFERS, MISSING = (
    "same",
    "same, constant in float32",
    "same but at edges",
    "differs",
    "missing",
)
VERDICTS = (SAME, CONSTANT, EDGES, DIFFERS, MISSING)
SMALL = 1e-5  # relative: no constant in float32 makes a larger difference
FLOORS, ULPS = 8, 2e-6  # in float32: times PyTorch's own error, and relative to the largest value at least


@dataclass
class Summary:
    """How one way of calling Paddle does over all uses: largest errors, and what does not agree."""

    forward: float | None = None
    gradient: float | None = None
    forward32: float | None = None
    gradient32: float | None = None
    wrong: list[str] = field(default_factory=list)  # ordinary uses
    edges: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    compared: int = 0


def summary_of(line: dict[str, Any], way: str, limit: float = LIMIT) -> Summary:
    """Sum up "naive" or "recipe" over the uses of a measured line."""
    side = Summary()
    for use in line["uses"]:
        found = use.get(way)
        if found is None or ("torch" in use and "forward" not in found and "refused" in found):
            continue  # both refuse
        name = " ".join(filter(None, [use["use"], "" if not use["edge"] and use["use"] else use["given"]]))
        into = side.edges if use["edge"] else side.wrong
        side.compared += 1
        if "torch" in use:
            continue  # what PyTorch refuses, nobody ports
        if "refused" in found:
            into.append(f"{name}: {found['refused']}")
            continue
        _judge(side, use, found, name, into, limit)
    return side


def _judge(side: Summary, use: dict, found: dict, name: str, into: list[str], limit: float) -> None:
    values = [found[kind] for kind in ("forward", "gradient")]
    if not use["edge"]:
        side.forward, side.gradient = (
            _larger(a, b) for a, b in zip((side.forward, side.gradient), values, strict=True)
        )
    wrong = [(kind, value) for kind, value in zip(("forward", "gradient"), values, strict=True) if _above(value, limit)]
    like = use["edge"] and side.constants and all(value < SMALL for _, value in wrong)  # as the ordinary uses
    if wrong and (found.get("constants") or like):
        side.constants += [text for text in found.get("constants", []) if text not in side.constants]
    elif wrong:
        kind, value = wrong[0] if wrong[0][1] > SMALL else wrong[-1]  # not a constant, if there is more
        into.append(f"{name}: {said(found.get(f'{kind} at', kind), value)}")
    single, floor = found.get("float32"), use.get("floor")
    if "refused32" in found:
        into.append(f"{name} in float32: {found['refused32']}")
    elif single and floor:
        if not use["edge"]:
            side.forward32 = _larger(side.forward32, single["forward"])
            side.gradient32 = _larger(side.gradient32, single["gradient"])
        for kind in ("forward", "gradient"):
            if not wrong and _above(single[kind], FLOORS * (floor[kind] or 0.0) + ULPS):
                words = said(single.get(f"{kind} at", kind), single[kind])
                into.append(f"{name} in float32: {words}, PyTorch's own error is {floor[kind] or 0.0:.0e}")


def said(place: str, value: float | None) -> str:
    """A difference in words."""
    number = value is not None and value != float("inf") and not place.endswith("is zero")
    return f"{place} differs by {value:.0e}" if number else place


def _above(value: float | None, limit: float) -> bool:
    return value is not None and not value <= limit


def _larger(a: float | None, b: float | None) -> float | None:
    return max((x for x in (a, b) if x is not None), default=None)


def verdict_of(line: dict[str, Any]) -> str:
    """Return the verdict on Paddle called as PyTorch is."""
    if not line["paddle"]:
        return MISSING
    side = summary_of(line, "naive", line.get("limit", LIMIT))
    if side.wrong or not side.compared:
        return DIFFERS
    if side.edges:
        return EDGES
    return CONSTANT if side.constants else SAME


def recipe_fits(line: dict[str, Any]) -> bool:
    """Whether the recipe makes every ordinary use equal."""
    side = summary_of(line, "recipe", line.get("limit", LIMIT))
    return side.compared > 0 and not side.wrong


def groups(lines: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Return how many lines have each verdict."""
    found = dict.fromkeys(VERDICTS, 0)
    for line in lines:
        found[verdict_of(line)] += 1
    return found
