"""Does training in Paddle make the same updates as in PyTorch? Both run in lockstep in float64.

    python align/check_training.py [--steps N] [--full] [--json FILE] [--html FILE]

After every step it compares each loss, learning rate, parameter, Adam moment and spectral-norm vector. Exit code: 0
aligned, 1 diverged, 2 not comparable or bad usage.
"""

import argparse
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from align.causes.training import find_training_cause  # noqa: E402
from align.paddle_side import PaddleSide  # noqa: E402
from align.report import case_line, entry, finish  # noqa: E402
from align.torch_side import TorchSide  # noqa: E402
from align.training_case import batches, compared, paddle_state, same_start, torch_state  # noqa: E402
from paddle_ugatit.formats import CheckpointError  # noqa: E402
from paddle_ugatit.training import Config, Trainer  # noqa: E402
from torch_ref.training.trainer import Trainer as TorchTrainer  # noqa: E402

# The decay of the learning rate begins within the run, and the last step has a rate of 0.
SMALL = Config(light=True, ch=4, n_res=1, img_size=48, global_layers=6, local_layers=4, iteration=6)


def lockstep(config, steps, seed=0, tamper=None, trainers=(TorchTrainer, Trainer)):
    """Report entries, one a step, until the first that differs. `tamper(trainer)` plants a fault, in tests."""
    torch_side, paddle_side = TorchSide("float64"), PaddleSide("float64")
    theirs = torch_side.build(lambda _: trainers[0](config), seed)
    ours = paddle_side.build(lambda _: trainers[1](config), seed)
    same_start(theirs, ours, torch_side, paddle_side, seed)
    if tamper:
        tamper(ours)
    for step, (real_a, real_b) in zip(range(1, steps + 1), batches(config, seed), strict=False):
        start = time.perf_counter()
        wanted = torch_state(theirs, theirs.step(torch_side.tensor(real_a), torch_side.tensor(real_b)))
        found = paddle_state(ours, ours.step(paddle_side.tensor(real_a), paddle_side.tensor(real_b)))
        result = _entry(config, step, compared(wanted, found, step), seed, time.perf_counter() - start)
        yield result
        if result["verdict"] != "aligned":
            return


def _entry(config, step, rows, seed, seconds):
    failed = [row for row in rows if row.verdict == "fail"]
    blamed = None
    if failed:
        first = failed[0]
        size = first.note or f"error {first.error:.1e}, limit {first.limit:.1e}"
        message = f"step {step}: {first.what} {first.slot} of {first.layer} differs: {size}"
        blamed = {**asdict(first), "message": message}
    sources = "paddle_ugatit/training/trainer.py", "torch_ref/training/trainer.py"
    options = {**asdict(config), "seed": seed}
    return entry(f"step {step}", f"Training step {step}", "Trainer.step", sources, options, rows, blamed, seconds)


def main(argv=None):
    """Run the check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=6, metavar="N", help="iterations (6)")
    parser.add_argument("--full", action="store_true", help="the full generator instead of the light one")
    parser.add_argument("--revision", choices=["current", "initial"], default="current")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="batch size (1)")
    parser.add_argument("--seed", type=int, default=0, metavar="K")
    parser.add_argument("--json", metavar="FILE", help="write the report as JSON")
    parser.add_argument("--html", metavar="FILE", help="write the report as a page")
    arguments = parser.parse_args(argv)
    try:
        return _run(arguments)
    except (ValueError, OSError, CheckpointError) as error:
        print(f"check_training: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _run(arguments):
    if arguments.steps < 1:
        raise ValueError(f"--steps must be 1 or more, got {arguments.steps}")
    start, entries = time.perf_counter(), []
    config = replace(
        SMALL,
        light=not arguments.full,
        revision=arguments.revision,
        batch_size=arguments.batch,
        iteration=arguments.steps,
    )
    for result in lockstep(config, arguments.steps, arguments.seed):
        if blamed := result["blamed"]:
            place = (blamed["call"], arguments.seed, None, (TorchTrainer, Trainer), arguments.steps)
            blamed["cause"] = find_training_cause(config, *place, blamed["what"], blamed["error"])
        print(case_line(result), flush=True)
        entries.append(result)
    return finish("training", entries, start, arguments, TorchSide.version)


if __name__ == "__main__":
    sys.exit(main())
