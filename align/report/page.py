"""The page of one or more parity reports: self-contained HTML with the verdict on top.

    python align/page.py work/outputs/parity/forward.json --html work/outputs/parity/index.html

Reads the JSON files of the checks (schema paddle-ugatit-parity/1). The page needs no network and no script: its
style comes from page.css beside this file, its pictures from picture.py.
Exit code: 0 written, whatever the verdict; 2 a report cannot be read or contradicts itself.
"""

import argparse
import json
import sys
from html import escape
from pathlib import Path

from align.report.charts import draw, finite, layer_name, scientific, symbols
from align.report.page_table import DTYPES, ROW_VERDICTS, VIEWS, tables
from paddle_ugatit.formats.atomic import WriteError, replacing

SCHEMA = "paddle-ugatit-parity/1"
VERDICTS = {"aligned": "✓ aligned", "diverged": "✕ diverged", "not comparable": "? not comparable"}
GRAVITY = ("aligned", "not comparable", "diverged")
CASE_TEXTS = ("name", "title", "layer", "equation", "paddle", "torch")
ROW_KEYS = ("layer", "type", "call", "what", "slot", "shape", "error", "floor", "limit", "note")
ROW_CHOICES = {"verdict": ROW_VERDICTS, "view": VIEWS, "dtype": DTYPES}


class ReportError(ValueError):
    """A report that cannot be drawn: the message names the report and what is wrong with it."""


def check_report(report, name: str) -> None:
    """Raise ReportError unless the report has this schema and its verdicts agree with its own rows."""
    if not isinstance(report, dict) or report.get("schema") != SCHEMA:
        raise ReportError(f"{name}: no parity report of schema {SCHEMA}")
    try:
        if report["verdict"] not in VERDICTS or not isinstance(report["cases"], list):
            raise ReportError(f"{name}: unknown verdict {report['verdict']!r}, or cases that are no list")
        for case in report["cases"]:
            _check_case(case, f"{name}, case {case['name']}")
        for key in ("check", "summary"):
            if not isinstance(report[key], str):
                raise ReportError(f"{name}: {key} is no text")
        worst = max((GRAVITY.index(case["verdict"]) for case in report["cases"]), default=0)
    except (KeyError, TypeError) as error:
        raise ReportError(f"{name}: malformed, {type(error).__name__} {error}") from error
    if report["verdict"] == "aligned" and (worst or not report["cases"]):
        raise ReportError(f"{name}: says aligned, but a case is not, or there is none")


def _check_case(case, name):
    if case["verdict"] not in VERDICTS:
        raise ReportError(f"{name}: unknown verdict {case['verdict']!r}")
    for key in CASE_TEXTS:
        if not isinstance(case[key], str):
            raise ReportError(f"{name}: {key} is no text")
    for number, row in enumerate(case["rows"]):
        missing = [key for key in ROW_KEYS if key not in row]
        if missing:
            raise ReportError(f"{name}, row {number}: no {', '.join(missing)}")
        for key, choices in ROW_CHOICES.items():
            if row[key] not in choices:
                raise ReportError(f"{name}, row {number}: unknown {key} {row[key]!r}")
        if row["verdict"] == "pass" and finite(row["error"]) is None:
            raise ReportError(f"{name}, row {number}: passes without an error that is a number")
    if case["verdict"] == "aligned" and not all(row["verdict"] == "pass" for row in case["rows"]):
        raise ReportError(f"{name}: says aligned, but a row does not pass")
    if case["verdict"] == "aligned" and not case["rows"]:
        raise ReportError(f"{name}: says aligned, but compares nothing")


def render(reports: list[dict]) -> str:
    """The page's HTML; ReportError for a report that is malformed or contradicts itself."""
    for number, report in enumerate(reports, 1):
        check_report(report, f"report {number}")
    verdict = max((report["verdict"] for report in reports), key=GRAVITY.index)
    try:
        sections = "".join(_report(report, number) for number, report in enumerate(reports))
        head = _head(reports, verdict) + _index(reports)
    except (KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"malformed report, {type(error).__name__} {error}") from error
    css = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{verdict.capitalize()}: parity of Paddle with PyTorch</title>\n"
        f"<style>\n{css}</style></head>\n<body>{symbols()}<main>{head}{sections}"
        "<footer>An error is the largest difference divided by the reference tensor's largest magnitude. "
        "float64 gives the verdict; float32 is judged against what PyTorch's own float32 makes of the same "
        "computation.</footer></main></body></html>\n"
    )


def write_page(reports: list[dict], path) -> None:
    """Render and write; an interrupted write leaves the former page whole."""
    page = render(reports)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, "w") as file:
        file.write(page)


# --- the top of the page ---


def _class(verdict):
    return verdict.replace(" ", "-")


def _chip(verdict):
    return f'<span class="chip {_class(verdict)}">{VERDICTS[verdict]}</span>'


def _plural(number, noun):
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _head(reports, verdict):
    cases = [case for report in reports for case in report["cases"]]
    rows = [row for case in cases for row in case["rows"]]
    failed = sum(row["verdict"] != "pass" for row in rows)
    versions = ", ".join(dict.fromkeys(_versions(report) for report in reports))
    checks = " and ".join(dict.fromkeys(report["check"] for report in reports))
    compared = (
        f"{_plural(len(rows), 'comparison')} in {_plural(len(cases), 'case')}, {checks}"
        f"{f'; {failed:,} beyond their limit' if failed else '; all within their limits'}"
    )
    return (
        '<p class="eyebrow">Parity of Paddle with PyTorch</p>'
        f'<section class="verdict {_class(verdict)}"><h1>{VERDICTS[verdict].upper()}</h1>'
        f"<p>{escape(compared)}.</p><p class='soft'>{escape(versions)}</p></section>"
    )


def _versions(report):
    names = {"paddle": "Paddle", "torch": "torch", "numpy": "NumPy", "python": "Python"}
    versions = report.get("versions", {})
    text = ", ".join(f"{name} {versions[key]}" for key, name in names.items() if versions.get(key))
    reference = report.get("reference") or {}
    if reference.get("kind") == "recording":
        text += f"; against a recording of torch {reference.get('torch')} ({reference.get('file')})"
    return text


def _index(reports):
    entries = []
    for number, report in enumerate(reports):
        for place, case in enumerate(report["cases"]):
            facts = (report["check"], f"{len(case['rows']):,} compared", f"worst {_worst(case)}")
            facts = " · ".join(f"<span>{escape(fact)}</span>" for fact in facts)
            entries.append(
                f'<li class="{_class(case["verdict"])}"><a href="#case-{number}-{place}">'
                f"<span>{escape(case['title'])}<small>{facts}</small></span>"
                f"{_chip(case['verdict'])}</a></li>"
            )
    return f'<ul class="index">{"".join(entries)}</ul>' if len(entries) > 1 else ""


def _worst(case, dtype="float64"):
    """The largest error in this dtype, or 'none' when a tensor gave no number."""
    errors = [finite(row["error"]) for row in case["rows"] if row["dtype"] == dtype]
    return scientific(None if None in errors or not errors else max(errors))


# --- one report, one case ---


def _report(report, number):
    cases = "".join(
        _case(case, f"case-{number}-{place}", report["check"] == "backward")
        for place, case in enumerate(report["cases"])
    )
    heading = f"<h2>{escape(report['check'].capitalize())} {_chip(report['verdict'])}</h2>"
    return (
        f'<section class="report"><header>{heading}<p>{escape(report["summary"])}</p>'
        f"{_made(report)}</header>{cases}</section>"
    )


def _made(report):
    """How the report came about, folded away: command, seed, time, memory, weights, settings."""
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
        "runtime": "; ".join(report.get("runtime") or []),
    }
    entries = "".join(
        f"<dt>{name}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items() if value not in (None, "")
    )
    return f'<details><summary>How this was made</summary><dl class="made">{entries}</dl></details>'


def _case(case, anchor, backward):
    rows = case["rows"]
    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in ROW_VERDICTS}
    figures = {
        "compared": f"{len(rows):,}",
        "failed": f"{counts['fail']:,}",
        "inherited": f"{counts['inherited']:,}",
        "worst float64 error": _worst(case),
        "worst float32 error": _worst(case, "float32"),
    }
    figures = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures.items())
    equation = f'<p class="equation"><code>{escape(case["equation"])}</code></p>' if case["equation"] else ""
    options = ", ".join(f"{key}={value}" for key, value in (case.get("options") or {}).items())
    options = f": {escape(options)}" if options else ""
    return (
        f'<article class="case {_class(case["verdict"])}" id="{anchor}"><div class="case-title">'
        f"<h3>{escape(case['title'])}</h3>{_chip(case['verdict'])}</div>"
        f'<p class="about"><code>{escape(case["layer"])}</code>{options}<br>'
        f"<code>{escape(case['paddle'])}</code> compared with <code>{escape(case['torch'])}</code></p>"
        f'{equation}<dl class="figures">{figures}</dl>{_blamed(case)}'
        f"{draw(case, backward) if rows else ''}{tables(rows)}</article>"
    )


def _blamed(case):
    blamed = case.get("blamed")
    if not blamed:
        return ""
    where = f"call {blamed.get('call', 0)}, {blamed['what']}, {blamed['view']}"
    return (
        f'<p class="blamed"><b>Blamed: {escape(layer_name(blamed))}</b> ({escape(where)})<br>'
        f"{escape(blamed.get('message') or '')}{_cause(blamed.get('cause'))}</p>"
    )


def _cause(cause):
    if not cause:
        return ""
    if cause["after"] is None:
        return f"<br><b>Cause: {escape(cause['name'])}</b> ({cause['tried']} mistakes tried)"
    evidence = f"made in PyTorch's code, the error falls from {scientific(cause['before'])} to "
    return f"<br><b>Cause: {escape(cause['name'])}</b> ({evidence}{scientific(cause['after'])})"


# --- the command line ---


def _load(name):
    try:
        report = json.loads(Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportError(f"{name}: {error}") from error
    check_report(report, name)
    return report


def main(argv=None) -> int:
    """Draw the reports named on the command line; the exit code."""
    parser = argparse.ArgumentParser(
        description="Draw parity reports as one self-contained HTML page.",
        epilog="example: python align/page.py work/outputs/parity/forward.json --html parity.html",
    )
    parser.add_argument("reports", nargs="+", metavar="REPORT.json", help="written by a check with --json")
    parser.add_argument("--html", required=True, metavar="FILE", help="the page to write")
    arguments = parser.parse_args(argv)
    try:
        reports = [_load(name) for name in arguments.reports]
        write_page(reports, arguments.html)
    except (ReportError, WriteError, OSError) as error:
        print(f"page.py: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(f"{arguments.html}: {Path(arguments.html).stat().st_size / 1e6:.1f} MB, open it in any browser")
    return 0
