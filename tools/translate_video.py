#!/usr/bin/env python
"""Translate a video or what a camera sees."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paddle_ugatit_command import tool  # noqa: E402

if __name__ == "__main__":
    sys.exit(tool("translate-video"))
