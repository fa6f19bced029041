#!/usr/bin/env python
"""Measure how Paddle's layers, functions, losses, optimisers and schedules differ from PyTorch's."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything loads it: the processes that measure share the cores

from paddle_ugatit_command import script  # noqa: E402

if __name__ == "__main__":
    sys.exit(script("align.api.command"))
