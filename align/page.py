#!/usr/bin/env python
"""The page of one or more parity reports: self-contained HTML with the verdict on top."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paddle_ugatit_command import script  # noqa: E402

if __name__ == "__main__":
    sys.exit(script("align.report.page"))
