#!/usr/bin/env python
"""Are KID, FID and the features right? Against plain statements, and torch-fidelity and clean-fid where installed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from align.faults.metric_command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
