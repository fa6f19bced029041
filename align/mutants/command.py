"""How many small changes to the port do the default checks notice? Mutation testing of the harness.

    python align/check_mutants.py [--sample N | --all] [--room NAME ...] [--resume] [--json FILE] [--html FILE]

Makes every small change that align/mutants/operators.py lists to the sources of layers, models, losses, training, data,
metrics and weights, one at a time and in memory, and runs those cases of the default checks that run the changed line,
the quickest first, until one notices. What does not count is set aside by the rules of align/mutants/rules.py. A sample
is drawn with a fixed seed. Required: 95 % killed, 90 % in every room, the right file blamed for 90 % of those killed.
Exit code: 0 the rates are reached, 1 they are not, 2 bad usage.
"""

import argparse
import itertools
import json
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from align.mutants import baseline, operators, page, processes, score, trial
from align.mutants.baseline import Baseline
from align.mutants.score import Tried
from align.mutants.source import ROOMS, Mutant
from paddle_ugatit.backend.errors import UsageError
from paddle_ugatit.backend.progress import Progress
from paddle_ugatit.cli import command
from paddle_ugatit.formats import atomic

SAMPLE, SEED = 600, 0
_STARTING, _PATIENCE = 60.0, 8  # seconds to import; how many times longer than the right port a mutant may take


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = command.parser(
        "check_mutants.py",
        (__doc__ or "").split("\n")[0],
        "example: python align/check_mutants.py --sample 100 --room layers losses --html mutants.html\n"
        "exit code: 0 the rates are reached, 1 they are not, 2 bad usage",
    )
    amount = options.add_mutually_exclusive_group()
    amount.add_argument(
        "--sample", type=int, default=SAMPLE, metavar="N", help="mutants to try, drawn at random (%(default)s)"
    )
    amount.add_argument("--all", action="store_true", help="try every mutant")
    options.add_argument(
        "--room",
        nargs="+",
        choices=ROOMS,
        default=list(ROOMS),
        metavar="NAME",
        help=f"rooms to mutate, of {', '.join(ROOMS)} (all)",
    )
    options.add_argument(
        "--check",
        nargs="+",
        choices=baseline.CHECKS,
        default=list(baseline.CHECKS),
        metavar="NAME",
        help=f"default checks that mutants face, of {', '.join(baseline.CHECKS)} (all)",
    )
    options.add_argument("--seed", type=int, default=SEED, metavar="K", help="seed of the sample (%(default)s)")
    options.add_argument("--jobs", type=int, metavar="N", help="processes at a time (one for each processor)")
    options.add_argument(
        "--quick",
        action="store_true",
        help="only the checks that take no time: float64, no initial values, no Inception",
    )
    options.add_argument(
        "--resume", action="store_true", help="go on with a run that was interrupted, or enlarge its sample"
    )
    options.add_argument(
        "--out",
        default="work/outputs/mutants",
        metavar="DIR",
        help="folder for what is kept between runs (%(default)s)",
    )
    options.add_argument("--json", metavar="FILE", help="write the report as JSON")
    options.add_argument("--html", metavar="FILE", help="write the report as a page")
    return options.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = parse(argv)
    codes: list[int] = []
    kept = f"the outcomes so far are in {arguments.out}: --resume goes on with them"
    ended = command.run("check_mutants", lambda: codes.append(_run(arguments)), kept)
    return codes[0] if codes else 2 if ended == 1 else ended


def _run(arguments: argparse.Namespace) -> int:
    _require(arguments)
    start, folder = time.perf_counter(), Path(arguments.out)
    command.prepare_folder(folder)
    _load_frameworks()
    trial.require_clean()
    mutants = operators.every(arguments.room)
    chosen = score.sampled(mutants, None if arguments.all else arguments.sample, arguments.seed)
    jobs = arguments.jobs or len(os.sched_getaffinity(0))
    base = _baseline(folder, arguments.quick, jobs, arguments.check)
    outcomes = list(_outcomes(chosen, base, folder, jobs, arguments.resume))
    facts = {
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": " ".join(["python", *sys.argv]),
        "seconds": round(time.perf_counter() - start, 1),
        "seed": arguments.seed,
        "quick": arguments.quick,
        "versions": _versions(),
    }
    unreached = Counter(mutant.room for mutant in mutants if not mutant.reason and not base.facing(mutant))
    report = score.document(outcomes, mutants, unreached, facts)
    _write(report, arguments)
    print("\n".join(_summary(report)))
    return 0 if report["passed"] else 1


def _require(arguments: argparse.Namespace) -> None:
    command.require(arguments, sample=(1, 1_000_000), seed=command.SEED, jobs=(1, 1024))
    command.prepare_outputs(arguments.json, arguments.html)
    if not hasattr(os, "fork"):
        raise UsageError("needs a system that can fork processes, such as Linux")
    if find_spec("torch") is None:
        raise UsageError("PyTorch is not installed: the checks that mutants face compare with it")


def _load_frameworks() -> None:
    """Import what takes long and is not mutated, once for all processes; nothing is computed with it here."""
    import cv2  # noqa: F401
    import scipy.linalg  # noqa: F401
    import scipy.stats  # noqa: F401
    import torch  # noqa: F401

    import torch_ref.models.ugatit  # noqa: F401


def _baseline(folder: Path, quick: bool, jobs: int, checks: Sequence[str]) -> Baseline:
    bars: list[Progress] = []

    def tell(done: int, total: int) -> None:
        if not bars:
            bars.append(Progress("the right port", total, "case"))
        bars[0](done - bars[0].done)

    try:
        return baseline.of(folder, quick, jobs, tell, checks)
    finally:
        for bar in bars:
            bar.__exit__(None, None, None)


def _outcomes(chosen: Sequence[Mutant], base: Baseline, folder: Path, jobs: int, resume: bool) -> Iterator[Tried]:
    """Yield the outcome of every chosen mutant, those that are known first."""
    kept = score.Kept(folder / "outcomes.jsonl", {"digest": base.digest})
    done = kept.read() if resume else {}
    if done is None:
        raise UsageError(f"{kept.path}: holds no outcomes on these sources to go on with: leave out --resume")
    if not done:
        kept.begin()
    by_name = {mutant.name: mutant for mutant in chosen}
    for mutant in chosen:
        if mutant.name in done:
            yield _outcome(mutant, done[mutant.name])
    left = [mutant for mutant in chosen if mutant.name not in done]
    started: dict[str, float] = {}
    with Progress("mutants", len(chosen), "mutant", done=len(chosen) - len(left)) as progress:
        survived = sum(found["how"] == "survived" for name, found in done.items() if name in by_name)
        reached = [mutant for mutant in left if base.facing(mutant)]
        untried = ((mutant.name, trial.SURVIVED) for mutant in left if not base.facing(mutant))
        for name, result in itertools.chain(untried, processes.run(_jobs(reached, base, folder, started), jobs)):
            found = _found(result) | {"units": len(base.facing(by_name[name]))}
            found["seconds"] = round(time.perf_counter() - started.get(name, time.perf_counter()), 2)
            kept.add(name, found)
            survived += found["how"] == "survived"
            progress(note=f"{survived} survived")
            yield _outcome(by_name[name], found)


def _jobs(left: Sequence[Mutant], base: Baseline, folder: Path, started: dict[str, float]) -> Iterator[processes.Job]:
    for mutant in left:
        units = base.facing(mutant)
        started[mutant.name] = time.perf_counter()
        seconds = _STARTING + _PATIENCE * base.seconds_of(units)
        yield processes.Job(mutant.name, _work(mutant, units, folder), seconds, trial.hung)


def _work(mutant: Mutant, units: list[baseline.Unit], folder: Path) -> Callable[[], dict[str, Any]]:
    return lambda: trial.attempt(mutant, units, folder / "references")


def _found(result: Any) -> dict[str, Any]:
    if isinstance(result, dict):
        if result["how"] == "broken":
            raise UsageError(result["message"])
        return result
    return {
        "how": result,
        "unit": "",
        "files": [],
        "message": "the process was killed" if result == processes.HUNG else "",
    }


def _outcome(mutant: Mutant, found: dict[str, Any]) -> Tried:
    return Tried(mutant, **{name: value for name, value in found.items() if name != "name"})


def _versions() -> dict[str, str]:
    import numpy
    import paddle
    import torch

    found = {"python": platform.python_version(), "numpy": numpy.__version__}
    return found | {"paddle": paddle.__version__, "torch": torch.__version__}


def _write(report: dict[str, Any], arguments: argparse.Namespace) -> None:
    if arguments.json:
        with atomic.replacing(arguments.json, "w") as file:
            json.dump(report, file, indent=1)
    if arguments.html:
        page.write(report, arguments.html)


def _summary(report: dict[str, Any]) -> Iterator[str]:
    heads = ("room", "mutants", "no case", "tried", "killed", "located")
    yield "{:<10} {:>7} {:>7} {:>6} {:>7} {:>8}  survived (not reached)".format(*heads)
    for room, rate in [*report["rooms"].items(), ("all", report["total"])]:
        survived = f"{rate['survived']} ({rate['not_reached']})"
        killed, located = f"{rate['score']:.1%}", f"{rate['located']:.1%}"
        unreached = f"{rate['unreached'] / max(rate['mutants'], 1):.0%}"
        yield f"{room:<10} {rate['mutants']:>7} {unreached:>7} {rate['tried']:>6} {killed:>7} {located:>8}  {survived}"
    aside = ", ".join(f"{one['rule']} {one['mutants']}" for one in report["set_aside"] if one["mutants"])
    yield f"set aside by rule: {aside or 'none'}"
    verdict = "REACHED" if report["passed"] else "NOT REACHED"
    total = report["total"]
    yield f"{verdict}: {total['killed']} of {total['tried']} mutants killed, {report['seconds']:.0f} s"
