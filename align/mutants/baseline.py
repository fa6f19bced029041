"""What every unit runs on the right port, how long it takes, and which of them a mutant has to face.

The result is kept in a folder, and taken from there as long as no source has changed.
"""

import hashlib
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from align.mutants import near, processes, trial
from align.mutants.source import ROOT, Mutant
from paddle_ugatit.backend.errors import UsageError
from paddle_ugatit.formats import atomic

Unit = list[str]  # check, case, dtype
SURVEY, LONGEST = "survey", 900.0  # seconds for a group of units
DEFAULTS = "init defaults"  # reads the defaults of constructors, and calls nothing
# Folders of align of which no unit's verdict depends; causes are searched for after it.
_NOT_RUN = {"report", "faults", "causes", "bench", "examples", "recordings"}
CHECKS = ("forward", "backward", "init", "training", "data", "round_trip", "metric")  # the commands
_OF_TRAINING = dict.fromkeys(
    ("configuration", "run", "around", "mixed"), "training"
)  # units of that command by another name
_TRYING = ("units.py", "trial.py")  # of align/mutants, what an outcome depends on


@dataclass
class Baseline:
    """The units by group with their seconds, and the lines that each group runs."""

    digest: str
    units: dict[str, list[Unit]]  # group -> units
    seconds: dict[str, float]  # name of a unit -> seconds on the right port
    lines: dict[str, dict[str, list[int]]]  # group -> file -> lines
    imported: dict[str, list[int]]  # file -> lines that are run while the port is imported

    def facing(self, mutant: Mutant) -> list[Unit]:
        """Return the units that run what the mutant changes, the quickest first; none if nothing runs it."""
        within = set(range(mutant.first, mutant.last + 1))
        groups = [group for group, files in self.lines.items() if within & set(files.get(mutant.path, ()))]
        if mutant.loaded or not groups and within & set(self.imported.get(mutant.path, ())):
            users = {mutant.path, *near.importers(mutant.path)}
            groups = [group for group, files in self.lines.items() if users & files.keys()]
        if mutant.operator == "default" and DEFAULTS in self.units:
            groups = list(dict.fromkeys([*groups, DEFAULTS]))
        found = [unit for group in groups for unit in self.units[group]]
        return sorted(found, key=lambda unit: self.seconds[name_of(unit)])

    def seconds_of(self, units: Sequence[Unit]) -> float:
        """Return how long these units take together on the right port."""
        return sum(self.seconds[name_of(unit)] for unit in units)


def name_of(unit: Unit) -> str:
    """Return the name of a unit."""
    return " ".join(filter(None, unit))


def digest_of(quick: bool, checks: Sequence[str] = CHECKS) -> str:
    """Return a digest of all that the results depend on: sources, versions and the choice of units."""
    found = hashlib.sha256(f"{platform.python_version()} {quick} {sorted(checks)}".encode())
    for package in ("numpy", "torch", "paddlepaddle"):
        found.update(f"{package} {_version(package)}".encode())
    for room in ("paddle_ugatit", "torch_ref", "align"):
        for path in sorted((ROOT / room).rglob("*.py")):
            inside = path.relative_to(ROOT).parts
            if room != "align" or inside[1] not in _NOT_RUN and (inside[1] != "mutants" or inside[2] in _TRYING):
                found.update("/".join(inside).encode() + path.read_bytes())
    return found.hexdigest()[:32]


def _version(package: str) -> str:
    try:
        return version(package)
    except ModuleNotFoundError:
        return ""


def of(
    folder: Path, quick: bool, jobs: int, tell: Callable[[int, int], None], checks: Sequence[str] = CHECKS
) -> Baseline:
    """Return the baseline of the units of some checks, measured anew unless the one in `folder` is of these sources.

    `tell(done, total)` is called after each group. Raises UsageError if a check finds a difference or cannot be run.
    """
    digest, file = digest_of(quick, checks), folder / "baseline.json"
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept["digest"] == digest:
            return Baseline(**kept)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # there is none, or it is damaged: it is measured again
    found = _measured(digest, folder, quick, jobs, tell, checks)
    with atomic.replacing(file, "w") as out:
        json.dump(asdict(found), out)
    return found


def _measured(
    digest: str, folder: Path, quick: bool, jobs: int, tell: Callable[[int, int], None], checks: Sequence[str]
) -> Baseline:
    [(_, surveyed)] = processes.run([processes.Job(SURVEY, lambda: trial.survey(quick), LONGEST)], 1)
    if not isinstance(surveyed, dict):
        raise UsageError("the checks cannot be imported: run python align/check_forward.py --list")
    groups: dict[str, list[Unit]] = {}
    for unit in (unit for unit in surveyed["units"] if _OF_TRAINING.get(unit[0], unit[0]) in checks):
        groups.setdefault(f"layers {unit[1]}" if unit[2] else name_of(unit), []).append(unit)
    found = Baseline(digest, groups, {}, {}, surveyed["imported"])
    (folder / "references").mkdir(parents=True, exist_ok=True)

    def job(group: str) -> processes.Job:
        work = lambda: trial.measure_group(groups[group], folder / "references", not quick)  # noqa: E731
        return processes.Job(group, work, LONGEST)

    for done, (group, result) in enumerate(processes.run(map(job, groups), jobs), 1):
        if not isinstance(result, dict) or result["problem"]:
            told = result if isinstance(result, str) else result["problem"]
            raise UsageError(f"{group} is not aligned without any mutant: {told}")
        found.seconds |= result["seconds"]
        found.lines[group] = result["lines"]
        tell(done, len(groups))
    return found
