"""What the sweep of the command lines needs: the parsers, values that cannot be meant, a call, what a folder holds."""

import argparse
import hashlib
import importlib
import os
import re
import resource
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from unittest.mock import patch

import pytest

from paddle_ugatit_command import TOOLS

LONGEST = 15  # seconds of one call, also on a busy machine
# Options whose paths are written; any other path is read, so a new output that is not named here fails the sweep.
OUTPUTS = {"reprod_log", "out", "destination", "preview", "json", "html", "sheet", "cache", "repro"}
NOT_UTF8 = os.fsdecode(b"caf\xe9")
TEXTS = {"empty": "", "not UTF-8": NOT_UTF8, "too long": "x" * 5000, "absurd": "no such, \N{PILE OF POO}"}
INTEGERS = {
    "empty": "",
    "words": "many",
    "fraction": "1.5",
    "NaN": "nan",
    "negative": "-7",
    "huge": "9" * 30,
    "large": "1" + "0" * 12,
}
FLOATS = {"empty": "", "words": "many", "NaN": "nan", "infinite": "inf", "negative": "-7", "huge": "1e999"}


# command of the harness -> module with its main, and what its script hands to that
CHECK_MAINS = {
    "align forward": ("align.checks.command", "forward"),
    "align backward": ("align.checks.command", "backward"),
    "align init": ("align.checks.initial",),
    "align training": ("align.checks.training",),
    "align data": ("align.checks.data",),
    "align metric": ("align.faults.metric_command",),
    "align all": ("align.checks.all",),
    "align device": ("align.checks.device",),
    "align api": ("align.api.command",),
    "align faults": ("align.faults.command",),
    "align mutants": ("align.mutants.command",),
    "align learning": ("align.checks.learning",),
    "align round-trip": ("align.checks.round_trip",),
    "align page": ("align.report.page",),
    "align checkpoint": ("align.cases.make_checkpoint",),
    "align record": ("align.checks.record_reference",),
    "align layer-table": ("align.checks.layer_table",),
}
_ASIDE = re.compile("note: |skipped: |[0-9]+ written as ")  # said besides, of single pictures


class Parsed(BaseException):
    """Carries a command's parser out of it."""

    def __init__(self, parser):
        self.parser = parser


def main_of(command):
    """The main of a tool, or of a check that `CHECK_MAINS` names."""
    module, *first = CHECK_MAINS[command] if command in CHECK_MAINS else TOOLS[command][:1]
    return partial(importlib.import_module(module).main, *first)


def parser_of(main):
    """The parser that a command's main makes."""

    def stop(parser, *_, **__):
        raise Parsed(parser)

    with patch.object(argparse.ArgumentParser, "parse_args", stop):
        try:
            main([])
        except Parsed as found:
            return found.parser
    raise AssertionError("a command without argparse")


@dataclass(frozen=True)
class Case:
    """A command, one of its arguments, and what is wrong with the value it gets; None: it gets none."""

    command: str
    action: argparse.Action
    fault: str
    value: str | None

    @property
    def argument(self):
        return self.action.option_strings[0] if self.action.option_strings else self.action.dest

    def __str__(self):
        return f"{self.command} {self.argument} {self.fault}"

    def words(self, usual):
        """The command line: `usual` is dest -> values of a sound one; its positional arguments come last."""
        given = {dest: list(values) for dest, values in usual.items()}
        given[self.action.dest] = [] if self.value is None else [self.value]
        options, positional = [], []
        for action in parser_of(main_of(self.command))._actions:
            values = given.get(action.dest)
            if action.dest == self.action.dest and self.value is None:
                continue
            if values is not None and not action.option_strings:
                positional += values
            elif values:
                joined = len(values) == 1 and action.nargs is None  # --seed=-7 is a value, --seed -7 may be an option
                name = action.option_strings[0]
                options += [f"{name}={values[0]}"] if joined else [name, *values]
        return [*options, *(["--", *positional] if positional else [])]

    def named_in(self, line):
        """Whether a line names the argument or its value."""
        dest = self.action.dest
        spoken = {self.argument, dest, dest.replace("_", " "), dest.replace("_", "-"), str(self.action.metavar)}
        value = (self.value or "").encode(errors="backslashreplace").decode()
        parts = {value[:20], os.path.dirname(value), *value.split(",")} - {""}
        if self.value is None and not self.action.option_strings:  # argparse takes the next one for it
            return "arguments are required" in line
        return any(word in line for word in spoken | parts)


def is_path(action):
    """Whether an argument is a path, as its metavar says."""
    shown = str(action.metavar)
    return action.type is None and any(word in shown for word in ("FILE", "DIR", "SET", "SRC", "DST", "GLOB"))


def values_for(action, places):
    """Fault -> value that cannot be meant for an argument; `places` is fault -> path, of inputs and of outputs."""
    if action.choices is not None:
        return TEXTS
    if action.type in (int, float):
        return INTEGERS if action.type is int else FLOATS
    if not is_path(action):
        return TEXTS
    if action.dest in OUTPUTS:
        shown = str(action.metavar)
        left_out = ({"folder"} if "DIR" in shown else set()) | (
            {"file"} if "DIR" not in shown or "FILE" in shown else set()
        )
        return {fault: path for fault, path in places["outputs"].items() if fault not in left_out}
    folders = any(word in str(action.metavar) for word in ("DIR", "SET"))
    return {fault: path for fault, path in places["inputs"].items() if not folders or fault != "folder"}


def cases(commands, places):
    """Every command, argument and fault."""
    for command in commands:
        for action in parser_of(main_of(command))._actions:
            if action.nargs == 0:
                continue  # a switch
            if action.required and action.nargs != "*":
                yield Case(command, action, "missing", None)
            for fault, value in values_for(action, places).items():
                yield Case(command, action, fault, value)


def entered(place, folder, monkeypatch):
    """Call commands in `folder` from now on, which gets `given` of `place` and an empty folder `new`; returns it."""
    monkeypatch.chdir(folder)
    os.symlink(place / "given", folder / "given")
    (folder / "new").mkdir()
    monkeypatch.setattr("sys.argv", ["sweep"])
    return folder


@contextmanager
def limited(seconds=LONGEST, room=2 << 30):
    """Fail what takes longer, instead of waiting, and what asks for more memory than `room`."""

    def late(*_):
        pytest.fail(f"took more than {seconds} s")

    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    before, limits = signal.signal(signal.SIGALRM, late), resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + room, limits[1]))
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.signal(signal.SIGALRM, before)


def called(main, words):
    """The exit code of a command."""
    with limited():
        try:
            return main(words)
        except SystemExit as end:
            return end.code


def held(*folders):
    """Every file below the folders with a digest of its content."""
    found = {}
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(place, name)
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        found[path] = hashlib.md5(file.read()).hexdigest()
    return found


def reason(err, log=""):
    """The line on stderr that says what is wrong: the only one but for notes, a log and argparse's usage before it."""
    assert "Traceback" not in err, err
    logged = log.splitlines()  # each after its time
    lines = [
        line for line in err.splitlines() if not _ASIDE.match(line) and not any(said.endswith(line) for said in logged)
    ]
    if lines and lines[0].startswith("usage: "):
        assert ": error: " in lines[-1], err
        assert all(line.startswith(("usage: ", " ")) for line in lines[:-1]), err
        return lines[-1]
    assert len(lines) == 1, err
    assert len(lines[0]) < 8000
    return lines[0]
