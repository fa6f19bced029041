#!/usr/bin/env python
"""Every check of the project, one after the other, one page and one exit code."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from align.checks.all import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
