"""paddle_ugatit: U-GAT-IT in PaddlePaddle, equal to the PyTorch original. Never imports torch."""

from paddle_ugatit import runtime

runtime.import_paddle()  # first: the settings must stand before Paddle is loaded

from paddle_ugatit.models.ugatit import Discriminator, ResnetGenerator  # noqa: E402

__all__ = ["Discriminator", "ResnetGenerator"]
