"""Time KID and the extraction of features against torch-fidelity.

    python tools/bench_kid.py [--sizes 1000 2000 5000] [--repeat N] [--images N]

Runs align/bench_metric.py, which may hold the other framework; its options and exit code are these.
"""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "align" / "bench_metric.py"


def main(argv=None):
    """Run the benchmark in a process of its own; returns its exit code."""
    return subprocess.run([sys.executable, str(SCRIPT), *(sys.argv[1:] if argv is None else argv)]).returncode


if __name__ == "__main__":
    sys.exit(main())
