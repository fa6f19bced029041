"""The parametric rectifier (He et al., ICCV 2015, arXiv 1502.01852). Twin: torch.nn.PReLU."""

import paddle
import paddle.nn.functional as F
from paddle import nn


class PReLU(nn.Layer):
    """max(0, x) + weight min(0, x), with a learned slope for every channel: (B,C) or (B,C,H,W) -> the same shape.

    Paddle's own keeps its slopes under another name.
    """

    def __init__(self, num_parameters: int, init: float = 0.25):
        super().__init__()
        self.weight = self.create_parameter([num_parameters], default_initializer=nn.initializer.Constant(init))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return F.prelu(x, self.weight)
