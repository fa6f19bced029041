"""The PyTorch twin: U-GAT-IT's maths said plainly, under the public checkpoint's names. Never imports Paddle."""

from torch_ref.models.ugatit import Discriminator, ResnetGenerator

__all__ = ["Discriminator", "ResnetGenerator"]
