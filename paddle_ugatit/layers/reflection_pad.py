"""Reflection padding. Twin: torch.nn.ReflectionPad2d."""

import paddle
import paddle.nn.functional as F
from paddle import nn

from paddle_ugatit.layers.fast import dispatch
from paddle_ugatit.layers.fast.reflection import reflection_pad


class ReflectionPad2D(nn.Layer):
    """Reflect `padding` rows and columns at each border: (B,C,H,W) -> (B,C,H+2p,W+2p).

    Raises ValueError unless the map has more than `padding` rows and columns.
    """

    def __init__(self, padding: int):
        super().__init__()
        self.padding = padding

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        height, width = x.shape[2:]
        if min(height, width) <= self.padding:
            raise ValueError(f"cannot reflect {self.padding} pixels of a {height}x{width} map")
        if dispatch.taken("reflection", x):
            return reflection_pad(x, self.padding)
        return F.pad(x, [self.padding] * 4, mode="reflect")
