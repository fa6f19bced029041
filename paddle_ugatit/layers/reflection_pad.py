"""Reflection padding. Twin: torch.nn.ReflectionPad2d."""

import paddle
import paddle.nn.functional as F
from paddle import nn

from paddle_ugatit.layers.fast import dispatch
from paddle_ugatit.layers.fast.reflection import reflection_pad


class ReflectionPad2D(nn.Layer):
    """Reflect `padding` rows and columns at each border: (B,C,H,W) -> (B,C,H+2p,W+2p).

    With `after`, that many are reflected below and to the right: (B,C,H+p+a,W+p+a). Raises ValueError unless the map
    has more rows and columns than are reflected.
    """

    def __init__(self, padding: int, after: int | None = None):
        super().__init__()
        self.padding, self.after = padding, padding if after is None else after

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        height, width = x.shape[2:]
        most = max(self.padding, self.after)
        if min(height, width) <= most:
            raise ValueError(f"cannot reflect {most} pixels of a {height}x{width} map")
        if self.after == self.padding and dispatch.taken("reflection", x):
            return reflection_pad(x, self.padding)
        return F.pad(x, [self.padding, self.after] * 2, mode="reflect")
