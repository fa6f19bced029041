"""Check that training in Paddle makes the same updates as in PyTorch, both in lockstep in float64.

    python align/check_training.py [--steps N] [--full] [--lockstep] [--json FILE] [--html FILE]

Compares both configurations of each system field by field, the rate of every step of whole schedules, and each loss,
learning rate, parameter, Adam moment and spectral-norm vector after every step; then a whole run of U-GAT-IT with
accumulation, running means, KID and a resume, whole runs of every system by the training command, what surrounds them
(options, initial weights, other processes), mixed precision as a GPU computes it (networks layer by layer, and steps),
and two processes that train together. Exit code: 0 aligned, 1 diverged, 2 not comparable or bad usage.
"""

import itertools
import time
from contextlib import nullcontext
from dataclasses import asdict, replace

from align.cases import LOCKSTEPS, PLAIN, TRAINING
from align.cases.runs import RUNS
from align.causes.training import find_training_cause
from align.checks import running
from align.checks.commanded import run_entry
from align.checks.configuration import configuration_entry
from align.checks.mixed import RUNS as MIXED
from align.checks.mixed import mixed_entry, system_of
from align.checks.mixed_steps import PARTS as MIXED_STEPS
from align.checks.mixed_steps import part_entry
from align.checks.processes import process_entries
from align.checks.run import run_entries
from align.checks.surroundings import PARTS, surrounding_entry
from align.compare.paddle_side import PaddleSide
from align.compare.raised import NotComparable, on_side
from align.compare.torch_side import TorchSide
from align.compare.training import compared, first_difference, one_step, paddle_state, started, torch_state
from align.compare.verdict import Row
from align.report.document import case_line, entry, finish
from paddle_ugatit.cli import command
from paddle_ugatit.layers.fast.dispatch import plain
from paddle_ugatit.layers.norm import REVISIONS
from paddle_ugatit.training.diverged import DivergedError

SMALL = TRAINING["ugatit"].small


def lockstep(config, steps, seed=0, tamper=None, trainers=None, system="ugatit", causes=False, name=""):
    """Yield a report entry for each step, up to and including the first that differs.

    `tamper(trainer)` plants a fault and `trainers` (PyTorch's, Paddle's) replace those of the system, in tests. With
    `causes`, the cause of a difference is searched for (align/causes/training.py). `name` is what reports call it, by
    default the system; by one that ends with PLAIN, Paddle takes the plain formulas of a GPU.
    """
    case, torch_side, paddle_side = TRAINING[system], TorchSide("float64"), PaddleSide("float64")
    name = name or system
    trainers = trainers or case.trainers
    options = {**asdict(config), "seed": seed}
    try:
        theirs, ours = started(config, seed, trainers, (torch_side, paddle_side), case.moved)
        if tamper:
            tamper(ours)
    except NotComparable as error:
        yield _entry(name, options, 0, [], 0.0) | {"note": str(error)}
        return
    for step, given in zip(range(1, steps + 1), case.given(config, seed), strict=False):
        start = time.perf_counter()
        try:
            with on_side("PyTorch"):
                wanted = torch_state(theirs, one_step(theirs, torch_side, *given))
            with plain() if name.endswith(PLAIN) else nullcontext():
                rows = _compared_with_paddle(case, ours, paddle_side, given, wanted, step)
        except NotComparable as error:
            yield _entry(name, options, step, [], time.perf_counter() - start) | {"note": str(error)}
            return
        result = _entry(name, options, step, rows, time.perf_counter() - start)
        if causes and (blamed := result["blamed"]):
            place = step, seed, tamper, trainers, steps
            blamed["cause"] = find_training_cause(config, *place, blamed["what"], blamed["error"], system)
        yield result
        if result["verdict"] != "aligned":
            return


def _compared_with_paddle(case, ours, side, given, wanted, step):
    """Make Paddle's step and return its rows; a single one if Paddle's losses are not finite, where PyTorch's are."""
    try:
        with on_side("Paddle"):
            found = paddle_state(ours, one_step(ours, side, *given))
    except DivergedError as error:
        return [Row("losses", "", step, "loss", "", "state", "float64", [], None, None, 0.0, "fail", str(error))]
    return compared(wanted, found, step, case.limit, case.limits, case.afterwards)


def _entry(name, options, step, rows, seconds):
    blamed = first_difference(rows, step)
    sources = TRAINING[LOCKSTEPS[name][0]].sources
    title, name = f"Training: {name}, step {step}", f"step {step}" if name == "ugatit" else f"{name} step {step}"
    return entry(name, title, "Trainer.step", sources, options, rows, blamed, seconds)


def main(argv=None):
    """Run the check; returns the exit code."""
    options = running.parser("check_training", __doc__, "--system ugatit --steps 3")
    options.add_argument("--steps", type=int, default=6, metavar="N", help="number of steps (6)")
    options.add_argument("--system", nargs="+", choices=TRAINING, default=list(TRAINING), help="systems to train (all)")
    options.add_argument("--full", action="store_true", help="U-GAT-IT's full generator instead of the light one")
    options.add_argument("--revision", choices=REVISIONS, default="current", help="revision of U-GAT-IT")
    wide = "channels of U-GAT-IT's first layer (4); from 32 on, every faster convolution is used"
    options.add_argument("--ch", type=int, metavar="N", help=wide)
    options.add_argument("--batch", type=int, metavar="N", help="batch size (each system's own small one)")
    options.add_argument("--seed", type=int, default=0, metavar="K", help="seed of weights and images (0)")
    options.add_argument("--lockstep", action="store_true", help="only configurations and steps, no whole runs")
    running.add_report(options)
    arguments = options.parse_args(argv)
    return running.run("check_training", lambda: _run(arguments), (ValueError,))


def _run(arguments):
    command.require(arguments, steps=(1, 100_000), ch=command.WIDTH, batch=command.WIDTH, seed=command.SEED)
    command.prepare_outputs(arguments.json, arguments.html)
    running.use_device(arguments)
    start, entries = time.perf_counter(), []
    found = itertools.chain.from_iterable(_entries(system, arguments) for system in arguments.system)
    for result in itertools.chain(found, () if arguments.lockstep else _surroundings(arguments.system)):
        print(case_line(result), flush=True)
        if result["verdict"] == "not comparable":
            command.failed("check_training", f"{result['name']}: {result['note']}", 2)
        entries.append(result)
    return finish("training", entries, start, arguments, TorchSide.version)


def _entries(system, arguments):
    """The entries of a system: its configuration, its steps and, if they are aligned, those of a whole run."""
    if about := configuration_entry(system):
        yield about
    aligned = True
    for name in (name for name, (of, _) in LOCKSTEPS.items() if of == system):
        config = _config(name, arguments)
        for result in lockstep(config, arguments.steps, arguments.seed, system=system, causes=True, name=name):
            yield result
            if result["verdict"] == "not comparable":
                return
            aligned = aligned and result["verdict"] == "aligned"
    if arguments.lockstep or not aligned:
        return
    if system == "ugatit":
        yield from run_entries(arguments.seed)
    for name, case in RUNS.items():
        if case.system == system:
            yield _whole_run(name)


def _surroundings(systems):
    for name in PARTS:
        try:
            with on_side("Paddle"):
                yield surrounding_entry(name)
        except NotComparable as error:
            yield _entry("ugatit", {}, 0, [], 0.0) | {"name": name, "note": str(error)}
    yield from (mixed_entry(name) for name in MIXED if system_of(name) in systems)
    yield from map(part_entry, MIXED_STEPS)
    try:
        yield from process_entries(systems)
    except NotComparable as error:
        yield _entry("ugatit", {}, 0, [], 0.0) | {"name": "two processes", "note": str(error)}


def _whole_run(name):
    try:
        with on_side("Paddle"):
            return run_entry(name)
    except NotComparable as error:
        return _entry(RUNS[name].system, {}, 0, [], 0.0) | {"name": f"run of {name}", "note": str(error)}


def _config(name, arguments):
    system, options = LOCKSTEPS[name]
    config = replace(TRAINING[system].small, iteration=arguments.steps, **options)
    if arguments.batch is not None:
        config = replace(config, batch_size=arguments.batch)
    if system == "ugatit":
        ch = config.ch if arguments.ch is None else arguments.ch
        config = replace(config, light=not arguments.full, revision=arguments.revision, ch=ch)
    return config
