"""paddle_ugatit: U-GAT-IT in PaddlePaddle, equal to the PyTorch original. Never imports torch.

Importing it sets the process up (backend/runtime.py) and loads Paddle. Where Paddle is not installed, the file formats
still work: a machine that only records references or draws pages does not need it.
"""

import contextlib

from paddle_ugatit.backend import runtime

with contextlib.suppress(ImportError):
    runtime.import_paddle()  # here, because the settings must stand before anything loads Paddle

__all__ = ["Discriminator", "ResnetGenerator"]


def __getattr__(name):
    if name in __all__:
        from paddle_ugatit.models import ugatit

        return getattr(ugatit, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
