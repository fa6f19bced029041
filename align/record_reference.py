#!/usr/bin/env python
"""Record what PyTorch computes, to compare with it later on a machine that has Paddle alone."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from align.checks.record_reference import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
