#!/usr/bin/env python
"""Check that new networks start from PyTorch's initial distributions: every parameter and spectral-norm vector."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paddle_ugatit_command import script  # noqa: E402

if __name__ == "__main__":
    sys.exit(script("align.checks.initial"))
