#!/usr/bin/env python
"""Write docs/layers.md: each layer, its equation, where it is defined on both sides, and its measured errors."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paddle_ugatit_command import script  # noqa: E402

if __name__ == "__main__":
    sys.exit(script("align.checks.layer_table"))
