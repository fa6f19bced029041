"""Measure how a folder of pictures frames its faces, for the --margin with which translate --faces frames alike."""

import argparse
from collections.abc import Sequence

import numpy as np

from paddle_ugatit.backend import device
from paddle_ugatit.backend.errors import InputError, one_line
from paddle_ugatit.backend.progress import Progress, to_stderr
from paddle_ugatit.cli import command
from paddle_ugatit.cli.pictures import Skipped
from paddle_ugatit.data.images import ImageError, read_image
from paddle_ugatit.data.inputs import collect
from paddle_ugatit.inference.face_crop import frame_of
from paddle_ugatit.inference.face_finder import Finder, load_finder

EXAMPLES = """\
examples:
  python tools/face_framing.py --input selfie2anime/testA
  python tools/face_framing.py --input work/outputs/faces/testA

The pictures are those that a model was trained on, one face in each: of each the side is divided by that of the crop
that translate --faces would cut out with --margin 1. Printed are the medians, and between which values nine in ten lie.

exit code: 0 done, 1 the input is bad or shows no face, 2 bad usage, 130 interrupted
"""


def parse(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = command.parser(program, __doc__, EXAMPLES)
    parser.add_argument("--input", required=True, nargs="+", metavar="FILE|DIR|GLOB", help="pictures of single faces")
    command.add_device(parser)
    return parser.parse_args(argv)


def framing(pixels: np.ndarray, finder: Finder) -> tuple[float, float, float] | None:
    """Return the margin of a picture of one face, and the middle of that face as shares of its width and height.

    uint8 (H,W,3); the margin is for the shorter side. None if there is not exactly one face.
    """
    faces = finder.find(pixels)
    if len(faces) != 1:
        return None
    frame, (height, width) = frame_of(faces[0].landmarks), pixels.shape[:2]
    return min(height, width) / frame.side, frame.x / width, frame.y / height


def measure(arguments: argparse.Namespace) -> None:
    """Print the framing of the pictures."""
    device.choose(arguments.device)
    pairs, finder = collect(arguments.input, say=to_stderr), load_finder()
    if finder.note:
        to_stderr(f"note: {finder.note}")
    found = []
    with Progress("looking", len(pairs), "images") as progress:
        skipped = Skipped(len(pairs) == 1, progress.say)
        for path, name in pairs:
            with skipped.one(name):
                if (measured := framing(read_image(path), finder)) is None:
                    raise ImageError(f"{path}: does not show exactly one face")
                found.append(measured)
            progress()
    if not found:
        raise InputError(f"{' '.join(arguments.input)}: no picture there shows exactly one face")
    low, (margin, across, down), high = np.percentile(found, [5, 50, 95], axis=0)
    print(one_line(f"{' '.join(arguments.input)}: one face in {len(found)} of {len(pairs)} pictures"))
    print(f"--margin {margin:.2f} ({low[0]:.2f} to {high[0]:.2f}); between eyes and mouth lies the middle of the face,")
    print(f"at {across:.0%} of the width ({low[1]:.0%} to {high[1]:.0%})", end=" ")
    print(f"and {down:.0%} of the height ({low[2]:.0%} to {high[2]:.0%})")
    skipped.report()


def main(argv: Sequence[str] | None = None, program: str = "face_framing") -> int:
    """Run the command line and return the exit code."""
    arguments = parse(argv, program)
    return command.run(program, lambda: measure(arguments))
