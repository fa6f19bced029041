"""U-GAT-IT in PaddlePaddle, numerically equal to the PyTorch original. Never imports torch.

Importing the package sets up the process (backend/runtime.py) and loads Paddle. Without Paddle the file formats still
work, so that a machine which only records references or draws pages does not need it; a Paddle that is installed but
cannot be loaded is an error.
"""

from paddle_ugatit.backend import runtime

__version__ = "0.1.0"

try:
    runtime.import_paddle()  # here, because the settings must be made before anything else loads Paddle
except ModuleNotFoundError as error:
    if error.name != "paddle":
        raise

__all__ = ["Discriminator", "ResnetGenerator"]


def __getattr__(name: str) -> object:
    if name in ("Discriminator", "ResnetGenerator"):
        from paddle_ugatit.models import ugatit

        return getattr(ugatit, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
