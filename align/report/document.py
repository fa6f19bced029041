"""The report of a check: its lines on the console, and the document behind the JSON file and the page."""

import json
import platform
import resource
import sys
import time
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import paddle

from align.report.page import SCHEMA, write_page
from paddle_ugatit.backend import device, runtime
from paddle_ugatit.formats import atomic

VERDICTS = ("aligned", "diverged", "not comparable")  # in the order of their exit codes


def exit_code(verdict):
    """Return 0 for aligned, 1 for diverged, 2 for not comparable."""
    return VERDICTS.index(verdict)


def document(check, cases, seconds, seed, reference, weights):
    """Return the report as a JSON document; it is aligned only if there are cases and all are aligned."""
    verdicts = {case["verdict"] for case in cases} or {"not comparable"}
    verdict = next(v for v in ("diverged", "not comparable", "aligned") if v in verdicts)
    compared = sum(case["counts"]["compared"] for case in cases)
    wrong = [case["name"] for case in cases if case["verdict"] != "aligned"]
    summary = f"{check}: {compared} comparisons in {len(cases)} case{'' if len(cases) == 1 else 's'}"
    if wrong:
        summary += "; not aligned: " + ", ".join(wrong)
    return {
        "schema": SCHEMA,
        "check": check,
        "verdict": verdict,
        "summary": summary,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "peak_gib": round(peak_gib(), 2),
        "seed": seed,
        "command": " ".join(sys.argv),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "paddle": paddle.__version__,
            "torch": reference["torch"],
        },
        "runtime": runtime.SETTINGS,
        "device": device.line(),
        "reference": reference,
        "weights": weights,
        "cases": cases,
    }


def entry(name, title, layer, sources, options, rows, blamed, seconds):
    """Return a case of a check that runs no network, with a verdict from its rows; `sources`: (Paddle's, PyTorch's)."""
    failed = sum(row.verdict == "fail" for row in rows)
    return {
        "name": name,
        "title": title,
        "layer": layer,
        "equation": "",
        "paddle": sources[0],
        "torch": sources[1],
        "options": options,
        "verdict": "diverged" if failed else "aligned" if rows else "not comparable",
        "note": "",
        "seconds": round(seconds, 3),
        "blamed": blamed,
        "counts": {"compared": len(rows), "failed": failed, "inherited": 0},
        "rows": [asdict(row) for row in rows],
    }


def finish(check, entries, start, arguments, torch_version):
    """Write the report, print the verdict and return the exit code; `start` is from time.perf_counter."""
    about = {"kind": "live", "file": None, "torch": torch_version}
    report = document(check, entries, time.perf_counter() - start, arguments.seed, about, None)
    write_report(report, arguments)
    print(f"{report['verdict'].upper()}: {report['summary']}; {report['seconds']:.0f} s")
    return exit_code(report["verdict"])


def write_report(report, arguments):
    """Write the report where --json and --html say, making folders; returns {"report": path, "page": path}."""
    written = {}
    if arguments.json:
        Path(arguments.json).parent.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(arguments.json, "w") as file:
            json.dump(report, file)
        written["report"] = arguments.json
    if getattr(arguments, "html", None):
        write_page([report], arguments.html)
        written["page"] = arguments.html
    return written


def peak_gib():
    """Return the peak memory of this process in GiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def case_line(case):
    """Return the lines of a case: verdict, size, worst errors, what is to blame."""
    line = (
        f"{case['verdict']:<14} {case['name']:<26} {case['counts']['compared']:>5} compared   "
        f"float64 {_number(_worst(case['rows'], 'float64'))}   float32 {_number(_worst(case['rows'], 'float32'))}   "
        f"{case['seconds']:.1f} s"
    )
    if case["blamed"]:
        line += f"\n    first: {case['blamed']['message']}"
        line += cause_line(case["blamed"].get("cause"))
        line += f"\n    more: {case['blamed']['more']}" if case["blamed"].get("more") else ""
        line += f"\n    {case['counts']['failed']} differ, {case['counts']['inherited']} more inherit it"
    if case["note"]:
        line += f"\n    {case['note']}"
    return line


def cause_line(cause):
    """Return a line with a cause and its evidence; "" if no cause was searched for."""
    return f"\n    cause: {cause_text(cause)}" if cause else ""


def cause_text(cause):
    """Return a cause with its evidence: the error without and with it, or the number of mistakes tried."""
    if cause["after"] is None:
        return f"{cause['name']} ({cause['tried']} mistakes tried)"
    before = "not a number" if cause["before"] is None else _number(cause["before"])
    return f"{cause['name']}: with it the error falls from {before} to {_number(cause['after'])}"


def layer_lines(case):
    """Return a table with a line per layer: largest errors in both views, float32 floor, ratio to the limit."""
    layers = {row["layer"]: [] for row in case["rows"] if row["what"] != "weight"}  # in order of execution
    for row in case["rows"]:
        layers.setdefault(row["layer"], []).append(row)
    columns = f"{'isolated':>9} {'propag.':>9} {'float32':>9} {'floor':>9} {'ratio':>7}  verdict"
    lines = [f"    {'layer':<28} {'type':<16} {columns}"]
    for layer, rows in layers.items():
        own = [row for row in rows if row["view"] == "isolated"]
        free = [row for row in rows if row["view"] == "propagated"]
        floors = [row["floor"] for row in rows if row["floor"] is not None]
        verdicts = {row["verdict"] for row in rows}
        verdict = next(v for v in ("fail", "inherited", "pass") if v in verdicts)
        lines.append(
            f"    {layer or '(model)':<28} {rows[0]['type']:<16} {_number(_worst(own, 'float64')):>9} "
            f"{_number(_worst(free, 'float64')):>9} {_number(_worst(rows, 'float32')):>9} "
            f"{_number(max(floors, default=None)):>9} {_ratio(rows):>7}  {verdict}"
        )
    return "\n".join(lines)


def _worst(rows, dtype):
    """The largest error; inf if one is not a number, None if nothing was compared."""
    errors = [row["error"] for row in rows if row["dtype"] == dtype]
    return max((float("inf") if e is None else e for e in errors), default=None)


def _ratio(rows):
    ratios = [row["error"] / row["limit"] for row in rows if row["limit"] and row["error"] is not None]
    return f"{max(ratios):.2g}" if ratios else "-"


def _number(value):
    return "-" if value is None else f"{value:.1e}"
