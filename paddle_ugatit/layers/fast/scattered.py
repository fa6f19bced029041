"""Convolutions with few output channels, by scattering or in partial sums."""

import math
from typing import Any

import paddle
import paddle.nn.functional as F

from paddle_ugatit.backend.compat import copied_transpose

SUMS = 64  # partial sums at most


def scattered_conv(x: paddle.Tensor, weight: paddle.Tensor, stride: int = 1) -> paddle.Tensor:
    """Convolve by scattering: (B,in,H,W), (out,in,k,k) -> (B,out,H-k+1,W-k+1); the stride must be 1.

    Every input pixel adds its contribution to the k*k output pixels around it. This is one product of (k k out,in) with
    the map as it is, where Paddle's convolution first copies each pixel k*k times for all inputs: 5 times as fast for
    the generator's last layer.
    """
    return _ScatteredConv.apply(x, weight)


def run_count(terms: int) -> int:
    """Return how many partial sums of equal length a sum is made of, at most SUMS."""
    return math.gcd(terms, SUMS)


def partial_sums_conv(x: paddle.Tensor, weight: paddle.Tensor, stride: int = 1) -> paddle.Tensor:
    """Convolve with one output channel in up to 64 partial sums: (B,in,H,W), (1,in,k,k) -> (B,1,H',W').

    Paddle's convolution adds all products of an output to a single running sum (32768 in a global discriminator).
    Partial sums cost the same and keep one more digit in float32.
    """
    _, channels, height, width = weight.shape
    groups = run_count(channels)
    weight = weight.reshape([groups, channels // groups, height, width])
    return F.conv2d(x, weight, stride=stride, groups=groups).sum(1, keepdim=True)


class _ScatteredConv(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, weight: paddle.Tensor) -> paddle.Tensor:
        ctx.wanted = not x.stop_gradient, not weight.stop_gradient
        ctx.save_for_backward(x, weight)
        return F.conv2d_transpose(x, weight.transpose([1, 0, 2, 3]).flip([2, 3]), padding=weight.shape[2] - 1)

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor) -> tuple[paddle.Tensor | None, paddle.Tensor | None]:
        x, weight = ctx.saved_tensor()
        want_x, want_weight = ctx.wanted
        outputs, inputs, kernel, _ = weight.shape
        columns = F.unfold(grad, kernel, 1, kernel - 1)  # (B,out k k,H W), for both gradients
        grad_x = grad_weight = None
        if want_weight:  # with the larger factor first, of which Paddle's own gradient would transpose the other
            turned = paddle.matmul(columns, x.reshape([x.shape[0], inputs, -1]), transpose_y=True).sum(0)
            turned = copied_transpose(turned.reshape([outputs, kernel, kernel, inputs]), [0, 3, 1, 2])
            grad_weight = turned.flip([2, 3])
        if want_x:
            turned = copied_transpose(weight.flip([2, 3]), [1, 0, 2, 3]).reshape([inputs, -1])
            grad_x = paddle.matmul(turned, columns).reshape(x.shape)
        return grad_x, grad_weight
