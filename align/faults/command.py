"""Test the tester: plant every fault of the catalogue in memory, and harmless differences as controls.

    python align/check_faults.py [--only N ...] [--subset] [--others] [--json FILE] [--html FILE]
    python align/check_faults.py --strangers N

For each fault: was it caught, was the right place blamed, was the right cause named; then the four rates. Required: all
caught, 95 % blamed at the right place, 80 % of the causes named, no wrong cause, and no alarm at any control over 20
seeds. With --strangers, bugs are planted in ported models that are not of this project (align/faults/strangers.py):
required are 95 % blamed at the right place, 70 % of the causes named, none wrongly. No file is touched: faults are
patches that end with the check. Exit code: 0 the rates are reached, 1 they are not, 2 bad usage.
"""

import json
import platform
import sys
import time
from dataclasses import asdict
from datetime import datetime, timezone

import paddle
import torch

from align.checks import running
from align.faults import benchmark, other_tools, strangers
from align.faults.catalogue import CATALOGUE
from align.faults.controls import alarms
from align.faults.page import write_page
from align.report.document import peak_gib
from paddle_ugatit.backend.errors import UsageError
from paddle_ugatit.cli import command
from paddle_ugatit.formats import atomic

SCHEMA = "paddle-ugatit-faults/1"
SEEDS = 20  # for the controls
SUBSET = (1, 3, 7, 13, 16, 20, 25, 31, 37, 43, 45, 56, 59, 64, 67)


def parse(argv):
    """Parse the command line."""
    options = running.parser(
        "check_faults", __doc__, "--only 16 24 --seeds 0", "0 the rates are reached, 1 they are not, 2 bad usage"
    )
    options.add_argument(
        "--only", type=int, nargs="+", metavar="N", help="only the faults with these numbers, without controls"
    )
    options.add_argument(
        "--subset", action="store_true", help="a fault of each kind and one seed of controls: a minute"
    )
    options.add_argument("--seeds", type=int, metavar="N", help=f"number of seeds for the controls ({SEEDS})")
    options.add_argument("--others", action="store_true", help="also try allclose, PaDiff and reprod_log on the faults")
    options.add_argument(
        "--strangers", type=int, metavar="N", help="plant N bugs in models of other people instead; 0 means all"
    )
    options.add_argument("--seed", type=int, default=0, metavar="K", help="seed of --strangers (0)")
    running.add_report(options)
    return options.parse_args(argv)


def _run(arguments):
    unknown = set(arguments.only or ()) - CATALOGUE.keys() - {0}
    if unknown:
        raise UsageError(f"unknown fault {', '.join(map(str, sorted(unknown)))}; choose from 1 to {len(CATALOGUE)}")
    command.require(arguments, seeds=(0, 10_000), strangers=(0, 10_000), seed=command.SEED)
    if arguments.strangers is not None:
        return strangers.check(arguments.strangers or None, arguments.seed, arguments.others)
    command.prepare_outputs(arguments.json, arguments.html)
    running.use_device(arguments)
    start = time.perf_counter()
    numbers = arguments.only or (SUBSET if arguments.subset else None)
    seeds = (
        arguments.seeds if arguments.seeds is not None else 0 if arguments.only else 1 if arguments.subset else SEEDS
    )
    found = []
    for _, _, plan in benchmark.plans(numbers):
        outcome = benchmark.timed(plan)
        found.append(outcome)
        print(_line(outcome), flush=True)
    silent = alarms(range(seeds), _print_alarm)
    tools = other_tools.tools() if arguments.others else {}
    for outcome in found:
        outcome.others = other_tools.shown(outcome, tools)
    report = document(found, silent, tools, time.perf_counter() - start)
    if arguments.json:
        with atomic.replacing(arguments.json, "w") as file:
            json.dump(report, file)
    if arguments.html:
        write_page(report, arguments.html)
    print(_summary(report))
    return 0 if report["passed"] else 1


def document(found, silent, tools, seconds):
    """Return the report as a JSON document."""
    rate = benchmark.rates(found, silent)
    return {
        "schema": SCHEMA,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
        "seconds": round(seconds, 1),
        "peak_gib": round(peak_gib(), 2),
        "versions": {"python": platform.python_version(), "paddle": paddle.__version__, "torch": torch.__version__},
        "passed": bool(found) and benchmark.passed(rate),
        "rates": rate,
        "others": other_tools.rates(found, tools),
        "faults": [
            {**asdict(outcome), "located": outcome.located, "named": outcome.named, "misnamed": outcome.misnamed}
            for outcome in found
        ],
        "catalogue": CATALOGUE,
        "controls": silent,
    }


def _line(outcome):
    if outcome.impossible:
        return f"{outcome.number:>2} {outcome.name}\n     cannot exist here: {outcome.impossible}"
    marks = "  ".join(
        word if yes else f"not {word}"
        for word, yes in (("caught", outcome.caught), ("located", outcome.located), ("named", outcome.named))
    )
    evidence = "" if outcome.after is None else f" (error {_number(outcome.before)} -> {_number(outcome.after)})"
    cause = f"{outcome.cause}{evidence}"
    if outcome.misnamed or not outcome.located:
        cause += f"; wanted: {outcome.wanted_cause} at {outcome.wanted_layer or 'the model'}, not at {outcome.layer}"
    return f"{outcome.number:>2} {outcome.name}: {marks}; {outcome.check}, {outcome.seconds:.1f} s\n     cause: {cause}"


def _number(value):
    return "none or infinite" if value is None else f"{value:.1e}"


def _print_alarm(control):
    if control["alarm"]:
        print(f"FALSE ALARM at control {control['name']}, seed {control['seed']}: {control['alarm']}", flush=True)


def _summary(report):
    rate = report["rates"]
    lines = [
        f"{rate['plantings']} plantings of {rate['faults']} faults: caught {rate['caught']:.1%}, right place "
        f"{rate['located']:.1%}, right cause {rate['named']:.1%}, wrong cause {rate['misnamed']}; "
        f"{rate['false_alarms']} false alarms in {rate['controls']} controls"
    ]
    for name, other in report["others"].items():
        lines.append(f"{name}: {other['text']}")
    verdict = "REACHED" if report["passed"] else "NOT REACHED"
    return "\n".join([*lines, f"{verdict}: {report['seconds']:.0f} s, {report['peak_gib']:.1f} GiB"])


def main(argv=None):
    """Run the benchmark; returns the exit code."""
    arguments = parse(argv)
    return running.run("check_faults", lambda: _run(arguments))
