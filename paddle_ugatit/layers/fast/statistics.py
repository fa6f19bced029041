"""Means and variances over a map or a batch, each with a backward pass of its own.

Sums over a map are products with ones (channels.py), which are faster than Paddle's `mean` and `var`, and accurate in
float32, where `paddle.var` over a large map is off by up to 3.6e-3.
"""

from typing import Any

import paddle

from paddle_ugatit.layers.fast.channels import spatial_sum


def instance_stats(x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
    """Return centred maps, means and unbiased variances per channel: (B,C,H,W) -> (B,C,H,W), (B,C,1,1), (B,C,1,1).

    The backward pass, dx = dc - mean(dc) + dm / n + 2 c dv / (n - 1), reads the map three times.
    """
    return _InstanceStats.apply(x)


def batch_stats(x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
    """Return centred maps, means and biased variances per channel: (B,C,H,W) -> (B,C,H,W), (1,C,1,1), (1,C,1,1)."""
    return _BatchStats.apply(x)


class _InstanceStats(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
        pixels = x.shape[2] * x.shape[3]
        mean = spatial_sum(x).unsqueeze([2, 3]) / pixels
        centred = x - mean
        ctx.save_for_backward(centred)
        return centred, mean, spatial_sum(centred * centred).unsqueeze([2, 3]) / (pixels - 1)

    @staticmethod
    def backward(
        ctx: Any, grad_centred: paddle.Tensor, grad_mean: paddle.Tensor, grad_var: paddle.Tensor
    ) -> paddle.Tensor:
        (centred,) = ctx.saved_tensor()
        pixels = centred.shape[2] * centred.shape[3]
        constant_part = grad_mean / pixels - spatial_sum(grad_centred).unsqueeze([2, 3]) / pixels
        return grad_centred + (centred * (grad_var * (2 / (pixels - 1))) + constant_part)


class _BatchStats(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
        count = x.size // x.shape[1]
        mean = (spatial_sum(x).sum(0) / count).reshape([1, -1, 1, 1])
        centred = x - mean
        ctx.save_for_backward(centred)
        return centred, mean, (spatial_sum(centred * centred).sum(0) / count).reshape([1, -1, 1, 1])

    @staticmethod
    def backward(
        ctx: Any, grad_centred: paddle.Tensor, grad_mean: paddle.Tensor, grad_var: paddle.Tensor
    ) -> paddle.Tensor:
        (centred,) = ctx.saved_tensor()
        count = centred.size // centred.shape[1]
        constant_part = (grad_mean - spatial_sum(grad_centred).sum(0).reshape(grad_mean.shape)) / count
        return grad_centred + (centred * (grad_var * (2 / count)) + constant_part)
