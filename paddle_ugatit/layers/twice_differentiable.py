"""Layers with a second derivative, for losses that contain a gradient. Twin: torch_ref/layers/twice_differentiable.py.

Contents: spread, SmoothConv2D and SmoothLinear (with Kaiming initial values), SmoothLeakyReLU, SmoothSoftmax,
BilinearUpsample, Blur. The other layers are faster but can be differentiated only once, as can Paddle's own bilinear
interpolation. Here every step is a product, a sum or Paddle's own convolution.

quirk: the second derivative of Paddle's convolution is correct if the first was taken with respect to the input, and
silently wrong if it was taken with respect to the filter alone. So a filter must never depend on the variable of a
gradient.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import get_device, nn

from paddle_ugatit.layers.convolution import Conv2D
from paddle_ugatit.layers.fast import dispatch
from paddle_ugatit.layers.linear import Linear


def spread(values: paddle.Tensor, like: paddle.Tensor) -> paddle.Tensor:
    """Broadcast one value per channel to the shape of `like`: (B or 1,C), (B,C,H,W) -> (B,C,H,W).

    This is a product with ones, whose gradient is one too: 15 times as fast on a CPU as the gradient of Paddle's
    broadcasting, which is also inaccurate in float32.
    """
    batch, channels, height, width = like.shape
    ones = paddle.ones([1, height * width], values.dtype)
    return paddle.matmul(values.expand([batch, channels]).unsqueeze(-1), ones).reshape(like.shape)


def _kaiming(weight: paddle.Tensor, fan_in: int) -> None:
    """Fill a weight with normal values of deviation sqrt(2 / fan_in) (He et al. 2015, arXiv 1502.01852)."""
    nn.initializer.Normal(0.0, math.sqrt(2 / fan_in))(weight)


class SmoothConv2D(Conv2D):
    """W * x + b with zeros beyond the border, W by Kaiming: (B,in,H,W) -> (B,out,H',W')."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding: int = 0):
        super().__init__(in_channels, out_channels, kernel_size, stride)
        self.padding = padding
        _kaiming(self.weight, in_channels * kernel_size**2)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        out = F.conv2d(x, self.weight, stride=self.stride, padding=self.padding)
        return out + spread(self.bias.unsqueeze(0), out)


class SmoothLinear(Linear):
    """x W + b, W by Kaiming: (..., in) -> (..., out). Paddle stores the weight as (in, out)."""

    def __init__(self, in_features: int, out_features: int):
        super().__init__(in_features, out_features)
        _kaiming(self.weight, in_features)


class SmoothLeakyReLU(nn.Layer):
    """x where x > 0, else slope x; the derivative at 0 is the slope; any shape."""

    def __init__(self, slope: float):
        super().__init__()
        self.slope = slope

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        fixed = x.detach()
        one = paddle.ones_like(fixed)
        return x * paddle.where(fixed > 0, one, one * self.slope)


class SmoothSoftmax(nn.Softmax):
    """exp(x) / sum exp(x) along an axis, with a second derivative within `twice_differentiable`; any shape.

    Paddle's own softmax has none, nor has exp in Paddle 2.6: exp(y) is (1 + tanh(y/2)) / (1 - tanh(y/2)), to rounding
    error of the largest value.
    """

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if not dispatch.is_twice_differentiable():
            return super().forward(x)
        half = paddle.tanh((x - x.detach().max(self._axis, keepdim=True)) * 0.5)
        powers = (1 + half) / (1 - half)
        return powers / powers.sum(self._axis, keepdim=True)


class BilinearUpsample(nn.Layer):
    """Double the size by bilinear interpolation, corners not aligned: (B,C,H,W) -> (B,C,2H,2W)."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return _along_both(x, lambda n: _doubling(n, x.dtype, get_device()))


class Blur(nn.Layer):
    """Filter each axis with `f` = [1,2,1], divided by its sum, borders reflected: (B,C,H,W) -> (B,C,H,W).

    Raises ValueError if the map has a single row or column, which cannot be reflected.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("f", paddle.to_tensor([1.0, 2.0, 1.0], paddle.get_default_dtype()))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if min(x.shape[2:]) < 2:
            raise ValueError(f"cannot reflect the border of a {x.shape[2]}x{x.shape[3]} map")
        weights = self.f / self.f.sum()
        return _along_both(x, lambda n: sum(weights[i] * tap for i, tap in enumerate(_taps(n, x.dtype, get_device()))))


def _along_both(x: paddle.Tensor, matrix_of: Callable[[int], paddle.Tensor]) -> paddle.Tensor:
    """Multiply rows and columns by the matrices matrix_of(n), (m,n): (B,C,H,W) -> (B,C,H',W')."""
    height, width = x.shape[2:]
    return paddle.matmul(paddle.matmul(matrix_of(height), x), matrix_of(width), transpose_y=True)


@lru_cache
def _doubling(n: int, dtype: Any, _device: str) -> paddle.Tensor:
    """Return the matrix (2n,n) that doubles an axis; beyond the border lies the value at the border.

    Row 2i is 3/4 of i and 1/4 of i-1, row 2i+1 is 3/4 of i and 1/4 of i+1.
    """
    matrix = np.zeros((2 * n, n))
    for i in range(n):
        matrix[2 * i : 2 * i + 2, i] += 0.75
        matrix[2 * i, max(i - 1, 0)] += 0.25
        matrix[2 * i + 1, min(i + 1, n - 1)] += 0.25
    return paddle.to_tensor(matrix, dtype)


@lru_cache
def _taps(n: int, dtype: Any, _device: str) -> list[paddle.Tensor]:
    """Return three 0/1 matrices (n,n) that take the values before, at and after each position."""
    places = np.abs(np.arange(-1, n + 1))  # reflected: -1 is 1, n is n - 2
    places[-1] = n - 2
    return [paddle.to_tensor(np.eye(n)[places[i : i + n]], dtype) for i in range(3)]
