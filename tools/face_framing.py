#!/usr/bin/env python
"""Measure how a folder of pictures frames its faces."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paddle_ugatit_command import tool  # noqa: E402

if __name__ == "__main__":
    sys.exit(tool("face-framing"))
