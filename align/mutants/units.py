"""The units that mutants are tried on: one case of one default check each, run until its first difference.

They are what the commands run without options. Imported only in processes that were started for one mutant, since it
imports the port.
"""

import re
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from align.cases import CASES, LOCKSTEPS, TRAINING
from align.cases.initial import CASES as INITIAL
from align.cases.runs import RUNS
from align.checks import conversion, initial, layers, metric, training
from align.checks import data as data_check
from align.checks.commanded import run_entry
from align.checks.configuration import configuration_entry
from align.checks.defaults import defaults_entry
from align.checks.mixed import RUNS as MIXED
from align.checks.mixed import mixed_entry
from align.checks.mixed_steps import PARTS as MIXED_STEPS
from align.checks.mixed_steps import part_entry
from align.checks.surroundings import PARTS, surrounding_entry
from align.compare.data import write_pictures
from align.compare.paddle_side import PaddleSide
from align.compare.recording import load_recording, save_recording
from align.compare.reference import Reference, measure
from align.compare.torch_side import TorchSide
from align.mutants.source import PACKAGE, ROOT
from paddle_ugatit.layers.sequential import Sequential
from paddle_ugatit.metrics import inception_weights

STEPS, SEED = 6, 0  # the defaults of the commands
SIZE, PICTURES = 64, 5  # of check_data
DATA: dict[str, Callable[[list[Path]], Iterable[tuple]]] = {  # part of check_data -> its cases
    "pictures": lambda paths: data_check.picture_cases(SIZE, SEED, paths),
    "folders": lambda paths: data_check.folder_cases(),
    "batches": lambda paths: data_check.batch_cases(SIZE, SEED),
}
QUICK = ("statistics", "distances", "pairs", "layouts", "sets")  # parts of check_metric that take no time


@dataclass(frozen=True)
class Unit:
    """One case of a check; `dtype` only where layers are compared."""

    check: str
    case: str
    dtype: str = ""

    @property
    def name(self) -> str:
        """Check, case and dtype."""
        return " ".join(filter(None, (self.check, self.case, self.dtype)))

    @property
    def group(self) -> str:
        """A name that the units of one case share: they run the same lines, against one reference."""
        return f"layers {self.case}" if self.dtype else self.name


@dataclass(frozen=True)
class Difference:
    """What a check has against the port, and the files that it blames, by their paths in the project.

    Of a layer these are the file of its class and that of the class that holds it, which sets its options.
    """

    how: str  # "diverged", or "error" if the port or the check could not go on
    files: list[str]
    message: str


def listed(quick: bool) -> list[Unit]:
    """Return all units; with `quick` only float64, and none that takes seconds."""
    dtypes = ("float64",) if quick else ("float64", "float32")
    found = [Unit(check, case, dtype) for case in CASES for dtype in dtypes for check in ("forward", "backward")]
    found += [Unit("training", name) for name in LOCKSTEPS] + [Unit("data", part) for part in DATA]
    found += [Unit("configuration", system) for system in TRAINING]
    if quick:
        return [*found, Unit("round_trip", "other programs"), *(Unit("metric", part) for part in QUICK)]
    found += [Unit("round_trip", case) for case in conversion.conversion_cases()]
    found += [Unit("around", name) for name in PARTS] + [Unit("run", name) for name in RUNS]
    found += [Unit("mixed", name) for name in (*MIXED, *MIXED_STEPS)]
    found += [Unit("init", case) for case in ("defaults", *INITIAL)]
    return found + [Unit("metric", part) for part in metric.PARTS]


def run(unit: Unit, folder: Path) -> Difference | None:
    """Run a unit and return its first difference, if any; `folder` holds the references of `record`."""
    runs = {"training": _training, "init": _initial, "data": _data, "metric": _metric, "round_trip": _round_trip}
    runs |= {"run": _run, "around": _around, "configuration": _configuration, "mixed": _mixed}
    return _layers(unit, folder) if unit.dtype else runs[unit.check](unit)


def record(case: str, folder: Path, float32: bool) -> None:
    """Write PyTorch's results for a case, which no mutant changes."""
    reference = measure(CASES[case], TorchSide, SEED, float32=float32)
    save_recording(_file(case, folder), [(CASES[case], reference)], {"torch": TorchSide.version})


def _file(case: str, folder: Path) -> Path:
    return folder / f"{case}.safetensors"


@lru_cache(maxsize=1)
def _reference(case: str, folder: Path) -> Reference:
    return load_recording(_file(case, folder))[0][0][1]


def _layers(unit: Unit, folder: Path) -> Difference | None:
    case = CASES[unit.case]
    return _difference(layers.check_case(case, _reference(unit.case, folder), unit.check, (unit.dtype,)), case)


def _training(unit: Unit) -> Difference | None:
    system, options = LOCKSTEPS[unit.case]
    config = replace(TRAINING[system].small, iteration=STEPS, **options)
    entries = list(training.lockstep(config, STEPS, SEED, system=system, name=unit.case))
    return _difference(entries[-1], None) if entries else Difference("error", [], "no step was made")


def _run(unit: Unit) -> Difference | None:
    found = _difference(run_entry(unit.case), None)
    return found and replace(found, files=[*found.files, f"{PACKAGE}/training/loop.py"])


def _around(unit: Unit) -> Difference | None:
    return _difference(surrounding_entry(unit.case), None)


def _mixed(unit: Unit) -> Difference | None:
    if unit.case in MIXED_STEPS:
        return _difference(part_entry(unit.case), None)
    return _difference(mixed_entry(unit.case), CASES[unit.case.split()[0]])


def _configuration(unit: Unit) -> Difference | None:
    entry = configuration_entry(unit.case)
    return entry and _difference(entry, None)


def about(unit: Unit) -> list[str]:
    """The file that a unit is about, which a check names beside where an exception was raised; none for layers."""
    if unit.check == "round_trip":
        return [conversion.about(unit.case)]
    if unit.check == "around":
        return [f"{PACKAGE}/{PARTS[unit.case][0]}.py"]
    if unit.check == "mixed" and unit.case in MIXED_STEPS:
        return [f"{PACKAGE}/{MIXED_STEPS[unit.case][0]}"]
    if unit.check in ("run", "training"):
        system = RUNS[unit.case].system if unit.check == "run" else LOCKSTEPS[unit.case][0]
        return [f"{PACKAGE}/training/{system}.py", *([f"{PACKAGE}/training/loop.py"] if unit.check == "run" else [])]
    return []


@lru_cache(maxsize=1)
def _tests() -> int:
    return initial.count_tests(INITIAL.values())


def _initial(unit: Unit) -> Difference | None:
    if unit.case == "defaults":
        return _difference(defaults_entry(), None)
    case = INITIAL[unit.case]
    return _difference(initial.check_case(case, range(initial.SEEDS), _tests()), case)


def _data(unit: Unit) -> Difference | None:
    with tempfile.TemporaryDirectory() as folder:
        paths = write_pictures(Path(folder), SEED, PICTURES) if unit.case == "pictures" else []
        for name, rows, cause in DATA[unit.case](paths):
            entry = data_check.case_entry(name, rows, cause, SIZE, SEED, 0.0)
            if entry["verdict"] != "aligned":
                return _difference(entry, None)
    return None


def _round_trip(unit: Unit) -> Difference | None:
    return _difference(conversion.case_entry(unit.case), None)


def _metric(unit: Unit) -> Difference | None:
    comparisons, file = metric.PARTS[unit.case]
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/inception.pth"
        if unit.case in ("features", "weights", "drawn faces"):
            inception_weights.write_random(path, metric.NARROW, SEED)
        try:
            row = next((row for row in comparisons(path, SEED) if not row.passed), None)
        except Exception as error:
            if not any(
                frame.filename.startswith(f"{ROOT / PACKAGE}/") for frame in traceback.extract_tb(error.__traceback__)
            ):
                return Difference("error", [f"{PACKAGE}/{file}"], f"{type(error).__name__}: {error}")
            raise
    if row is None:
        return None
    return Difference("diverged", [f"{PACKAGE}/{row.file or file}"], f"{row.group}, {row.name}: {row.error:.1e}")


def _difference(entry: dict, case: Any) -> Difference | None:
    if entry["verdict"] == "aligned":
        return None
    blamed = entry["blamed"]
    if blamed is None:
        told = re.findall(rf"\b{PACKAGE}/[\w/]+\.py\b", entry["note"])  # where an exception was raised
        return Difference("error", list(dict.fromkeys([*told, entry["paddle"]])), entry["note"])
    path = blamed["layer"]
    if blamed["view"] == "isolated" and blamed["what"] in ("input", "grad_output"):
        path = path.rpartition(".")[0]  # what is blamed is the code before or after the layer, in the one around it
    files = _files_of_layer(case, path) if case else []
    if files and blamed["what"] == "weight":  # as the conversion makes it of PyTorch's
        files.append(f"{PACKAGE}/weights/rules.py")
    return Difference("diverged", files or [entry["paddle"]], blamed["message"])


def _files_of_layer(case: Any, path: str) -> list[str]:
    """The file of the class of the layer at a path of a case's model, and the next other one of those around it.

    Of these, sequences are passed over, since what holds the sequence sets the options of what is in it.
    """
    layers = dict(PaddleSide("float32").build(case.build, SEED).named_sublayers(include_self=True))
    parts, files = path.split(".") if path else [], []
    for length in range(len(parts), -1, -1):
        layer = layers.get(".".join(parts[:length]))
        if files and isinstance(layer, Sequential):
            continue
        kinds = (kind for kind in type(layer).__mro__ if kind.__module__.startswith(f"{PACKAGE}."))
        files += [_relative(sys.modules[kind.__module__].__file__ or "") for kind in kinds][:1]
    return list(dict.fromkeys(files))[:2]


def _relative(file: str) -> str:
    return Path(file).relative_to(ROOT).as_posix() if Path(file).is_relative_to(ROOT) else ""
