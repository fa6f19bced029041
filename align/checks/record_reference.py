"""Record what PyTorch computes, for comparisons on machines that have only Paddle.

    python align/record_reference.py --out align/recordings/small.safetensors
    python align/check_forward.py --reference align/recordings/small.safetensors

Runs the PyTorch twin only; see align/compare/recording.py for what the file holds.
"""

import platform
import time
from pathlib import Path

import numpy as np

from align.cases import CASES, LAYER_CASES, MINI_CASES, chosen
from align.cases.pair import load_pair
from align.checks import running
from align.compare.recording import save_recording
from align.compare.reference import measure
from align.compare.sides import torch_side_of
from align.compare.torch_side import TorchSide
from paddle_ugatit.cli import command


def main(argv=None):
    """Record; returns the exit code."""
    parser = running.parser("record_reference", __doc__, "adailn --out adailn.safetensors", "0 recorded, 2 bad usage")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="cases to record (all layers and mini networks)")
    parser.add_argument("--out", required=True, metavar="FILE.safetensors", help="recording to write")
    parser.add_argument("--step", action="store_true", help="record a training step instead, as FILE.json")
    parser.add_argument("--weights", metavar="FILE", help="record the networks of this checkpoint, of either framework")
    parser.add_argument("--pair", metavar="FILE", help="record the original of your own pair, see docs/pair.md")
    parser.add_argument(
        "--revision", choices=["current", "initial", "tensorflow"], help="revision of the networks in --weights"
    )
    parser.add_argument("--size", type=int, metavar="N", help="image size for --weights")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="batch size for --weights (1)")
    parser.add_argument("--seed", type=int, default=0, metavar="K", help="seed of weights, inputs and gradients (0)")
    arguments = parser.parse_args(argv)
    return running.run("record_reference", lambda: _record(arguments), (ImportError, ValueError))


def _record(arguments):
    command.require(arguments, seed=command.SEED, size=command.SIZE, batch=command.WIDTH)
    command.prepare_outputs(arguments.out)
    if arguments.step:
        return _record_step(arguments)
    start, weights = time.perf_counter(), {}
    cases = CASES | {case.name: case for case in MINI_CASES}
    default = [case.name for case in LAYER_CASES + MINI_CASES]
    if arguments.weights:
        from align.cases.real_weights import network_cases

        cases, weights = network_cases(arguments.weights, arguments.revision, arguments.size, arguments.batch)
        default = list(cases)
    if arguments.pair:
        if arguments.weights or arguments.cases:
            raise ValueError("--pair cannot be combined with --weights or with cases")
        pair = load_pair(arguments.pair)
        cases, default = {pair.name: pair}, [pair.name]
    entries = []
    for case in chosen(cases, arguments.cases or default):
        reference = measure(case, torch_side_of(case), arguments.seed, weights.get(case.name))
        entries.append((case, reference))
        print(f"{case.name}: {len(reference.tensors)} tensors", flush=True)
    save_recording(arguments.out, entries, _versions())
    size = Path(arguments.out).stat().st_size
    print(f"{arguments.out}: {len(entries)} cases, {size / 1e6:.1f} MB, {time.perf_counter() - start:.0f} s")
    return 0


def _record_step(arguments):
    from align.cases import TRAINING
    from align.compare import recorded_step
    from align.compare.training import one_step, torch_state, twin_config  # which need Paddle, unlike the rest

    for option in ("cases", "weights", "pair", "revision", "size"):
        if getattr(arguments, option):
            raise ValueError(f"--step cannot be combined with {option}: it is one step of the small configuration")
    case, side = TRAINING["ugatit"], TorchSide("float64")
    trainer = side.build(lambda _: case.trainers[0](twin_config(case.trainers[0], case.small)), recorded_step.SEED)
    numbers = torch_state(trainer, one_step(trainer, side, *recorded_step.begin(trainer, side)))
    recorded_step.save(arguments.out, numbers, _versions())
    print(f"{arguments.out}: {len(numbers)} arrays, {Path(arguments.out).stat().st_size / 1e3:.0f} kB")
    return 0


def _versions():
    return {"python": platform.python_version(), "numpy": np.__version__, "torch": TorchSide.version}
