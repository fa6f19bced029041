"""Both configurations of a system's training, field by field, and the learning rate of every step of whole schedules.

The twin's configuration (torch_ref/training/NAME.py) is written from the paper and the public command line, not from
the port, so that a wrong default or schedule is not the same on both sides.
"""

import sys
import time
from dataclasses import asdict, fields, replace

from align.cases import TRAINING
from align.compare.training import twin_config
from align.compare.verdict import Row
from align.report.document import entry

# Our options that the twin lacks -> why they need no partner.
ELSEWHERE = {
    "accumulate": "no public option; the update is that of the whole batch, see run.py",
    "ema": "no public option; the running mean has a twin in run.py",
    "recompute": "no public option; the gradients are the same bits",
    **dict.fromkeys(
        ("seed", "workers", "cache", "strict", "deterministic"), "which numbers are drawn, and how they are read"
    ),
    "amp": "mixed precision, on a GPU alone",
    **dict.fromkeys(("log_freq", "print_freq", "save_freq", "keep", "keep_every"), "when files are written"),
    **dict.fromkeys(("eval_every", "eval_features", "eval_weights"), "when and by what the KID is measured"),
    "domain": "the name of the folder that is read",
    "encoder": "the name of the file that AdaIN's encoder is read from",
}
LENGTHS = 1, 2, 3, 6, 7, 31  # of schedules that are compared step by step, odd ones included
LIMIT = 1e-12


def configuration_entry(system):
    """Return the report's entry for a system; None if its twin has no configuration of its own."""
    case = TRAINING[system]
    theirs, _ = case.trainers
    kind = getattr(sys.modules[theirs.__module__], "Config", None)
    if kind is None:
        return None
    start, default = time.perf_counter(), type(case.small)()
    rows = _values("default", default, kind()) + _values("small", case.small, twin_config(theirs, case.small))
    names = {field.name for field in fields(kind)} | ELSEWHERE.keys()
    for field in fields(default):
        if field.name not in names:
            rows.append(_row("default", field.name, getattr(default, field.name), None))
    rows += _rates(theirs, default, case.schedules)
    return _entry(system, case, rows, time.perf_counter() - start)


def _values(which, ours, theirs):
    """A row for every option of the twin."""
    return [
        _row(which, field.name, getattr(ours, field.name, None), getattr(theirs, field.name))
        for field in fields(theirs)
    ]


def _rates(trainer, default, schedules):
    rows = []
    for length in LENGTHS:
        for options in schedules:
            ours = replace(default, iteration=length, **options)
            theirs = twin_config(trainer, ours)
            changed = ", ".join(f"{option} {value}" for option, value in options.items())
            name = f"{length} iterations" + (f", {changed}" if changed else "")
            for step in range(1, length + 1):
                rows.append(_row(name, f"rate of step {step}", ours.lr_at(step), theirs.lr_at(step)))
    return rows


def _row(layer, slot, ours, theirs):
    """Compare two values; numbers may differ by rounding."""
    numbers = [type(value) in (int, float) for value in (ours, theirs)]
    error, note = None, ""
    if all(numbers):
        error = abs(ours - theirs) / (max(abs(ours), abs(theirs)) or 1.0)
    elif type(ours) is type(theirs) and ours == theirs:
        error = 0.0
    if error is None or error > LIMIT:
        note = f"Paddle's is {ours!r}, PyTorch's is {theirs!r}"
    verdict = "pass" if not note else "fail"
    return Row(layer, "", 0, "option", slot, "state", "float64", [], error, None, LIMIT, verdict, note)


def _entry(system, case, rows, seconds):
    failed = [row for row in rows if row.verdict == "fail"]
    blamed = None
    if failed:
        blamed = {**asdict(failed[0]), "message": f"{failed[0].slot} ({failed[0].layer}): {failed[0].note}"}
    name = "configuration" if system == "ugatit" else f"{system} configuration"
    return entry(name, f"Training: {system}, configuration", "Config", case.sources, {}, rows, blamed, seconds)
