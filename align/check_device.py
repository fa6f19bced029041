#!/usr/bin/env python
"""Prove the port on this very device, without PyTorch, and measure what training takes on it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paddle_ugatit_command import script  # noqa: E402

if __name__ == "__main__":
    sys.exit(script("align.checks.device"))
