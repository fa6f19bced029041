"""README's parity chart: the error of every layer along the depth of a network, as SVG, from a report of align."""

import json
import math
from html import escape
from pathlib import Path

from paddle_ugatit.backend.errors import InputError

WIDTH, HEIGHT = 900, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 12, 34, 44  # pixels around the plot
_LOW, _HIGH = -18, 0  # decades of the error
_DTYPES = {"float64": ("#1864ab", "in float64"), "float32": ("#e8590c", "in float32")}


def parity_chart(report: dict, case: str | None = None) -> str:
    """Draw the error of each layer call of one case in execution order; `report` is the JSON of align/check_forward.py.

    A dot is the largest difference from PyTorch in what a layer computes from PyTorch's own input, relative to the
    largest value; the lines are the limits. Raises InputError if the report holds no such case, or no such rows.
    """
    chosen = _case(report, case)
    calls, points = _errors(chosen)
    across = (WIDTH - _LEFT - _RIGHT) / len(calls)
    marks = []
    for dtype, (colour, _) in _DTYPES.items():
        limits = sorted(
            (place, row["limit"]) for (place, kind), row in points.items() if kind == dtype and row["limit"]
        )
        marks.append(_limit(limits, across, colour))
        for (place, kind), row in points.items():
            if kind == dtype:
                x, y = _LEFT + (place + 0.5) * across, _height(row["error"])
                marks.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}" fill-opacity=".75"/>')
    worst = max((row["error"] for (_, kind), row in points.items() if kind == "float64"), default=None)
    said = f"{chosen['name']}: {len(calls)} layer calls"
    said += "" if worst is None else f", largest error in float64 {worst:.0e}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="12" fill="#333"><title>{escape(said)}</title>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>{_axes(len(calls))}{"".join(marks)}'
        f"{_legend(said)}</svg>\n"
    )


def read_report(path: Path | str) -> dict:
    """Read a report of align. Raises InputError if the file cannot be read or is no such report."""
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"{path}: is not JSON: {error}") from error
    if not isinstance(report, dict) or not str(report.get("schema", "")).startswith("paddle-ugatit-parity/"):
        raise InputError(f"{path}: is not a report of align/check_forward.py --json")
    return report


def _case(report: dict, name: str | None) -> dict:
    cases = {case["name"]: case for case in report["cases"]}
    if name is None:  # the deepest one
        name = max(cases, key=lambda key: len(cases[key]["rows"]), default=None)
    if name not in cases:
        raise InputError(f"the report has no case {name}; it has {', '.join(cases) or 'none'}")
    return cases[name]


def _errors(case: dict) -> tuple[list, dict]:
    """The layer calls in order, and (place, dtype) -> the row of the largest error there."""
    own = [row for row in case["rows"] if (row["view"], row["what"]) == ("isolated", "output")]
    rows = [row for row in own if row["error"] is not None]
    if not rows:
        raise InputError(f"{case['name']}: the report compares no layer on its own")
    calls = list(dict.fromkeys((row["layer"], row["call"]) for row in rows))
    places = {call: place for place, call in enumerate(calls)}
    points: dict[tuple[int, str], dict] = {}
    for row in rows:
        key = places[row["layer"], row["call"]], row["dtype"]
        if key not in points or row["error"] > points[key]["error"]:
            points[key] = row
    return calls, points


def _height(error: float) -> float:
    """The y of an error; an exact 0 lies on the axis."""
    decade = math.log10(error) if error > 0 else _LOW
    share = (min(max(decade, _LOW), _HIGH) - _LOW) / (_HIGH - _LOW)
    return HEIGHT - _BOTTOM - share * (HEIGHT - _BOTTOM - _TOP)


def _limit(limits: list[tuple[int, float]], across: float, colour: str) -> str:
    """The limit as a step line."""
    if not limits:
        return ""
    path = "".join(
        f"{'M' if index == 0 else 'L'}{_LEFT + place * across:.1f},{_height(limit):.1f}h{across:.1f}"
        for index, (place, limit) in enumerate(limits)
    )
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-opacity=".45" stroke-dasharray="4 3"/>'


def _axes(calls: int) -> str:
    parts = []
    for decade in range(_LOW, _HIGH + 1, 3):
        y, text = _height(10.0**decade), "0" if decade == _LOW else f"1e{decade}"
        parts.append(f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    base = HEIGHT - _BOTTOM + 18
    parts.append(f'<text x="{_LEFT}" y="{base}">layer 1</text>')
    parts.append(f'<text x="{WIDTH - _RIGHT}" y="{base}" text-anchor="end">layer {calls}</text>')
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{base + 18}" text-anchor="middle">layer calls, input to output</text>')
    turned = f'transform="rotate(-90 13 {HEIGHT / 2 - 6})"'
    parts.append(f'<text x="13" y="{HEIGHT / 2 - 6}" text-anchor="middle" {turned}>relative error</text>')
    return "".join(parts)


def _legend(said: str) -> str:
    parts, x = [f'<text x="{_LEFT}" y="20" font-weight="bold">{escape(said)}</text>'], WIDTH - 330
    for colour, text in _DTYPES.values():
        parts.append(f'<circle cx="{x}" cy="16" r="4" fill="{colour}"/><text x="{x + 9}" y="20">{text}</text>')
        x += 100
    parts.append(f'<line x1="{x}" x2="{x + 22}" y1="16" y2="16" stroke="#555" stroke-dasharray="4 3"/>')
    return "".join(parts) + f'<text x="{x + 28}" y="20">the limit</text>'
