"""The leaky ReLU with PyTorch's derivative at 0. Twin: torch.nn.LeakyReLU."""

import paddle
from paddle import nn

from paddle_ugatit.backend.compat import sloped
from paddle_ugatit.layers.fast import dispatch, leaky_relu


class LeakyReLU(nn.Layer):
    """x where x > 0, else slope x; the derivative at 0 is the slope; any shape.

    Paddle's own has the derivative 1 at 0, and in Paddle 2.6 rounds the slope to float32.
    """

    def __init__(self, slope: float):
        super().__init__()
        self.slope = slope

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if dispatch.taken("leaky", x):
            return leaky_relu.leaky_relu(x, self.slope)
        if paddle.in_dynamic_mode() and not dispatch.is_twice_differentiable():
            return sloped(x, self.slope)
        one = paddle.ones_like(x)
        return x * paddle.where(x.detach() > 0, one, one * self.slope)  # a product has a second derivative
