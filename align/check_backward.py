"""Check that the backward pass of Paddle equals PyTorch's: the gradients of every layer, input and parameter.

    python align/check_backward.py [CASE ...] [--weights FILE] [--html FILE]

Exit code: 0 aligned, 1 diverged, 2 not comparable or bad usage. See align/checks/command.py for the options.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paddle_ugatit_command import script  # noqa: E402

if __name__ == "__main__":
    sys.exit(script("align.checks.command", "backward"))
