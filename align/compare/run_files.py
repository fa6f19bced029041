"""What a run has written, read without the code that wrote it: states of checkpoints, tables, sheets."""

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from align.compare.twin_run import State, linear_keys
from paddle_ugatit import formats


def table(path: Path) -> tuple[list[str], np.ndarray]:
    """Return the header and the numbers of a .csv file."""
    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return header, np.array(rows, np.float64)


def checkpoint_state(folder: Path, twin) -> State:
    """Return the state in a checkpoint in PyTorch's layout, under the names of compare/training.py."""
    turned = {name: linear_keys(net) for name, net in twin.networks.items()}
    found: State = {}
    for prefix, file in (("", "weights.pdparams"), ("ema ", "ema.pdparams")):
        if not (folder / file).exists():
            continue
        for name, state in formats.read(folder / file).networks.items():
            buffers = {key for key, _ in twin.networks[name].named_buffers()}
            for key, array in state.items():
                what = "state" if key in buffers else "parameter"
                found[f"{prefix}{name}", what, key] = array.T if key in turned[name] else array
    rest = formats.read(folder / "state.safetensors").networks
    for kind, state in rest.items():
        if kind == "scalars":
            found |= {("scalars", "state", name): array.reshape(()) for name, array in state.items()}
            continue
        for key, array in state.items():
            name, _, place = key.partition(".")
            place, _, what = place.rpartition(".")
            found[name, what, place] = array.T if place in turned[name] and array.ndim == 2 else array
    return found


def with_losses(state: State, losses: tuple[list[str], np.ndarray], step: int) -> State:
    """Add the losses and learning rates of a step, from the table of them."""
    header, rows = losses
    row = rows[rows[:, 0] == step][0]
    for name, value in zip(header[1:], row[1:], strict=True):
        kind = name.removeprefix("lr_")
        place = (kind, "learning rate", "lr") if kind != name else ("losses", "loss", name)
        state[place] = np.float64(value)
    return state


def without_counters(state: State, names: Iterable[str] = ("beta1_pow_acc", "beta2_pow_acc")) -> State:
    """Leave out the powers of Adam's betas, which PyTorch counts as steps."""
    return {place: array for place, array in state.items() if place[1] not in names}


def picture(path: Path) -> np.ndarray:
    """Return the pixels of a sheet, uint8 (H,W,3); empty if there is none."""
    if not path.exists():
        return np.zeros((0, 0, 3), np.uint8)
    with Image.open(path) as file:
        return np.array(file.convert("RGB"))
