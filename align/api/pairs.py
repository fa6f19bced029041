"""Every stock layer of the table as a pair of models, through the harness that compares anyone's: `check`.

A pair is the layer with PyTorch's arguments against Paddle's, under its own arguments and by the recipe. It must be
ALIGNED if the table says that this use is the same, possibly but for a constant in float32, and DIVERGED if not: a pair
that is called otherwise is a fault of the harness, or of the table.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
import torch
from tqdm import tqdm

from align.api import arguments
from align.api.entry import Entry, Sample, looked_up
from align.api.measure import measured
from align.api.tables import every
from align.api.verdict import summary_of
from align.cases.pair import Pair
from align.checks.layers import check_case
from align.compare.raised import NotComparable
from align.compare.reference import measure
from align.compare.sides import torch_side_of
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.cli import command

CHECKS = ("forward", "backward")


class TorchHolder(torch.nn.Module):
    """A model with one layer."""

    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, *tensors: torch.Tensor) -> Any:
        """Call the layer; of several results the first."""
        result = self.layer(*tensors)
        return result[0] if isinstance(result, tuple) else result


class PaddleHolder(paddle.nn.Layer):
    """A model with one layer."""

    def __init__(self, layer: paddle.nn.Layer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, *tensors: paddle.Tensor) -> Any:
        """Call the layer; of several results the first."""
        result = self.layer(*tensors)
        return result[0] if isinstance(result, tuple) else result


@dataclass(frozen=True)
class Trial:
    """A use of a layer as a pair, and whether it is the same by the table."""

    name: str
    entry: Entry
    options: Mapping[str, Any]
    way: str
    same: bool
    given: Sample


def check(names: list[str], options: argparse.Namespace) -> int:
    """Put the layers with these names through the harness; print each pair that is not aligned; return the exit code.

    Raises InputError if no layer is among the names.
    """
    trials = [trial for name in names for trial in trials_of(every()[name])]
    if not trials:
        raise InputError("none of these lines is a layer")
    counts, wrong, start = {"aligned": 0, "explained": 0, "refused": 0}, [], time.perf_counter()
    for trial in tqdm(trials, unit="pair", leave=False, disable=None):
        found = outcome(trial)
        if found["said"].startswith("PyTorch raised"):
            counts["refused"] += 1
        elif found["verdict"] == ("aligned" if trial.same else "diverged"):
            counts["aligned" if trial.same else "explained"] += 1
        else:
            wrong.append(trial.name)
            print(f"WRONG  {trial.name}: {found['verdict']}, but the table says {'same' if trial.same else 'differs'}")
        if found["verdict"] != "aligned":
            print(f"{found['verdict']}  {trial.name}: {found['said']}", flush=True)
    seconds = time.perf_counter() - start
    print(f"{len(trials)} pairs of stock layers, forward and backward, {seconds:.0f} s: {counts['aligned']} aligned,")
    print(f"{counts['explained']} that differ are called so, {counts['refused']} are refused by PyTorch, ", end="")
    print(f"{len(wrong)} otherwise than the table says")
    return (
        command.failed("check_api", f"{len(wrong)} pairs are called otherwise than the table says", 1) if wrong else 0
    )


def trials_of(entry: Entry) -> Iterator[Trial]:
    """Yield the pairs of a layer: each use with the first ordinary input, as PyTorch's and by the recipe."""
    ours = looked_up(paddle, entry.paddle)
    if entry.kind != "layer" or ours is None:
        return
    for options in entry.uses:
        use = Entry(**{**entry.__dict__, "uses": (options,)})
        line = measured(use, lambda name: not name.endswith("empty"))  # which may end the process
        given = next(one for one in entry.inputs(np.random.default_rng(0)) if not one.edge and not one.turned)
        first = {**line, "uses": [one for one in line["uses"] if one["given"] == given.label]}
        for way in ("naive", "recipe"):
            side = summary_of(first, way, entry.limit)
            if side.compared and not any("refused" in one.get(way, {}) for one in first["uses"]):
                text = ", ".join(f"{name}={value!r}" for name, value in options.items())
                yield Trial(f"{entry.torch}({text}), {way}", entry, options, way, not side.wrong, given)


def outcome(trial: Trial) -> dict[str, Any]:
    """Return the verdict of both checks on a pair, the graver one, and what is said of it."""
    case = pair_of(trial)
    verdict, said = "aligned", ""
    for check in CHECKS:
        try:
            reference = measure(case, torch_side_of(case), backward=check == "backward", float32=False)
            entry = check_case(case, reference, check, ["float64"], causes=True)
        except NotComparable as error:
            entry = {"verdict": "not comparable", "note": str(error), "blamed": None}
        if entry["verdict"] != "aligned" and verdict == "aligned":
            blamed = entry["blamed"]
            cause = (blamed.get("cause") or {}).get("name", "") if blamed else ""
            verdict = entry["verdict"]
            said = f"{check}: {blamed['message']}; cause: {cause}" if blamed else entry["note"]
    return {"verdict": verdict, "said": said}


def pair_of(trial: Trial) -> Pair:
    """Return the pair of a trial, as from a user's file."""
    entry, options = trial.entry, dict(trial.options)
    theirs, ours = looked_up(torch, entry.torch), looked_up(paddle, entry.paddle)
    if trial.way == "naive":
        make, mine = ours, arguments.translated(options, ours, entry.names)[0] | dict(entry.always)
    else:
        make, mine = entry.recipe, options

    def build(layers: Any) -> Any:
        return PaddleHolder(make(**mine)) if layers.framework == "paddle" else TorchHolder(theirs(**options))

    return Pair(
        trial.name,
        build,
        [],
        "",
        "align/api/tables",
        entry.torch,
        training=entry.training,
        draw=lambda rng: list(trial.given.arrays),
    )
