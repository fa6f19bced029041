"""Prove the port on this very device, without PyTorch, and measure what training takes on it.

    python align/check_device.py [--device gpu] [--config NAME ...] [--json FILE] [--html FILE]

Compares layers, networks and a training step with what PyTorch computed (the recordings that ship), mixed precision
with float32, and a resumed run with one that never stopped; then times an iteration of each configuration. Prints a
block to paste into an issue. On a CPU it does the same, but for mixed precision. Exit code: 0 aligned, 1 diverged, 2
not comparable or bad usage.
"""

import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import paddle

from align.checks import device_runs, running
from align.checks.layers import check_case
from align.compare import device_floor, recorded_step
from align.compare.paddle_side import PaddleSide
from align.compare.raised import NotComparable, on_side
from align.compare.recording import load_recording
from align.compare.training import one_step, paddle_state
from align.report.device import write
from align.report.document import exit_code
from paddle_ugatit.backend import device
from paddle_ugatit.cli import command, configs
from paddle_ugatit.formats import atomic
from paddle_ugatit.training.ugatit import Trainer

ROOT = Path(__file__).resolve().parents[2]
RECORDING, STEP = ROOT / "align/recordings/small.safetensors", ROOT / recorded_step.SHIPPED
# Of float32 relative to the largest value, 4 times what it errs on a CPU in either branch, 6e-5. TF32 errs 0.1.
STEP_FLOAT32 = 2.0**-12


@dataclass
class Part:
    """What one part found: its verdict, a sentence, and the lines of what differs."""

    name: str
    verdict: str
    told: str
    differing: list[str] = field(default_factory=list)


def layers(check: str) -> Part:
    """Layers and small networks against PyTorch's recorded results, in float64 and float32."""
    compared, worst, differing = 0, {"float64": 0.0, "float32": 0.0}, []
    for case, reference in load_recording(RECORDING)[0]:
        found = check_case(case, reference, check)
        if found["verdict"] == "not comparable":
            raise NotComparable(f"{case.name}: {found['note']}")
        compared += len(found["rows"])
        for row in found["rows"]:
            worst[row["dtype"]] = max(worst[row["dtype"]], row["error"] or 0.0)
        if found["blamed"]:
            differing.append(f"{case.name}: {found['blamed']['message']}")
    told = f"{compared} comparisons, float64 {worst['float64']:.0e}, float32 {worst['float32']:.0e}"
    return Part(check, _verdict(differing), told, differing)


def step(dtype: str = "float64", limit: float = recorded_step.LIMIT) -> Part:
    """A training step against PyTorch's recorded one, which was computed in float64."""
    side = PaddleSide(dtype)
    recorded = recorded_step.load(STEP)["places"]
    with on_side("Paddle"):
        trainer = side.build(lambda _: Trainer(recorded_step.CONFIG), recorded_step.SEED)
        numbers = paddle_state(trainer, one_step(trainer, side, *recorded_step.begin(trainer, side)))
    rows = recorded_step.rows_of(recorded, numbers)
    differing = [
        f"{row.layer} {row.what} {row.slot}: {row.note or row.error}"
        for row in rows
        if row.error is None or row.error > limit
    ]
    worst = max(row.error or 0.0 for row in rows)
    told = f"{len(rows)} arrays after a training step, {dtype} {worst:.0e}"
    return Part("step", _verdict(differing), told, differing)


def step_in_float32() -> Part:
    """The same step in float32, in which training computes; where it errs too much, TF32 is named if it is on."""
    found = step("float32", STEP_FLOAT32 * device_floor.ratio())
    if found.differing and (rounded := device.rounded_inputs()):
        found.differing.insert(0, f"{' and '.join(rounded)} round what they multiply (TF32): NVIDIA_TF32_OVERRIDE=0")
    return Part("step in float32", found.verdict, found.told, found.differing)


def mixed() -> Part:
    """A small light generator in mixed precision against float32, where the device has it."""
    errors = device_runs.mixed_errors()
    if not errors:
        return Part("mixed precision", "aligned", "none on a CPU")
    limits = {"float16": 2.0**-5, "bfloat16": 2.0**-2}
    differing = [f"{name}: {error:.0e} of the range" for name, error in errors.items() if not error <= limits[name]]
    told = ", ".join(f"{name} {error:.0e}" for name, error in errors.items())
    return Part("mixed precision", _verdict(differing), f"largest difference to float32: {told}", differing)


def resume() -> Part:
    """A run that is resumed from its middle, and one that never stopped, with deterministic=true: the same bits?"""
    differing = device_runs.resumed_differences()
    told = "a resumed run has the same bits" if not differing else "a resumed run differs"
    return Part("resume", _verdict(differing), told, differing)


def _verdict(differing: list[str]) -> str:
    return "diverged" if differing else "aligned"


PARTS: dict[str, Callable[[], Part]] = {
    "forward": lambda: layers("forward"),
    "backward": lambda: layers("backward"),
    "step": step,
    "step in float32": step_in_float32,
    "mixed precision": mixed,
    "resume": resume,
}


def part(name: str) -> Part:
    """Run a part; an exception or what cannot be compared is a part of its own verdict."""
    try:
        return PARTS[name]()
    except NotComparable as error:
        return Part(name, "not comparable", str(error))


def parse(argv):
    """Parse the command line."""
    options = running.parser("check_device", __doc__, "--device gpu --html device.html")
    options.add_argument(
        "--config", nargs="+", metavar="NAME", help="configurations to time and count (all that ship); none: none"
    )
    running.add_report(options)
    return options.parse_args(argv)


def _run(arguments):
    command.prepare_outputs(arguments.json, arguments.html)
    names = [] if arguments.config == ["none"] else arguments.config or configs.names()
    chosen = {name: device_runs.configured(name) for name in names}
    running.use_device(arguments)
    start, parts = time.perf_counter(), []
    for name in PARTS:
        parts.append(part(name))
        print(f"{parts[-1].verdict:<14} {name:<16} {parts[-1].told}", flush=True)
        for line in parts[-1].differing[:5]:
            print(f"    {line}")
    runs, busy = [], device_runs.busy()
    for name, config in chosen.items():
        runs.append(device_runs.predicted(name, config))
        print(f"    {runs[-1].line()}", flush=True)
    if busy:
        print(f"    {busy}")
    report = _document(parts, runs, busy, time.perf_counter() - start)
    if arguments.json:
        with atomic.replacing(arguments.json, "w") as file:
            json.dump(report, file)
    if arguments.html:
        write(report, arguments.html)
        print(f"page: {arguments.html}")
    print(f"\n{report['block']}\n")
    print(f"{report['verdict'].upper()}: {report['device']}; {report['seconds']:.0f} s")
    return exit_code(report["verdict"])


def _document(parts: list[Part], runs: list[device_runs.Prediction], busy: str, seconds: float) -> dict:
    verdicts = {one.verdict for one in parts}
    verdict = next(kind for kind in ("diverged", "not comparable", "aligned") if kind in verdicts)
    facts = device.facts()
    versions = {"python": platform.python_version(), "numpy": np.__version__, "paddle": paddle.__version__}
    told = device.line(facts).removeprefix("device: ")
    lines = [told, ", ".join(f"{name} {version}" for name, version in versions.items())]
    lines += [f"{one.verdict}: {one.name}: {one.told}" for one in parts]
    lines += [f"  {line}" for one in parts for line in one.differing[:3]]
    lines += [run.line() for run in runs] + ([busy] if busy and runs else [])
    return {
        "verdict": verdict,
        "device": told,
        "facts": facts,
        "floor": device_floor.ratio() if not facts.get("rounded") else None,
        "versions": versions,
        "seconds": round(seconds, 1),
        "parts": [vars(one) for one in parts],
        "runs": [vars(run) for run in runs],
        "busy": busy,
        "block": "\n".join(lines),
    }


def main(argv=None):
    """Run the check; returns the exit code."""
    arguments = parse(argv)
    return running.run("check_device", lambda: _run(arguments), (ValueError,))
