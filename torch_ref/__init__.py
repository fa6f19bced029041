"""The PyTorch twin of paddle_ugatit: the papers' formulas written plainly, with the public checkpoints' names.

It has the same paths, classes and attribute names as paddle_ugatit, and never imports Paddle.
"""

from torch_ref.models.ugatit import Discriminator, ResnetGenerator

__all__ = ["Discriminator", "ResnetGenerator"]
