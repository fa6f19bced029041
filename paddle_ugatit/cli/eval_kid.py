"""KID, FID, precision and recall of generated images against real ones, with an honest interval."""

import argparse
import json
import sys
from collections.abc import Sequence

from paddle_ugatit.backend import device
from paddle_ugatit.backend.errors import one_line
from paddle_ugatit.cli import command
from paddle_ugatit.formats import atomic
from paddle_ugatit.metrics import evaluate, notes, page
from paddle_ugatit.metrics.compare import PERMUTATIONS, PROTOCOLS
from paddle_ugatit.metrics.features import BATCH_SIZE, KINDS
from paddle_ugatit.metrics.inception_weights import FILE, cache_folder
from paddle_ugatit.metrics.mmd import SEED, SUBSETS
from paddle_ugatit.metrics.preprocess import RESIZES

EXAMPLES = f"""\
examples:
  python tools/eval_kid.py --fake results/A2B --real dataset/testB --html kid.html
  python tools/eval_kid.py --fake results/A2B --real dataset/testB --source dataset/testA --protocol ugatit
  python -m paddle.distributed.launch --nproc_per_node 2 tools/eval_kid.py --fake A2B --real testB

The Inception weights are {FILE} of pytorch-fid's public release, as downloaded or as converted by
tools/convert_weights.py. A set is a folder, searched with its subfolders; a text file with the path of an image in each
line, relative to it; or an .npz or .npy file with features (N,d), or with images (N,H,W,3), (N,3,H,W) or grey (N,H,W),
as integers from 0 to 255 or floats from 0 to 1 or -1 to 1. Numbers are not scaled: the paper prints 100 times these.

exit code: 0 done, 1 an input or output is bad, 2 bad usage, 130 interrupted
"""


def parse(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = command.parser(program, __doc__, EXAMPLES)
    _add_sets(parser.add_argument_group("sets"))
    _add_features(parser.add_argument_group("features"))
    kid = parser.add_argument_group("KID")
    kid.add_argument("--subsets", type=int, default=SUBSETS, metavar="N", help=f"number of subsets ({SUBSETS})")
    kid.add_argument(
        "--subset-size", type=int, metavar="N", help="images in each (1000, or half of the smaller set if it has fewer)"
    )
    kid.add_argument("--seed", type=int, default=SEED, metavar="K", help=f"seed ({SEED}, torch-fidelity's)")
    kid.add_argument("--protocol", choices=PROTOCOLS, default="standard", help="ugatit: the paper's blocks and resize")
    kid.add_argument(
        "--permutations", type=int, default=PERMUTATIONS, metavar="N", help=f"for the p-value ({PERMUTATIONS}; 0: none)"
    )
    kid.add_argument(
        "--every-pair",
        action="store_true",
        default=None,
        help="all pairs at any size; by default, beyond 10 000 images a side those of 5000 of each, drawn at random",
    )
    out = parser.add_argument_group("output")
    out.add_argument("--json", metavar="FILE", help="write all numbers, and what is needed to reproduce them")
    out.add_argument("--html", metavar="FILE", help="write a page with images")
    return parser.parse_args(argv)


def _add_sets(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--fake", required=True, metavar="SET", help="generated images")
    group.add_argument("--real", required=True, metavar="SET", help="images of the target domain")
    group.add_argument("--source", metavar="SET", help="images that were translated, for KID to them and mean_KID")
    group.add_argument("--skip-bad", action="store_true", help="skip unreadable images instead of refusing the set")


def _add_features(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--weights", metavar="FILE", help="Inception weights (default: the cached ones)")
    group.add_argument(
        "--features",
        choices=KINDS,
        help="faces (default for drawn faces: a small network that ships), inception (default otherwise); pixels and "
        "random are stand-ins that need no weights",
    )
    group.add_argument("--resize", choices=RESIZES, help="tf1 (default), clean (antialiased), paper (of that protocol)")
    group.add_argument("--batch-size", type=int, default=BATCH_SIZE, metavar="N", help=f"({BATCH_SIZE})")
    group.add_argument("--workers", type=int, metavar="N", help="threads that read images (up to 4)")
    group.add_argument("--cache", default=str(cache_folder()), metavar="DIR", help="folder of features (%(default)s)")
    group.add_argument("--no-cache", action="store_true", help="neither read nor write cached features")
    command.add_device(group)


def run(arguments: argparse.Namespace, program: str) -> None:
    """Evaluate the sets, print the numbers and write the files."""
    options = dict(vars(arguments))
    json_file, html_file = options.pop("json"), options.pop("html")
    if options.pop("no_cache"):
        options["cache"] = None
    device.choose(options.pop("device"))
    command.prepare_outputs(json_file, html_file)
    result = evaluate(**options)
    if result is None:
        return  # one of several processes; the first one prints
    result.report["command"] = " ".join([program, *sys.argv[1:]])
    print("\n".join(map(one_line, notes.lines(result.report))))
    if json_file:
        with atomic.replacing(json_file, "w") as file:
            json.dump(result.report, file, indent=2)
        print(f"report: {json_file}")
    if html_file:
        page.write(result, html_file)
        print(f"page: {html_file}")


def main(argv: Sequence[str] | None = None, program: str = "eval_kid") -> int:
    """Run the command line and return the exit code."""
    arguments = parse(argv, program)
    return command.run(program, lambda: run(arguments, program), "nothing was written")
