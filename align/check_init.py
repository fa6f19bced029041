#!/usr/bin/env python
"""Do fresh networks start from PyTorch's initial distributions? Every parameter and spectral-norm vector of each."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from align.checks.initial import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
