"""Measure speed on this machine, side by side in one run; figures are ratios of medians.

    python tools/bench.py runtime                  what the settings of paddle_ugatit/backend/runtime.py gain
    python tools/bench.py iteration --size 128     one training iteration, PyTorch's and ours
    python tools/bench.py iteration --device cpu   kernels, synchronisations and bytes of an iteration, as on a GPU too
    python tools/bench.py savings --size 128       our iteration, and its cost without each of its savings
    python tools/bench.py infer --size 256         one image through the generator, PyTorch's, ours, and exports of it
    python tools/bench.py kid                      KID, compared with torch-fidelity on the same features
    python tools/bench.py powers                   power iterations of a step, layer by layer and by shape
    python tools/bench.py loading --size 64        pictures a second of the training data, with and without the cache
    python tools/bench.py memory                   what an image takes in `translate`, and the estimate of it
    python tools/bench.py accuracy                 errors of convolutions in float32, by tiles and by PyTorch
    python tools/bench.py busy                     commands on a busy machine, with and without the settings for it
    python tools/bench.py scale                    how time and memory grow with pixels, channels, batch, images of KID

Each variant runs in its own processes, one at a time, since the settings must be made before a framework is loaded; the
variants take turns, so that noise on the machine affects all alike. CPU time is less noisy than wall time.
Machine, threads and load are printed with every table, and a ratio is marked (busy) if other processes used more than
5 % of the machine's cores meanwhile.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMPARE = ROOT / "align" / "bench" / "compare.py"
COUNTING = ROOT / "align" / "bench" / "counting.py"  # for "iteration" with a device
# Where each is measured, with options of its own: --help after the name shows them.
SCRIPTS = {
    "runtime": COMPARE,
    "iteration": COMPARE,
    "savings": COMPARE,
    "infer": COMPARE,
    "kid": ROOT / "align" / "bench" / "metric.py",
    "powers": ROOT / "align" / "bench" / "powers.py",
    "loading": ROOT / "align" / "bench" / "loading.py",
    "memory": ROOT / "align" / "bench" / "memory.py",
    "accuracy": ROOT / "align" / "bench" / "accuracy.py",
    "busy": ROOT / "align" / "bench" / "busy.py",
    "scale": ROOT / "align" / "bench" / "scale.py",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one benchmark in a process of its own and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] not in SCRIPTS:
        example = "example: python tools/bench.py iteration --size 256 --only published ours"
        parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog=example)
        parser.add_argument("what", choices=SCRIPTS, help="what to measure; --help after it shows its options")
        parser.parse_args(words)
        parser.error("an option must come after what is measured")
    what, options = words[0], words[1:]
    script = SCRIPTS[what]
    if what == "iteration" and any(word.partition("=")[0] == "--device" for word in options):
        script = COUNTING
    given = [what, *options] if script == COMPARE else options
    try:
        return subprocess.run([sys.executable, str(script), *given]).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
