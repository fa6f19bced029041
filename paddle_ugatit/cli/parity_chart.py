"""README's parity chart: the error of every layer along the depth of a network, as SVG, from a report of align."""

import json
import math
from pathlib import Path

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data.kinds import require_file
from paddle_ugatit.formats.html import environment

WIDTH, HEIGHT = 900, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 12, 34, 44  # pixels around the plot
_LOW, _HIGH = -18, 0  # decades of the error
_COLOURS = {"float64": "#1864ab", "float32": "#e8590c"}
_TEMPLATES = Path(__file__).with_name("templates")


def parity_chart(report: dict, case: str | None = None) -> str:
    """Draw the error of each layer call of one case in execution order; `report` is the JSON of align/check_forward.py.

    A dot is the largest difference from PyTorch in what a layer computes from PyTorch's own input, relative to the
    largest value; the lines are the limits. Raises InputError if the report holds no such case, or no such rows.
    """
    chosen = _case(report, case)
    calls, points = _errors(chosen)
    worst = max((row["error"] for (_, kind), row in points.items() if kind == "float64"), default=None)
    title = f"{chosen['name']}: {len(calls)} layer calls"
    title += "" if worst is None else f", largest error in float64 {worst:.0e}"
    return (
        environment(_TEMPLATES)
        .get_template("parity.svg")
        .render(
            width=WIDTH,
            height=HEIGHT,
            left=_LEFT,
            right=WIDTH - _RIGHT,
            title=title,
            calls=len(calls),
            decades=[(_height(10.0**d), "0" if d == _LOW else f"1e{d}") for d in range(_LOW, _HIGH + 1, 3)],
            dtypes=[_series(dtype, points, (WIDTH - _LEFT - _RIGHT) / len(calls)) for dtype in _COLOURS],
        )
    )


def _series(dtype: str, points: dict, across: float) -> dict:
    """The dots of one dtype and its limit as a step line, in the chart's pixels."""
    own = {place: row for (place, kind), row in sorted(points.items(), key=lambda item: item[0]) if kind == dtype}
    dots = [(round(_LEFT + (place + 0.5) * across, 1), _height(row["error"])) for place, row in own.items()]
    steps = [
        f"{_LEFT + place * across:.1f},{_height(row['limit'])}h{across:.1f}"
        for place, row in own.items()
        if row["limit"]
    ]
    return {"name": dtype, "colour": _COLOURS[dtype], "dots": dots, "limit": steps and "M" + "L".join(steps)}


def read_report(path: Path | str) -> dict:
    """Read a report of align. Raises InputError if the file cannot be read or is no such report."""
    try:
        require_file(path)
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
    return round(HEIGHT - _BOTTOM - share * (HEIGHT - _BOTTOM - _TOP), 1)
