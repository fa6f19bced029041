"""Join what the demo made into one page: translated faces, parity, a short training and its measures."""

import argparse
import base64
import csv
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.cli import command
from paddle_ugatit.cli.parity_chart import parity_chart, read_report
from paddle_ugatit.data.images import read_picture
from paddle_ugatit.data.kinds import require_file
from paddle_ugatit.formats import atomic
from paddle_ugatit.formats.html import environment

EXAMPLES = """\
examples:
  python tools/demo_page.py --out work/outputs/demo/index.html --picture work/outputs/demo/first/picture.png
  python tools/demo_page.py --out index.html --run RUN --measures untranslated=a.json "this run"=b.json

Every section is left out if its files are not given. The page holds its pictures and needs no network.

exit code: 0 done, 1 a file cannot be read or written, 2 bad usage
"""
_TEMPLATES = Path(__file__).with_name("templates")
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 240, 56, 16, 12, 34  # of the curve, pixels
_RECORDS = ("log.txt", "losses.csv")
_SHEETS = 4  # sample sheets that are shown
_CURVE = ("g_cycle_a", "g_cycle_b")  # the losses whose sum is drawn; runs weight the others differently
_POINTS = 15  # of a curve: each is a mean over the iterations around it


def parse(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = command.parser(program, __doc__, EXAMPLES)
    parser.add_argument("--out", required=True, metavar="FILE", help="page to write, .html")
    parser.add_argument("--picture", metavar="FILE", help="faces translated by the model that ships")
    parser.add_argument("--parity", nargs="*", default=[], metavar="FILE", help="reports of align/check_*.py --json")
    parser.add_argument("--run", metavar="DIR", help="folder of a training run")
    parser.add_argument("--beside", metavar="FILE", help="losses.csv of another run, to be drawn beside this one's")
    parser.add_argument(
        "--measures", nargs="*", default=[], metavar="NAME=FILE", help="reports of eval_kid --json, in order"
    )
    return parser.parse_args(argv)


def render(arguments: argparse.Namespace) -> str:
    """Return the page's HTML. Raises InputError if a file cannot be read."""
    reports = [read_report(path) for path in arguments.parity]
    other = _other_losses(Path(arguments.beside)) if arguments.beside else []
    forward = [report for report in reports if report.get("check") == "forward"]
    return (
        environment(_TEMPLATES)
        .get_template("demo.html")
        .render(
            picture=_embedded(Path(arguments.picture)) if arguments.picture else None,
            parity=[_verdict(report) for report in reports],
            chart=parity_chart(forward[0]) if forward else None,
            details=_link(arguments.parity[0], arguments.out) if arguments.parity else None,
            training=_training(Path(arguments.run), other) if arguments.run else None,
            measures=[_measures(text) for text in arguments.measures],
        )
    )


def _embedded(path: Path) -> str:
    try:
        read_picture(path)
        return base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def _verdict(report: dict) -> dict[str, str]:
    return {key: str(report.get(key, "")) for key in ("check", "verdict", "summary")}


def _link(report: str, page: str) -> str | None:
    """The page of the parity report, relative to this one, where there is one."""
    found = Path(report).with_name("index.html")
    return Path(os.path.relpath(found, Path(page).parent)).as_posix() if found.exists() else None


def _training(run: Path, other: list[tuple[int, float]]) -> dict[str, Any]:
    """The curve, the sample sheets and the interruptions of a run."""
    if not any((run / name).is_file() for name in _RECORDS):
        raise InputError(f"{run}: is no folder of a training run: it has none of {', '.join(_RECORDS)}")
    losses = _losses(run / "losses.csv")
    points = smoothed(losses, _POINTS)
    sheets = sorted(run.glob("samples/*_A2B.png"))
    shown = sorted({round(i * (len(sheets) - 1) / max(_SHEETS - 1, 1)) for i in range(_SHEETS)}) if sheets else []
    return {
        "curve": _curve(points, other) if len(points) > 1 else None,
        "last": losses[-1][0] if losses else None,
        "resumed": _resumed(run / "log.txt"),
        "sheets": [{"iteration": int(sheets[i].name.split("_")[0]), "data": _embedded(sheets[i])} for i in shown],
    }


def _text(path: Path) -> str:
    """The text of a record of the run, empty if there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _other_losses(path: Path) -> list[tuple[int, float]]:
    """The losses in a file that was named. Raises InputError if it cannot be read or holds none."""
    try:
        require_file(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    found = _losses(path)
    if not found:
        raise InputError(f"{path}: is no losses.csv of a training run")
    return found


def _losses(path: Path) -> list[tuple[int, float]]:
    """(iteration, loss) of the rows of a losses.csv, in order; what is no such row is passed over."""
    found = []
    for row in csv.DictReader(_text(path).splitlines()):
        try:
            found.append((int(row["iteration"]), sum(float(row[name]) for name in _CURVE)))
        except (KeyError, TypeError, ValueError):
            continue
    return sorted(found)


def smoothed(points: list[tuple[int, float]], count: int) -> list[tuple[int, float]]:
    """Return means of consecutive points, at most `count` of them.

    >>> smoothed([(1, 4.0), (2, 2.0), (3, 1.0)], 2)
    [(2, 3.0), (3, 1.0)]
    """
    size = max(1, -(-len(points) // count))
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    return [(part[-1][0], sum(loss for _, loss in part) / len(part)) for part in parts]


def _resumed(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"resumed after iteration (\d+)", _text(path))]


def _curve(points: list[tuple[int, float]], other: list[tuple[int, float]]) -> dict[str, Any]:
    """Both curves in the chart's pixels, with ticks; the other one as far as this one goes, and its end as a line."""
    last = points[-1][0]
    near = smoothed([point for point in other if point[0] <= last], _POINTS)
    end = smoothed(other, _POINTS)[-1][1] if other else None
    most = max(loss for _, loss in [*points, *near]) or 1.0

    def place(iteration: float, loss: float) -> tuple[float, float]:
        across = _LEFT + (_WIDTH - _LEFT - _RIGHT) * iteration / last
        return round(across, 1), round(_TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - loss / most), 1)

    return {
        "width": _WIDTH,
        "height": _HEIGHT,
        "left": _LEFT,
        "right": _WIDTH - _RIGHT,
        "floor": _HEIGHT - _BOTTOM,
        "dots": [place(*point) for point in points],
        "beside": [place(*point) for point in near] if len(near) > 1 else [],
        "end": None if end is None else place(0, end)[1],
        "across": [(place(last * part / 4, 0)[0], round(last * part / 4)) for part in range(5)],
        "down": [(place(0, most * part / 2)[1], f"{most * part / 2:.3g}") for part in range(3)],
    }


def _measures(text: str) -> dict[str, Any]:
    """One row of the table: KID, its interval and the attributes kept, from NAME=FILE."""
    name, found, path = text.partition("=")
    if not found:
        raise InputError(f"--measures {text}: must be NAME=FILE")
    try:
        require_file(path)
        report = json.loads(Path(path).read_text(encoding="utf-8"))
        kid, attributes = report["kid"], report.get("attributes")
        return {
            "name": name,
            "kid": float(kid["all_pairs"]),
            "low": float(kid["ci95"][0]),
            "high": float(kid["ci95"][1]),
            "kept": None if attributes is None else float(attributes["mean"]),
        }
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: is not a report of tools/eval_kid.py") from error


def make(arguments: argparse.Namespace) -> None:
    """Write the page."""
    page = render(arguments)
    Path(arguments.out).parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(arguments.out, "w") as file:
        file.write(page)
    print(f"{arguments.out}: {len(page) / 1000:.0f} kB")


def main(argv: Sequence[str] | None = None, program: str = "demo_page") -> int:
    """Run the command line and return the exit code."""
    arguments = parse(argv, program)
    return command.run(program, lambda: make(arguments), "nothing was written")
