#!/usr/bin/env python
"""Test the tester: plant every fault of the catalogue in memory, and harmless differences as controls."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paddle_ugatit_command import script  # noqa: E402

if __name__ == "__main__":
    sys.exit(script("align.faults.command"))
