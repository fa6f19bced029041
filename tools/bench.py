"""Measure speed on this machine, side by side in one run; figures are ratios of medians.

    python tools/bench.py runtime        what the settings of paddle_ugatit/runtime.py are worth

Each variant runs in a process of its own, since the settings must stand before Paddle is loaded; the variants take
turns, so that a noisy machine disturbs all alike.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VARIANTS = {
    "off": "off",
    "BLAS path": "blas",
    "BLAS path, malloc": "blas,malloc",
    "BLAS path, malloc, threads": "all",
}
# One forward and backward of the light generator, after one to warm up; prints seconds of wall time.
WORK = """
import time, paddle_ugatit, paddle
network = paddle_ugatit.ResnetGenerator(3, 3, n_blocks=4, light=True)
image = paddle.randn([1, 3, {size}, {size}])
for _ in range(2):
    start = time.perf_counter()
    picture, logit, heatmap = network(image)
    (picture.mean() + logit.sum() + heatmap.mean()).backward()
    seconds = time.perf_counter() - start
print(seconds)
"""


def seconds(setting, size):
    """Wall time of one forward and backward of the light generator under this setting of the switch."""
    names = ("MKL_DEBUG_CPU_TYPE", "OMP_NUM_THREADS")
    environment = {key: value for key, value in os.environ.items() if key not in names}
    environment |= {"PADDLE_UGATIT_RUNTIME": setting, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WORK.format(size=size)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the run with {setting!r} failed: {done.stderr.strip().splitlines()[-1:]}")
    return float(done.stdout.split()[-1])


def runtime(arguments):
    """Time every variant in turn, and print a table."""
    times = {name: [] for name in VARIANTS}
    for _ in range(arguments.repeat):
        for name, setting in VARIANTS.items():
            times[name].append(seconds(setting, arguments.size))
            print(f"{name}: {times[name][-1]:.2f} s", file=sys.stderr, flush=True)
    base = statistics.median(times["off"])
    print(f"light generator, {arguments.size} px, batch 1, forward and backward, median of {arguments.repeat}")
    print("| settings | seconds | speed |\n|---|---|---|")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"| {name} | {median:.2f} | {base / median:.1f} x |")


def main(argv=None):
    """Run one benchmark; returns the exit code."""
    example = "example: python tools/bench.py runtime --size 256"
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog=example)
    parser.add_argument("what", choices=["runtime"])
    parser.add_argument("--size", type=int, default=128, metavar="N", help="image size (128)")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="turns (3)")
    arguments = parser.parse_args(argv)
    try:
        runtime(arguments)
    except (RuntimeError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
