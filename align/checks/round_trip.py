"""Check that checkpoints come back from Paddle bit for bit, or that two of PyTorch's are equal; PyTorch reads both.

    python align/check_round_trip.py [--json FILE] [--html FILE]
    python align/check_round_trip.py BEFORE.pt AFTER.pt

Without files: the public files of every system, as the PyTorch twins save them, converted to Paddle and back, with
their options, their arrays in Paddle, files of both frameworks, and an account of all that other programs add. Exit
code: 0 the same, 1 different, 2 a file cannot be read.
"""

import pickle
import time

import torch

from align.checks import running
from align.checks.conversion import about, case_entry, conversion_cases
from align.compare.bits import differences
from align.compare.raised import NotComparable, on_side
from align.report.document import case_line, entry, finish
from paddle_ugatit.backend.errors import InputError, UsageError
from paddle_ugatit.cli import command


def main(argv=None):
    """Compare; returns the exit code."""
    codes = "0 the same, 1 different, 2 a file cannot be read, or bad usage"
    options = running.parser("check_round_trip", __doc__, "before.pt after.pt", codes)
    options.add_argument("before", nargs="?", metavar="BEFORE.pt", help="a checkpoint, instead of the default cases")
    options.add_argument("after", nargs="?", metavar="AFTER.pt", help="the one converted there and back")
    running.add_report(options)
    arguments = options.parse_args(argv)
    return running.run("check_round_trip", lambda: _work(arguments))


def _work(arguments):
    command.prepare_outputs(arguments.json, arguments.html)
    running.use_device(arguments)
    if arguments.before is None:
        return _cases(arguments)
    if arguments.json or arguments.html:
        raise UsageError("--json and --html report on the default cases: leave out the files")
    return _files(arguments)


def _cases(arguments):
    start, entries, arguments.seed = time.perf_counter(), [], 0
    for name in conversion_cases():
        entries.append(_entry(name))
        print(case_line(entries[-1]), flush=True)
        if entries[-1]["verdict"] == "not comparable":
            command.failed("check_round_trip", f"{name}: {entries[-1]['note']}", 2)
    return finish("round_trip", entries, start, arguments, torch.__version__)


def _entry(name):
    try:
        with on_side("Paddle"):
            return case_entry(name)
    except (NotComparable, InputError) as error:
        sources = about(name), "align/compare/public_files.py"
        return entry(name, f"Conversion: {name}", "convert", sources, {}, [], None, 0.0) | {"note": str(error)}


def _loaded(path):
    try:
        return torch.load(path, weights_only=True, mmap=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise UsageError(f"{path}: cannot be read: {' '.join(str(error).split())[:300]}") from None


def _files(arguments):
    if arguments.after is None:
        raise UsageError("give two checkpoints to compare, or none")
    states = [_loaded(path) for path in (arguments.before, arguments.after)]
    lines, same = differences(*states)
    for line in lines[:20]:
        print(line)
    if not lines and not same:
        raise UsageError("the files hold no tensors")
    print(f"DIFFERENT: {len(lines)} tensors" if lines else f"BIT-EXACT: {same} tensors, names, dtypes, shapes, values")
    return 1 if lines else 0
