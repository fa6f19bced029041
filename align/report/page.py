"""The page of one or more parity reports: self-contained HTML with the verdict on top.

    python align/page.py work/outputs/parity/forward.json --html work/outputs/parity/index.html

Reads the JSON files of the checks (schema paddle-ugatit-parity/1). The page needs neither network nor scripts; it is
laid out by templates/parity.html, its charts come from charts.py.
Exit code: 0 written, whatever the verdict; 2 a report cannot be read or contradicts itself.
"""

import json
from pathlib import Path

from align.report.charts import chart, finite, layer_name, scientific
from align.report.coverage import COLUMNS, coverage
from align.report.page_table import DTYPES, ROW_VERDICTS, VIEWS, tables
from paddle_ugatit.cli import command
from paddle_ugatit.formats import html
from paddle_ugatit.formats.atomic import WriteError, replacing

TEMPLATES = Path(__file__).with_name("templates")
SCHEMA = "paddle-ugatit-parity/1"
VERDICTS = {"aligned": "✓ aligned", "diverged": "✕ diverged", "not comparable": "? not comparable"}
GRAVITY = ("aligned", "not comparable", "diverged")
CASE_TEXTS = ("name", "title", "layer", "equation", "paddle", "torch")
ROW_KEYS = ("layer", "type", "call", "what", "slot", "shape", "error", "floor", "limit", "note")
ROW_CHOICES = {"verdict": ROW_VERDICTS, "view": VIEWS, "dtype": DTYPES}


class ReportError(ValueError):
    """A report that cannot be drawn; the message names the report and what is wrong with it."""


def check_report(report, name: str) -> None:
    """Raise ReportError unless the report has this schema and its verdicts agree with its rows."""
    if not isinstance(report, dict) or report.get("schema") != SCHEMA:
        raise ReportError(f"{name}: not a parity report of schema {SCHEMA}")
    try:
        if report["verdict"] not in VERDICTS or not isinstance(report["cases"], list):
            raise ReportError(f"{name}: unknown verdict {report['verdict']!r}, or cases that are not a list")
        for case in report["cases"]:
            _check_case(case, f"{name}, case {case['name']}")
        for key in ("check", "summary"):
            if not isinstance(report[key], str):
                raise ReportError(f"{name}: {key} is not text")
        worst = max((GRAVITY.index(case["verdict"]) for case in report["cases"]), default=0)
    except (KeyError, TypeError) as error:
        raise ReportError(f"{name}: malformed, {type(error).__name__} {error}") from error
    if report["verdict"] == "aligned" and (worst or not report["cases"]):
        raise ReportError(f"{name}: says aligned, but a case is not aligned, or there is none")


def _check_case(case, name):
    if case["verdict"] not in VERDICTS:
        raise ReportError(f"{name}: unknown verdict {case['verdict']!r}")
    for key in CASE_TEXTS:
        if not isinstance(case[key], str):
            raise ReportError(f"{name}: {key} is not text")
    for number, row in enumerate(case["rows"]):
        missing = [key for key in ROW_KEYS if key not in row]
        if missing:
            raise ReportError(f"{name}, row {number}: no {', '.join(missing)}")
        for key, choices in ROW_CHOICES.items():
            if row[key] not in choices:
                raise ReportError(f"{name}, row {number}: unknown {key} {row[key]!r}")
        if row["verdict"] == "pass" and finite(row["error"]) is None:
            raise ReportError(f"{name}, row {number}: passes, but its error is not a number")
    if case["verdict"] == "aligned" and not all(row["verdict"] == "pass" for row in case["rows"]):
        raise ReportError(f"{name}: says aligned, but a row does not pass")
    if case["verdict"] == "aligned" and not case["rows"]:
        raise ReportError(f"{name}: says aligned, but compares nothing")


def _environment():
    pages = html.environment(TEMPLATES)
    pages.filters["css"] = lambda verdict: verdict.replace(" ", "-")
    pages.filters["mark"] = VERDICTS.__getitem__
    return pages


_PAGES = _environment()


def render(reports: list[dict]) -> str:
    """Return the page's HTML. Raises ReportError if a report is malformed or contradicts itself."""
    for number, report in enumerate(reports, 1):
        check_report(report, f"report {number}")
    try:
        values = {
            "verdict": max((report["verdict"] for report in reports), key=GRAVITY.index),
            "compared": _compared(reports),
            "versions": ", ".join(dict.fromkeys(_versions(report) for report in reports)),
            "index": _index(reports),
            "columns": COLUMNS,
            "coverage": coverage(reports),
            "reports": [_report(report, number) for number, report in enumerate(reports)],
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"malformed report, {type(error).__name__} {error}") from error
    return _PAGES.get_template("parity.html").render(values)


def write_page(reports: list[dict], path: Path | str) -> None:
    """Render the page and write it, as `write_text` does."""
    write_text(path, render(reports))


def write_text(path: Path | str, text: str) -> None:
    """Write a page, making its folder; if that is interrupted, the previous page stays whole. Raises WriteError."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, "w") as file:
        file.write(text)


# --- the top of the page ---


def _plural(number, noun):
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _compared(reports):
    cases = [case for report in reports for case in report["cases"]]
    rows = [row for case in cases for row in case["rows"]]
    failed = sum(row["verdict"] != "pass" for row in rows)
    checks = " and ".join(dict.fromkeys(report["check"] for report in reports))
    result = f"{failed:,} beyond their limit" if failed else "all within their limits"
    return f"{_plural(len(rows), 'comparison')} in {_plural(len(cases), 'case')}, {checks}; {result}"


def _versions(report):
    names = {"paddle": "Paddle", "torch": "torch", "numpy": "NumPy", "python": "Python"}
    versions = report.get("versions", {})
    text = ", ".join(f"{name} {versions[key]}" for key, name in names.items() if versions.get(key))
    reference = report.get("reference") or {}
    if reference.get("kind") == "recording":
        text += f"; against a recording of torch {reference.get('torch')} ({reference.get('file')})"
    return text


def _index(reports):
    return [
        {
            "anchor": f"case-{number}-{place}",
            "title": case["title"],
            "verdict": case["verdict"],
            "facts": (report["check"], f"{len(case['rows']):,} compared", f"worst {_worst(case)}"),
        }
        for number, report in enumerate(reports)
        for place, case in enumerate(report["cases"])
    ]


def _worst(case, dtype="float64"):
    """The largest error in this dtype, or "none" if one is not a number."""
    errors = [finite(row["error"]) for row in case["rows"] if row["dtype"] == dtype]
    return scientific(None if None in errors or not errors else max(errors))


# --- one report, one case ---


def _report(report, number):
    backward = report["check"] == "backward"
    cases = [_case(case, f"case-{number}-{place}", backward) for place, case in enumerate(report["cases"])]
    facts = {key: report[key] for key in ("check", "verdict", "summary")}
    return {**facts, "made": _made(report), "cases": cases}


def _made(report):
    """(name, value) of how the report came about: command, seed, time, memory, weights, settings."""
    weights = report.get("weights") or {}
    seconds, peak = finite(report.get("seconds")), finite(report.get("peak_gib"))
    facts = {
        "command": report.get("command"),
        "created": report.get("created"),
        "took": None if seconds is None else f"{seconds:.0f} s",
        "peak memory": None if peak is None else f"{peak:.1f} GiB",
        "seed": report.get("seed"),
        "weights": f"{weights.get('file')} (sha256 {weights.get('sha256')})" if weights else "freshly drawn",
        "versions": _versions(report),
        "device": (report.get("device") or "").removeprefix("device: "),
        "runtime": "; ".join(report.get("runtime") or []),
    }
    return [(name, str(value)) for name, value in facts.items() if value not in (None, "")]


def _case(case, anchor, backward):
    rows = case["rows"]
    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in ROW_VERDICTS}
    return {
        **{key: case[key] for key in ("title", "verdict", "layer", "paddle", "torch", "equation")},
        "anchor": anchor,
        "options": ", ".join(f"{key}={value}" for key, value in (case.get("options") or {}).items()),
        "figures": [
            ("compared", f"{len(rows):,}"),
            ("failed", f"{counts['fail']:,}"),
            ("inherited", f"{counts['inherited']:,}"),
            ("worst float64 error", _worst(case)),
            ("worst float32 error", _worst(case, "float32")),
        ],
        "note": str(case.get("note") or ""),
        "blamed": _blamed(case.get("blamed")),
        "chart": chart(case, backward) if rows else None,
        "tensors": tables(rows),
    }


def _blamed(blamed):
    if not blamed:
        return None
    name, evidence = _cause(blamed.get("cause"))
    return {
        "layer": layer_name(blamed),
        "where": f"call {blamed.get('call', 0)}, {blamed['what']}, {blamed['view']}",
        "message": blamed.get("message") or "",
        "more": blamed.get("more") or "",
        "cause": name,
        "evidence": evidence,
    }


def _cause(cause):
    """(name, evidence) of a cause as the search returned it; empty if there was no search."""
    if not cause:
        return "", ""
    if cause["after"] is None:
        return cause["name"], f"{cause['tried']} mistakes tried"
    before, after = scientific(cause["before"]), scientific(cause["after"])
    return cause["name"], f"with it the error falls from {before} to {after}"


# --- the command line ---


def _load(name):
    try:
        report = json.loads(Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportError(f"{name}: {getattr(error, 'strerror', None) or error}") from error
    check_report(report, name)
    return report


def main(argv=None) -> int:
    """Run the command line; returns the exit code."""
    example = "example: python align/page.py work/outputs/parity/forward.json --html parity.html"
    parser = command.Parser("page.py", "Draw parity reports as one self-contained HTML page.", example)
    parser.add_argument("reports", nargs="+", metavar="REPORT.json", help="report of a check, written with --json")
    parser.add_argument("--html", required=True, metavar="FILE", help="page to write")
    arguments = parser.parse_args(argv)
    try:
        command.prepare_outputs(arguments.html)
        reports = [_load(name) for name in arguments.reports]
        write_page(reports, arguments.html)
    except (ReportError, WriteError, OSError) as error:
        return command.failed("page.py", error, 2)
    print(f"{arguments.html}: {Path(arguments.html).stat().st_size / 1e6:.1f} MB, open it in any browser")
    return 0
