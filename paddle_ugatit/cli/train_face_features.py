"""Train the small network behind `--features faces` on drawn faces, to tell their domain and attributes."""

import argparse
from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import paddle

from paddle_ugatit.backend.errors import UsageError
from paddle_ugatit.backend.progress import Progress
from paddle_ugatit.cli import command
from paddle_ugatit.data.faces.attributes import ATTRIBUTES
from paddle_ugatit.formats.atomic import require_replaceable
from paddle_ugatit.metrics.face_features import FaceFeatures
from paddle_ugatit.metrics.face_training import FaceTraining, drawn, train, write
from paddle_ugatit.models.faces import FaceNetwork

EXAMPLES = """\
examples:
  python tools/train_face_features.py --out face_features.safetensors
  python tools/train_face_features.py --out quick.safetensors --images 500 --epochs 2

Draws faces, trains the network on them, writes its weights in half precision, and prints how often each attribute is
told rightly on 500 other faces of either domain.

exit code: 0 done, 1 the file cannot be written, 2 bad usage, 130 interrupted
"""
_HELD_OUT, _HELD_OUT_SEED = 500, 1_000_003  # of the options' seed


def parse(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = command.parser(program, __doc__, EXAMPLES)
    parser.add_argument("--out", required=True, metavar="FILE", help="file to write, .safetensors")
    for field in fields(FaceTraining):
        kind, option = type(field.default), f"--{field.name.replace('_', '-')}"
        parser.add_argument(option, type=kind, default=field.default, metavar="X", help=f"({field.default})")
    return parser.parse_args(argv)


def accuracy(network: FaceFeatures, seed: int) -> list[str]:
    """Return a line per attribute: how many of 500 faces of each domain are told rightly."""
    with Progress("held-out faces", 2 * _HELD_OUT, "images") as progress:
        pixels, classes, _ = drawn(_HELD_OUT, seed + _HELD_OUT_SEED, progress)
    right = network.attributes(pixels) == classes
    photo, cartoon = right[:_HELD_OUT].mean(0), right[_HELD_OUT:].mean(0)
    lines = [f"{'attribute':<12} photo-like  cartoon"]
    for column, name in enumerate(ATTRIBUTES):
        lines.append(f"{name:<12} {100 * photo[column]:8.1f} % {100 * cartoon[column]:6.1f} %")
    return [*lines, f"{'mean':<12} {100 * photo.mean():8.1f} % {100 * cartoon.mean():6.1f} %"]


def make(arguments: argparse.Namespace) -> None:
    """Draw, train, write and test."""
    try:
        options = FaceTraining(**{field.name: getattr(arguments, field.name) for field in fields(FaceTraining)})
    except ValueError as error:
        raise UsageError(f"--{str(error).replace('_', '-', 1)}") from error
    require_replaceable(arguments.out)
    paddle.seed(options.seed)
    with Progress("drawing", 2 * options.images, "images") as progress:
        data = drawn(options.images, options.seed, progress)
    network = FaceNetwork([len(classes) for classes in ATTRIBUTES.values()])
    with Progress("training", options.epochs * (2 * options.images // options.batch_size)) as progress:
        train(options, network, data, lambda note: progress(note=note))
    write(arguments.out, network, data[0].astype(np.float32))
    print("\n".join([f"{arguments.out}: written", *accuracy(FaceFeatures(arguments.out), options.seed)]))


def main(argv: Sequence[str] | None = None, program: str = "train_face_features") -> int:
    """Run the command line and return the exit code."""
    arguments = parse(argv, program)
    return command.run(program, lambda: make(arguments), "nothing was written")
