"""Draw an unpaired data set of faces: photo-like ones (A) and flat cartoons (B), with a paired test set."""

import argparse
import os
from collections.abc import Sequence

from paddle_ugatit.backend.errors import UsageError
from paddle_ugatit.backend.progress import Progress
from paddle_ugatit.cli import command
from paddle_ugatit.data.faces import draw as faces
from paddle_ugatit.data.faces.folder import make_dataset
from paddle_ugatit.data.images import require_writable, write_image

MOST_JOBS = 1024  # processes
EXAMPLES = """\
examples:
  python tools/make_dataset.py --out data/faces
  python tools/make_dataset.py --out data/faces64 --train 1000 --test 100 --size 64 --seed 1 --preview faces.png

The folder gets trainA, trainB, testA, testB and dataset.json. trainA and trainB show different people; testA/00007.png
and testB/00007.png show the same person, so that a translation can be compared with the truth (tools/translate.py
--compare). The same options give the same images, bit for bit with the same NumPy; if they are there already, nothing
is drawn. A data set made with other options is replaced; a folder with any other files is refused and left as it is.

exit code: 0 done, 1 the folder cannot be used, 2 bad usage, 130 interrupted
"""


def parse(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = command.parser(program, __doc__, EXAMPLES)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to make")
    parser.add_argument("--train", type=int, default=1000, metavar="N", help="training images of each domain (1000)")
    parser.add_argument("--test", type=int, default=100, metavar="N", help="test images of each domain (100)")
    parser.add_argument("--size", type=int, default=128, metavar="S", help="height and width in pixels (128)")
    parser.add_argument("--seed", type=int, default=0, metavar="K", help="another seed draws other people (0)")
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (0: one for each core)")
    parser.add_argument("--preview", metavar="FILE", help="also draw the first pairs of the test set into one image")
    return parser.parse_args(argv)


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make(arguments: argparse.Namespace) -> None:
    """Draw the data set and print what is there now."""
    if not 0 <= arguments.jobs <= MOST_JOBS:
        raise UsageError(f"--jobs must be 0 to {MOST_JOBS}, got {arguments.jobs}")
    if arguments.preview is not None:
        require_writable(arguments.preview)
    total = 2 * (arguments.train + arguments.test)
    with Progress("drawing", total, "images") as progress:
        made = make_dataset(
            arguments.out,
            arguments.train,
            arguments.test,
            arguments.size,
            arguments.seed,
            arguments.jobs or cores(),
            progress,
        )
    done = "made" if made else "already there"
    amount = f"{arguments.train} training and {arguments.test} test images of each domain, {arguments.size} px"
    print(f"{arguments.out}: {amount}, seed {arguments.seed}: {done}")
    if arguments.preview:
        write_image(arguments.preview, faces.preview(arguments.size, arguments.seed))
        print(f"{arguments.preview}: 16 pairs of the test set")


def main(argv: Sequence[str] | None = None, program: str = "make_dataset") -> int:
    """Run the command line and return the exit code."""
    arguments = parse(argv, program)
    return command.run(program, lambda: make(arguments), "nothing was written")
