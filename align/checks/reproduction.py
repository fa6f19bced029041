"""What a reviewer of the reproduction of U-GAT-IT reads, in one folder: `written`, for check_all.py --reprod-log.

At each verification point of Paddle's paper-reproduction guide both frameworks compute the same, and the results go
into NAME_paddle.npy, NAME_ref.npy and NAME_diff.log (align/checks/reprod_log.py):

    forward      outputs of a generator and a discriminator with the same weights, in float64
    data         evaluation pictures as they reach the networks, read by the public code's transforms
    metric       KID and FID on the same features
    loss         every loss of the first training step
    lr           the learning rate of each step of a schedule with decay, and Adam's first moments after a step
    bp_align     every loss of the steps that follow the first backward pass
    train_align  every parameter after the last step
"""

import tempfile
from pathlib import Path

import numpy as np

from align.cases import CASES, TRAINING, Case
from align.checks.reprod_log import write
from align.compare import metric_statements
from align.compare.data import PUBLIC, write_pictures
from align.compare.metric import drawn_features
from align.compare.paddle_side import PaddleSide
from align.compare.raised import on_side
from align.compare.reference import fresh_weights, loaded, outputs_of, set_mode
from align.compare.torch_side import TorchSide
from align.compare.training import one_step, paddle_state, started, torch_state
from paddle_ugatit.data import transforms
from paddle_ugatit.data.images import read_picture
from paddle_ugatit.metrics import frechet, mmd

NETWORKS = ("generator-light", "discriminator-local")
STEPS, SIZE = 3, 64
LIMIT = 1e-6  # of the mean difference, as the guide has it; nearly everything here is float64 and stays below 1e-12
Sides = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]


def written(folder: Path | str, seed: int = 0) -> tuple[list[Path], bool]:
    """Compute every verification point and write its files; returns the logs, and whether all of them passed.

    Raises InputError if the folder cannot be written, and NotComparable if one side raises an exception.
    """
    values = {"forward": _forward(seed), "data": _data(seed), "metric": _metric(seed), **_training(seed)}
    logs = write(folder, values, LIMIT)
    return logs, all(log.read_text(encoding="utf-8").rstrip().endswith("check passed") for log in logs)


def _forward(seed: int) -> Sides:
    """Outputs of both networks: PyTorch's and Paddle's."""
    found: Sides = ({}, {})
    for name in NETWORKS:
        case: Case = CASES[name]
        torch_side, paddle_side = TorchSide("float64"), PaddleSide("float64")
        with on_side("PyTorch"):
            weights = fresh_weights(TorchSide("float32"), case, seed)
            theirs = outputs_of(torch_side, loaded(torch_side, case, seed, weights), case.inputs(seed))
        with on_side("Paddle"):
            model = paddle_side.build(case.build, seed)
            paddle_side.load(model, weights)
            set_mode(model, case.training)
            ours = outputs_of(paddle_side, model, case.inputs(seed))
        for side, calls in zip(found, (theirs, ours), strict=True):
            side.update({f"{name}_{i}_{slot}": a for i, call in enumerate(calls) for slot, a in call.items()})
    return found


def _data(seed: int) -> Sides:
    """Pictures of several shapes and modes as the networks get them in an evaluation."""
    found: Sides = ({}, {})
    with tempfile.TemporaryDirectory() as folder:
        for path in write_pictures(Path(folder), seed):
            found[0][path.name] = PUBLIC.scaled(PUBLIC.pixels(path, SIZE))
            found[1][path.name] = transforms.to_input(transforms.test_pixels(read_picture(path), SIZE))
    return found


def _metric(seed: int) -> Sides:
    """KID's subsets and FID on the same features; the reference is a plain statement of their formulas."""
    x, y = (features / 8 for features in drawn_features(70, 90, seed, 64))
    ours = {
        "KID subsets": np.asarray(mmd.kid(x, y, 10, 25, seed).values),
        "FID": np.asarray(frechet.frechet_distance(x, y)),
    }
    subsets = metric_statements.subset_values(x, y, 10, 25, seed)
    return {"KID subsets": np.asarray(subsets), "FID": np.asarray(metric_statements.frechet_symmetric(x, y))}, ours


def _training(seed: int) -> dict[str, Sides]:
    """Losses, learning rates, moments and parameters of both trainers, in lockstep."""
    case, sides = TRAINING["ugatit"], (TorchSide("float64"), PaddleSide("float64"))
    config = case.small
    trainers = started(config, seed, case.trainers, sides, case.moved)
    found: dict[str, Sides] = {name: ({}, {}) for name in ("loss", "lr", "bp_align", "train_align")}
    for step, given in zip(range(1, STEPS + 1), case.given(config, seed), strict=False):
        for number, (trainer, side, state) in enumerate(zip(trainers, sides, (torch_state, paddle_state), strict=True)):
            with on_side(("PyTorch", "Paddle")[number]):
                numbers = state(trainer, one_step(trainer, side, *given))
            for (network, what, name), array in numbers.items():
                if point := _point(what, step):
                    found[point][number][f"step{step}_{network}_{what}_{name}".replace(" ", "_")] = np.array(array)
    return found


def _point(what: str, step: int) -> str:
    """The verification point of a value, "" for none."""
    if what == "loss":
        return "loss" if step == 1 else "bp_align"
    if what == "learning rate" or (what == "moment1" and step == 1):
        return "lr"
    return "train_align" if what in ("parameter", "state") and step == STEPS else ""
