#!/usr/bin/env python
"""Test the tester: plant every fault of the catalogue in memory, and harmless differences as controls."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from align.faults.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
