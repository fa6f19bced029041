"""How many pictures a second the training data come at, with and without the cache of resized pictures.

python tools/bench.py loading --size 64 --batch 64 --load-size 64
python tools/bench.py loading --size 256 --batch 1
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from align.bench import machine  # noqa: E402  after the path
from paddle_ugatit.data.faces.folder import make_dataset  # noqa: E402
from paddle_ugatit.data.folders import TrainingData  # noqa: E402

FILES, STORED = 64, 256  # drawn faces, PNG, and their pixels, height and width


def speed(data: TrainingData, seconds: float) -> tuple[float, float]:
    """Return the pictures that come in a second, and the milliseconds of CPU time of each, after a pass over all."""
    step = 1
    while step * data.streams[0].batch_size <= 4 * FILES:  # most of them both mirrored and not
        data.batch(step)
        step += 1
    batches, count = data.iterate(step, 2**60), 0
    start, cpu = time.perf_counter(), time.process_time()
    while (spent := time.perf_counter() - start) < seconds:
        count += sum(len(domain) for domain in next(batches))
    cpu = time.process_time() - cpu
    batches.close()
    return count / spent, 1e3 * cpu / count


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table and return the exit code."""
    parser = argparse.ArgumentParser(prog="bench loading", description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=256, metavar="N", help="pixels that are trained on (256)")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="images in a batch (1)")
    parser.add_argument("--load-size", type=int, metavar="N", help="pixels from which they are cut, without mirroring")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="threads (2)")
    parser.add_argument("--seconds", type=float, default=4, metavar="S", help="time for each (4)")
    arguments = parser.parse_args(argv)
    with machine.watched(), tempfile.TemporaryDirectory() as folder:
        make_dataset(folder, train=FILES, test=1, size=STORED, seed=0)
        print(f"{arguments.size} px, batches of {arguments.batch}, {arguments.workers} threads, {STORED} px PNG files")
        print("| cache | pictures a second | ms of CPU time each |\n|---|---|---|")
        for name, budget in (("none", 0), ("all", 1 << 30)):
            options = {"workers": arguments.workers, "load_size": arguments.load_size, "cache": budget}
            with TrainingData(folder, arguments.size, arguments.batch, 0, **options) as data:
                rate, cost = speed(data, arguments.seconds)
            print(f"| {name} | {rate:.0f} | {cost:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
