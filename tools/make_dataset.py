#!/usr/bin/env python
"""Draw an unpaired data set of faces: photo-like ones (A) and flat cartoons (B), with a paired test set."""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from paddle_ugatit.backend.progress import Progress  # noqa: E402
from paddle_ugatit.cli import command  # noqa: E402
from paddle_ugatit.data.faces import draw as faces  # noqa: E402
from paddle_ugatit.data.faces.folder import make_dataset  # noqa: E402
from paddle_ugatit.data.images import write_image  # noqa: E402

PROGRAM = "make_dataset"
EXAMPLES = """\
examples:
  python tools/make_dataset.py --out data/faces
  python tools/make_dataset.py --out data/faces64 --train 1000 --test 100 --size 64 --seed 1 --preview faces.png

The folder gets trainA, trainB, testA, testB and dataset.json. trainA and trainB show different people; testA/00007.png
and testB/00007.png are the same person, so that a translation can be measured against truth (tools/translate.py
--compare). The same options give the same pictures, to the last bit with the same NumPy; if they are there already,
nothing is done. A data set of other options is replaced, a folder with any other files is left alone.

exit code: 0 done, 1 the folder cannot be used, 2 bad usage, 130 interrupted
"""


def parse(argv):
    """The command line's arguments."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to make")
    parser.add_argument("--train", type=int, default=1000, metavar="N", help="training images of each domain (1000)")
    parser.add_argument("--test", type=int, default=100, metavar="N", help="test images of each domain (100)")
    parser.add_argument("--size", type=int, default=128, metavar="S", help="height and width in pixels (128)")
    parser.add_argument("--seed", type=int, default=0, metavar="K", help="another one, other people (0)")
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (0: as many as there are cores)")
    parser.add_argument("--preview", metavar="FILE", help="also draw the first pairs of the test set in one picture")
    return parser.parse_args(argv)


def cores():
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make(arguments):
    """Draw, and print a line on what stands there."""
    total = 2 * (arguments.train + arguments.test)
    with Progress("drawing", total, "images") as progress:
        made = make_dataset(
            arguments.out,
            arguments.train,
            arguments.test,
            arguments.size,
            arguments.seed,
            arguments.jobs if arguments.jobs > 0 else cores(),
            progress,
        )
    said = "made" if made else "already there"
    about = f"{arguments.train} training and {arguments.test} test images of each domain, {arguments.size} px"
    print(f"{arguments.out}: {about}, seed {arguments.seed}: {said}")
    if arguments.preview:
        write_image(arguments.preview, faces.preview(arguments.size, arguments.seed))
        print(f"{arguments.preview}: 16 pairs of the test set")


def main(argv=None):
    """Run the command line; returns the exit code."""
    arguments = parse(argv)
    return command.run(PROGRAM, lambda: make(arguments), "nothing was written")


if __name__ == "__main__":
    command.end_as_interrupted()
    sys.exit(main())
