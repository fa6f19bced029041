#!/usr/bin/env python
"""Who tests the tester? Every fault of the catalogue planted in memory, and differences that are no faults."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from align.faults.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
