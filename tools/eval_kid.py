#!/usr/bin/env python
"""KID, FID, precision and recall of generated images against real ones, with an honest interval."""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from paddle_ugatit.cli import command  # noqa: E402
from paddle_ugatit.formats import atomic  # noqa: E402
from paddle_ugatit.metrics import evaluate, notes, page  # noqa: E402
from paddle_ugatit.metrics.compare import PERMUTATIONS, PROTOCOLS  # noqa: E402
from paddle_ugatit.metrics.features import BATCH_SIZE, KINDS  # noqa: E402
from paddle_ugatit.metrics.inception_weights import FILE, cache_folder  # noqa: E402
from paddle_ugatit.metrics.mmd import SEED, SUBSETS  # noqa: E402
from paddle_ugatit.metrics.preprocess import RESIZES  # noqa: E402

PROGRAM = "eval_kid"
EXAMPLES = f"""\
examples:
  python tools/eval_kid.py --fake results/A2B --real dataset/testB --html kid.html
  python tools/eval_kid.py --fake results/A2B --real dataset/testB --source dataset/testA --protocol ugatit
  python -m paddle.distributed.launch --nproc_per_node 2 tools/eval_kid.py --fake A2B --real testB

The weights of Inception are {FILE}, of pytorch-fid's public release, as downloaded or converted by
tools/convert_weights.py. A set is a folder, searched through, or an .npz with uint8 images (N,H,W,3) or features (N,d).
Numbers are not scaled: the paper prints 100 times these.

exit code: 0 done, 1 an input or output is bad, 2 bad usage, 130 interrupted
"""


def parse(argv):
    """The command line's arguments."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sets = parser.add_argument_group("sets")
    sets.add_argument("--fake", required=True, metavar="DIR|NPZ", help="generated images")
    sets.add_argument("--real", required=True, metavar="DIR|NPZ", help="images of the target domain")
    sets.add_argument("--source", metavar="DIR|NPZ", help="images that were translated, for KID to them and mean_KID")
    sets.add_argument("--skip-bad", action="store_true", help="leave unreadable images out; otherwise they are refused")
    made = parser.add_argument_group("features")
    made.add_argument("--weights", metavar="FILE", help="of Inception (default: where they are cached)")
    made.add_argument("--features", choices=KINDS, default="inception", help="pixels, random: stand-ins, no weights")
    made.add_argument("--resize", choices=RESIZES, help="tf1 (default), clean: antialiased, paper: with that protocol")
    made.add_argument("--batch-size", type=int, default=BATCH_SIZE, metavar="N", help=f"({BATCH_SIZE})")
    made.add_argument("--workers", type=int, metavar="N", help="threads that read images (up to 4)")
    made.add_argument("--cache", default=str(cache_folder()), metavar="DIR", help="for features (%(default)s)")
    made.add_argument("--no-cache", action="store_true", help="neither use nor keep features")
    kid = parser.add_argument_group("KID")
    kid.add_argument("--subsets", type=int, default=SUBSETS, metavar="N", help=f"({SUBSETS})")
    kid.add_argument("--subset-size", type=int, metavar="N", help="(1000, or half a smaller set)")
    kid.add_argument("--seed", type=int, default=SEED, metavar="K", help=f"of the draws ({SEED}, torch-fidelity's)")
    kid.add_argument("--protocol", choices=PROTOCOLS, default="standard", help="ugatit: the paper's blocks and resize")
    kid.add_argument(
        "--permutations", type=int, default=PERMUTATIONS, metavar="N", help=f"for the p-value ({PERMUTATIONS}; 0: none)"
    )
    out = parser.add_argument_group("output")
    out.add_argument("--json", metavar="FILE", help="all numbers, and what is needed to repeat them")
    out.add_argument("--html", metavar="FILE", help="a page with pictures")
    return parser.parse_args(argv)


def run(arguments):
    """Evaluate, print, write."""
    options = dict(vars(arguments))
    json_file, html_file = options.pop("json"), options.pop("html")
    if options.pop("no_cache"):
        options["cache"] = None
    for path in filter(None, (json_file, html_file)):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    result = evaluate(**options)
    if result is None:
        return  # one of several processes; the first one prints
    result.report["command"] = " ".join([PROGRAM, *sys.argv[1:]])
    print("\n".join(notes.lines(result.report)))
    if json_file:
        with atomic.replacing(json_file, "w") as file:
            json.dump(result.report, file, indent=2)
        print(f"report: {json_file}")
    if html_file:
        page.write(result, html_file)
        print(f"page: {html_file}")


def main(argv=None):
    """Run the command line; returns the exit code."""
    arguments = parse(argv)
    return command.run(PROGRAM, lambda: run(arguments), "nothing was written")


if __name__ == "__main__":
    command.end_as_interrupted()
    sys.exit(main())
