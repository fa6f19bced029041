"""The report of a check: lines on the console, and the document that the JSON file and the page are made of."""

import json
import platform
import resource
import sys
import time
from dataclasses import asdict
from datetime import datetime, timezone

import numpy as np
import paddle

from align.report.page import write_page
from paddle_ugatit.backend import runtime
from paddle_ugatit.formats import atomic

SCHEMA = "paddle-ugatit-parity/1"
VERDICTS = ("aligned", "diverged", "not comparable")  # in the order of their exit codes


def exit_code(verdict):
    """0 aligned, 1 diverged, 2 not comparable."""
    return VERDICTS.index(verdict)


def document(check, cases, seconds, seed, reference, weights):
    """The whole report as a JSON document; aligned only where every case is and there is one."""
    verdicts = {case["verdict"] for case in cases} or {"not comparable"}
    verdict = next(v for v in ("diverged", "not comparable", "aligned") if v in verdicts)
    compared = sum(case["counts"]["compared"] for case in cases)
    wrong = [case["name"] for case in cases if case["verdict"] != "aligned"]
    summary = f"{check}: {compared} comparisons in {len(cases)} cases"
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
        "reference": reference,
        "weights": weights,
        "cases": cases,
    }


def entry(name, title, layer, sources, options, rows, blamed, seconds):
    """A case of a check that walks through no network: its verdict follows from its rows; sources (Paddle, PyTorch)."""
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
    """Write what --json and --html ask for, print the verdict; returns the exit code. `start` is by perf_counter."""
    about = {"kind": "live", "file": None, "torch": torch_version}
    report = document(check, entries, time.perf_counter() - start, arguments.seed, about, None)
    if arguments.json:
        with atomic.replacing(arguments.json, "w") as file:
            json.dump(report, file)
    if getattr(arguments, "html", None):
        write_page([report], arguments.html)
    print(f"{report['verdict'].upper()}: {report['summary']}; {report['seconds']:.0f} s")
    return exit_code(report["verdict"])


def peak_gib():
    """The largest memory this process has held, in GiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def case_line(case):
    """One line: verdict, size, worst errors, whom to blame."""
    line = (
        f"{case['verdict']:<14} {case['name']:<26} {case['counts']['compared']:>5} compared   "
        f"float64 {_number(_worst(case['rows'], 'float64'))}   float32 {_number(_worst(case['rows'], 'float32'))}   "
        f"{case['seconds']:.1f} s"
    )
    if case["blamed"]:
        line += f"\n    first: {case['blamed']['message']}"
        line += cause_line(case["blamed"].get("cause"))
        line += f"\n    {case['counts']['failed']} differ, {case['counts']['inherited']} more inherit it"
    if case["note"]:
        line += f"\n    {case['note']}"
    return line


def cause_line(cause):
    """A line for what `find_cause` found, with its evidence; "" where nothing was searched for."""
    return f"\n    cause: {cause_text(cause)}" if cause else ""


def cause_text(cause):
    """The cause and its evidence: the error without it and with it, and how many mistakes were tried."""
    if cause["after"] is None:
        return f"{cause['name']} ({cause['tried']} mistakes tried)"
    before = "not a number" if cause["before"] is None else _number(cause["before"])
    return f"{cause['name']}: with it the error falls from {before} to {_number(cause['after'])}"


def layer_lines(case):
    """A table with one line per layer: its largest errors in both views, the float32 floor, the ratio to the limit."""
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
    """The largest error, inf where one is not a number, None where nothing was compared."""
    errors = [row["error"] for row in rows if row["dtype"] == dtype]
    return max((float("inf") if e is None else e for e in errors), default=None)


def _ratio(rows):
    ratios = [row["error"] / row["limit"] for row in rows if row["limit"] and row["error"] is not None]
    return f"{max(ratios):.2g}" if ratios else "-"


def _number(value):
    return "-" if value is None else f"{value:.1e}"
