"""What is done in a process of its own: survey the units, measure them on the right port, try a mutant on some of them.

Contents: survey, measure_group, attempt, planted (a mutant in place of a module).
"""

import importlib.abc
import importlib.util
import re
import sys
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

from align.mutants.source import PACKAGE, ROOMS, ROOT, Mutant, changed

SURVIVED = {"how": "survived", "unit": "", "files": [], "message": ""}
Lines = dict[str, list[int]]  # file, relative to the project -> lines that were run


class NotClean(RuntimeError):
    """This process has loaded the port already, so that a mutant could not be put in its place."""


def require_clean() -> None:
    """Raise NotClean if a module of the rooms is loaded."""
    loaded = [name for name in sys.modules if name.split(".")[:2] in [[PACKAGE, room] for room in ROOMS]]
    if loaded:
        raise NotClean(f"{loaded[0]} is loaded in the process that mutants are forked from")


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module, with a changed source; nothing is written to any file."""

    def __init__(self, mutant: Mutant):
        self.mutant = mutant

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self.mutant.module:
            return None
        file = ROOT / self.mutant.path
        package = [str(file.parent)] if file.name == "__init__.py" else None
        return importlib.util.spec_from_file_location(
            name, file, loader=_Loader(self.mutant), submodule_search_locations=package
        )


class _Loader(importlib.abc.InspectLoader):
    def __init__(self, mutant: Mutant):
        self.mutant = mutant

    def get_source(self, fullname: str) -> str:
        return changed(self.mutant).decode()

    def get_code(self, fullname: str) -> CodeType:
        return compile(changed(self.mutant), str(ROOT / self.mutant.path), "exec")

    def is_package(self, fullname: str) -> bool:
        return self.mutant.path.endswith("__init__.py")


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Within the block the mutant is imported in the place of its module. Raises NotClean if that is loaded."""
    if mutant.module in sys.modules:
        raise NotClean(f"{mutant.module} is loaded already")
    finder = _Finder(mutant)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@contextmanager
def traced(lines: dict[str, set[int]]) -> Iterator[None]:
    """Within the block, note every line of the rooms that is run, in all threads started in it."""
    prefixes = tuple(f"{ROOT / PACKAGE / room}/" for room in ROOMS)

    def local(frame: FrameType, event: str, argument: Any) -> Callable:
        if event == "line":
            lines[frame.f_code.co_filename].add(frame.f_lineno)
        return local

    def every(frame: FrameType, event: str, argument: Any) -> Callable | None:
        return local if frame.f_code.co_filename.startswith(prefixes) else None

    threading.settrace(every)
    sys.settrace(every)
    try:
        yield
    finally:
        sys.settrace(None)
        threading.settrace(None)


def _relative(lines: dict[str, set[int]]) -> Lines:
    return {Path(file).relative_to(ROOT).as_posix(): sorted(found) for file, found in lines.items()}


def survey(quick: bool) -> dict[str, Any]:
    """Return all units as [check, case, dtype], and the lines that are run while the port is imported."""
    require_clean()
    lines: dict[str, set[int]] = defaultdict(set)
    with traced(lines):
        from align.mutants import units
    return {"units": [[u.check, u.case, u.dtype] for u in units.listed(quick)], "imported": _relative(lines)}


def measure_group(members: Sequence[Sequence[str]], folder: Path, float32: bool) -> dict[str, Any]:
    """Run the units of one group on the right port.

    Returns their "lines", the "seconds" of each, and "problem", which is not empty if one of them finds a difference.
    """
    from align.mutants import units

    lines: dict[str, set[int]] = defaultdict(set)
    seconds, problem = {}, ""
    group = [units.Unit(*member) for member in members]
    if group[0].dtype:
        units.record(group[0].case, folder, float32)
    for unit in group:
        start = time.perf_counter()
        with traced(lines):
            found = units.run(unit, folder)
        seconds[unit.name] = round(time.perf_counter() - start, 4)
        if found:
            problem = f"{unit.name}: {found.message}"
    return {"lines": _relative(lines), "seconds": seconds, "problem": problem}


def attempt(mutant: Mutant, members: Sequence[Sequence[str]], folder: Path) -> dict[str, Any]:
    """Run units on a mutant up to the first that notices.

    Returns "how" it ended ("diverged", "error", "survived", or "broken" if it could not be tried), and the unit, the
    blamed files and a message.
    """
    unit = None
    try:
        with planted(mutant):
            from align.mutants import units

            for unit in (units.Unit(*member) for member in members):
                found = units.run(unit, folder)
                if found:
                    return {"how": found.how, "unit": unit.name, "files": found.files, "message": found.message}
    except NotClean as error:
        return {"how": "broken", "unit": "", "files": [], "message": str(error)}
    except Exception as error:
        found = _failure(error)
        if unit:
            found["files"] += [file for file in units.about(unit) if file not in found["files"]]
        return {"how": "error", "unit": unit.name if unit else "import", **found}
    return SURVIVED


def hung() -> dict[str, Any]:
    """Return the outcome of a mutant that hangs: the two innermost files of the port in which each thread stands."""
    files: list[str] = []
    for frame in sys._current_frames().values():
        files += _innermost(found.filename for found in traceback.extract_stack(frame))
    message = "the checks do not end"
    return {"how": "timeout", "unit": "", "files": list(dict.fromkeys(files)), "message": message}


def _innermost(names: Iterable[str]) -> list[str]:
    """The last two files of the port among these, the last one first."""
    inside = [Path(name).relative_to(ROOT).as_posix() for name in names if name.startswith(f"{ROOT / PACKAGE}/")]
    return list(dict.fromkeys(reversed(inside)))[:2]


def _failure(error: Exception) -> dict[str, Any]:
    """The two innermost files of the port that an exception passed through, and what it says.

    Either the innermost one is wrong, or the one that called it. It is the innermost one alone if both are the same.

    An exception in a backward pass of ours arrives as the text of one of Paddle's, which lists the files from the
    innermost on.
    """
    names = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    names += reversed(re.findall(r"^ *(/.+\.py)\(\d+\): ", str(error), re.MULTILINE))
    return {"files": _innermost(names), "message": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
