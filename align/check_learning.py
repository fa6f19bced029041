#!/usr/bin/env python
"""Does it learn as the original does? Trains with both frameworks and measures paired test images."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from align.checks.learning import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
