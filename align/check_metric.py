#!/usr/bin/env python
"""Check that KID, FID and Inception features are right, and that mistakes planted in them are caught."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paddle_ugatit_command import script  # noqa: E402

if __name__ == "__main__":
    sys.exit(script("align.faults.metric_command"))
