"""Plant the faults of the catalogue one by one: is each caught, the right place blamed, the right cause named?

Contents: Outcome; `plans` (every fault), `missing`, `rates`. The first check that fires decides, forward before
backward. Training, data, metrics and initial values have their own faults.
"""

import tempfile
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from align.checks import data as check_data
from align.checks import metric as check_metric
from align.checks.layers import check_case
from align.compare import data as data_side
from align.compare.reference import measure
from align.compare.torch_side import TorchSide
from align.compare.verdict import UNKNOWN
from align.faults import data as data_faults
from align.faults import initial as init_faults
from align.faults import metric as metric_faults
from align.faults import stylegan2, training
from align.faults.catalogue import CASES, CATALOGUE, CAUSES, MODEL_FAULTS
from align.faults.small_layer import rules

METRIC = {  # what must be blamed first, and the cause; faults not listed are left to check_metric.py
    "biased MMD": ("KID all pairs", "biased: divided by n^2"),
    "diagonal left in": ("KID of each subset", "biased: the diagonal left in"),
    "kernel without + 1": ("KID of each subset", "kernel's constant 0"),
    "kernel of degree 2": ("KID of each subset", "kernel of degree 2"),
    "gamma 1 / 2048 whatever the dimensions": ("KID of each subset", "gamma 1 / 2048"),
    "std with ddof 1": ("KID std, ddof 0", "std with ddof 1"),
    "standard error printed as std": ("KID std, ddof 0", "standard error for std"),
}
DATA = {57: "test: pixels", 58: "test: pixels", 59: "test: input", 60: "test: input", 61: "test: pixels"}


@dataclass
class Outcome:
    """What became of one planted fault."""

    number: int
    name: str
    check: str  # the first that fired, or those that were run
    place: str  # where it was planted: the case
    caught: bool = False
    wanted_layer: str = ""
    layer: str = ""
    wanted_cause: str = ""
    cause: str = UNKNOWN
    before: float | None = None  # the largest error without the cause applied, and with it
    after: float | None = None
    tried: int = 0
    message: str = ""
    impossible: str = ""  # why it cannot exist here
    seconds: float = 0.0
    others: dict = field(default_factory=dict)  # tool -> caught, or why not known

    @property
    def located(self):
        """Whether the right place was blamed."""
        return self.caught and self.layer == self.wanted_layer

    @property
    def named(self):
        """Whether the right cause was named."""
        return self.caught and self.cause == self.wanted_cause != UNKNOWN

    @property
    def misnamed(self):
        """Whether a wrong cause was named."""
        return self.caught and self.cause not in (UNKNOWN, self.wanted_cause)

    def take(self, cause):
        """Keep what a search for the cause found, if there was one."""
        if cause is None:
            return
        self.cause, self.before, self.after, self.tried = (cause[key] for key in ("name", "before", "after", "tried"))


def plans(numbers=None):
    """Return (number, name, function that returns the Outcome) for every fault, or those with these numbers."""
    every = [(f.number, f.name, lambda f=f: _model(f)) for f in MODEL_FAULTS]
    every += [(f.number, f.name, lambda f=f: _training(f)) for f in training.FAULTS + stylegan2.TRAINING]
    every += [(f.number, f.name, lambda f=f: _init(f)) for f in init_faults.FAULTS]
    every += [(f.number, f.name, lambda f=f: _data(f)) for f in data_faults.FAULTS if f.number]
    every += [(f.number, f.name, lambda f=f: _metric(f)) for f in metric_faults.FAULTS if f.name in METRIC]
    every.sort(key=lambda plan: (plan[0] == 0, plan[0]))
    return [plan for plan in every if numbers is None or plan[0] in numbers]


def missing():
    """Return the numbers of the catalogue that have no plan."""
    return sorted(CATALOGUE.keys() - {number for number, _, _ in plans()})


def timed(run):
    """Run a plan and note in its Outcome how long it took."""
    start = time.perf_counter()
    outcome = run()
    outcome.seconds = round(time.perf_counter() - start, 2)
    return outcome


@lru_cache(maxsize=4)
def reference(name, seed=0):
    """Return the reference of a case."""
    with rules():
        return measure(CASES[name], TorchSide, seed)


def _model(fault):
    outcome = Outcome(fault.number, fault.name, "forward, backward", fault.case, wanted_cause=CAUSES[fault.name])
    truth, case = reference(fault.case), CASES[fault.case]
    with rules():
        for check in ("forward", "backward"):
            with fault.planted() as tamper:
                entry = check_case(case, truth, check, tamper=tamper, causes=True)
            if entry["verdict"] != "diverged":
                continue
            blamed = entry["blamed"]
            outcome.take(blamed["cause"])
            outcome.check, outcome.caught, outcome.layer = check, True, blamed["layer"]
            outcome.message = blamed["message"]
            outcome.wanted_layer = getattr(fault, check) if getattr(fault, check) is not None else "none"
            break
        else:
            outcome.impossible = _cannot_exist(fault)
    return outcome


def _cannot_exist(fault):
    """Why a planted fault changed nothing: this Paddle computes the right values."""
    if fault.number in (43, 66):
        return "this Paddle computes it correctly: with the fault planted, every value still agrees with PyTorch's"
    return ""


def _training(fault):
    outcome = Outcome(fault.number, fault.name, "training", "Trainer.step", wanted_cause=fault.cause)
    with rules(), fault.planted() as tamper:
        blamed = fault.entries(tamper, causes=True)[-1]["blamed"]
    if blamed:
        outcome.take(blamed["cause"])
        outcome.caught, outcome.message = True, blamed["message"]
        outcome.wanted_layer = f"step {fault.step}: {fault.what} of {fault.network}"
        network = fault.network if blamed["layer"].startswith(fault.network) else blamed["layer"]
        outcome.layer = f"step {blamed['call']}: {blamed['what']} of {network}"
    return outcome


def _init(fault):
    outcome = Outcome(fault.number, fault.name, "init", fault.case, wanted_cause=fault.cause)
    entry = init_faults.planted_entry(fault)
    blamed, outcome.wanted_layer = entry["blamed"], fault.parameter
    if blamed:
        outcome.caught, outcome.message = True, blamed["message"]
        outcome.layer = f"{blamed['layer']}.{blamed['slot']}"
        outcome.take(blamed["cause"])
    return outcome


def _data(fault):
    outcome = Outcome(fault.number, fault.name, "data", fault.case, wanted_cause=fault.cause)
    with tempfile.TemporaryDirectory() as folder, fault.planted():
        paths = data_side.write_pictures(Path(folder), 0, 1)
        cases = check_data.cases(64, 0, paths, batches=False)
        rows, cause = next((rows, cause) for name, rows, cause in cases if name == fault.case)
    first = next((row for row in rows if row.verdict == "fail"), None)
    if first:
        outcome.caught, outcome.layer, outcome.cause = True, first.layer, cause
        outcome.wanted_layer = DATA.get(fault.number, "train flip=0 top=0 left=30: pixels")
        outcome.before, outcome.after = first.error, 0.0 if cause != UNKNOWN else None
        outcome.tried = len(data_side.MISTAKES)
        outcome.message = f"{first.layer} differs by up to {first.error:g}"
    return outcome


def _metric(fault):
    layer, wanted = METRIC[fault.name]
    outcome = Outcome(fault.number, fault.name, "metric", "KID", wanted_layer=layer, wanted_cause=wanted)
    with fault.planted():
        first, cause = check_metric.first_difference(0)
    if first:
        outcome.caught, outcome.layer = True, first.name
        outcome.message = f"{first.name} differs: error {first.error:.1e}, limit {first.limit:.0e}"
        outcome.take(cause)
    return outcome


def rates(found, alarms):
    """Return the four rates, over the plantings that can exist here."""
    real = [outcome for outcome in found if not outcome.impossible]
    count = max(len(real), 1)
    return {
        "plantings": len(real),
        "faults": len({outcome.number for outcome in real if outcome.number}),
        "caught": sum(outcome.caught for outcome in real) / count,
        "located": sum(outcome.located for outcome in real) / count,
        "named": sum(outcome.named for outcome in real) / count,
        "misnamed": sum(outcome.misnamed for outcome in real),
        "controls": len(alarms),
        "false_alarms": sum(bool(alarm["alarm"]) for alarm in alarms),
    }


def passed(rate):
    """Return whether the required rates are reached."""
    return (
        rate["caught"] == 1
        and rate["located"] >= 0.95
        and rate["named"] >= 0.8
        and not rate["misnamed"]
        and not rate["false_alarms"]
    )
