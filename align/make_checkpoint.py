#!/usr/bin/env python
"""Write a checkpoint in the public U-GAT-IT format from the PyTorch twin, with random weights."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paddle_ugatit_command import script  # noqa: E402

if __name__ == "__main__":
    sys.exit(script("align.cases.make_checkpoint"))
