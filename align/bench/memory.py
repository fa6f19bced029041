"""Measure the memory that a network takes for one image on a CPU, beside the estimate of `translate` and `stylize`.

python tools/bench.py memory --ch 16 64 --size 512 1024
python tools/bench.py memory --adain --ch 64
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from align.bench import machine  # noqa: E402  after the path
from paddle_ugatit.inference import memory  # noqa: E402

# Each prints the bytes by which the peak of a process rises with its first image.
GENERATOR = """
import numpy, paddle_ugatit
def peak():  # getrusage would count the process that started this one
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024
from paddle_ugatit.inference.translate import generate
network = paddle_ugatit.ResnetGenerator(3, 3, ngf={ch}, light=True)
before = peak()
generate(network, numpy.zeros((1, 3, {size}, {size}), numpy.float32))
print(peak() - before)
"""
ADAIN = """
import numpy, paddle_ugatit
def peak():  # getrusage would count the process that started this one
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024
from paddle_ugatit.inference.stylise import stylise
from paddle_ugatit.models.adain import Decoder, Encoder, StyleTransfer
network = StyleTransfer(Encoder({ch}), Decoder({ch}))
before = peak()
stylise(network, *numpy.zeros((1, {size}, {size}, 3), numpy.uint8), [numpy.zeros((64, 64, 3), numpy.uint8)])
print(peak() - before)
"""


def taken(work: str, ch: int, size: int) -> int:
    """Return the bytes taken by an image of size^2 and a network of `ch` channels, in a process of its own."""
    command = [sys.executable, "-c", work.format(ch=ch, size=size)]
    return int(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table and return the exit code: 1 if an estimate is too low."""
    parser = argparse.ArgumentParser(prog="bench memory", description=__doc__.split("\n")[0])
    parser.add_argument("--ch", type=int, nargs="+", default=[16, 32, 64, 96, 128], metavar="N", help="channels")
    parser.add_argument("--size", type=int, nargs="+", default=[512, 1024], metavar="N", help="image sizes (512 1024)")
    parser.add_argument("--adain", action="store_true", help="AdaIN instead of a light generator")
    arguments = parser.parse_args(argv)
    with machine.watched():
        return table(arguments)


def table(arguments: argparse.Namespace) -> int:
    """Print the table and return 1 if an estimate is too low, else 0."""
    print("| channels | px | taken, GiB | estimated | per megapixel |\n|---|---|---|---|---|")
    low = False
    for ch in arguments.ch:
        for size in arguments.size:
            found = taken(ADAIN if arguments.adain else GENERATOR, ch, size)
            estimate = (memory.needed_for_style if arguments.adain else memory.needed)(ch, size, size)
            low |= found > estimate
            figures = (found / 2**30, estimate / 2**30, estimate / 2**30 / size**2 * 1e6)
            print(f"| {ch} | {size} | {' | '.join(f'{figure:.2f}' for figure in figures)} |", flush=True)
    return int(low)


if __name__ == "__main__":
    sys.exit(main())
