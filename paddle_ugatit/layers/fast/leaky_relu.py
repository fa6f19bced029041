"""The leaky ReLU with a backward pass of its own."""

from typing import Any

import paddle


def leaky_relu(x: paddle.Tensor, slope: float) -> paddle.Tensor:
    """Return x where x > 0, else slope x, for a slope below 1; the derivative at 0 is the slope; any shape."""
    return _LeakyReLU.apply(x, slope)


class _LeakyReLU(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, slope: float) -> paddle.Tensor:
        ctx.slope = slope
        ctx.save_for_backward(x)
        return paddle.maximum(x, x * slope)

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor) -> paddle.Tensor:
        (x,) = ctx.saved_tensor()
        return paddle.where(x > 0, grad, grad * ctx.slope)
