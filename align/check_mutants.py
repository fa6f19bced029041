"""Count how many small changes to the port the default checks notice. See align/mutants/command.py for the options."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # before anything loads them: each mutant has a process, and those share the cores

from align.mutants.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
