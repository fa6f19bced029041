"""Sums over a map, and a scale or shift for each channel.

Contents: spatial_sum, spatial_mean, channel_scale, channel_shift. Twin: operators of PyTorch. Half-precision maps are
summed in float32: a sum over 256x256 pixels overflows in float16.
"""

import paddle

from paddle_ugatit.backend.mixed import in_float32, keeps_dtype
from paddle_ugatit.layers.fast import channels as fast
from paddle_ugatit.layers.fast import dispatch


@in_float32
def spatial_sum(x: paddle.Tensor) -> paddle.Tensor:
    """Return the sum over height and width: (B,C,H,W) -> (B,C)."""
    return fast.spatial_sum(x) if dispatch.taken("sums", x) else x.sum([2, 3])


@in_float32
def spatial_mean(x: paddle.Tensor) -> paddle.Tensor:
    """Return the mean over height and width: (B,C,H,W) -> (B,C).

    PyTorch code uses adaptive_avg_pool2d for this, whose gradient in Paddle is off by 2.5e-8 in float64.
    """
    return fast.spatial_sum(x) / (x.shape[2] * x.shape[3]) if dispatch.taken("sums", x) else x.mean([2, 3])


@keeps_dtype
def channel_scale(x: paddle.Tensor, scale: paddle.Tensor) -> paddle.Tensor:
    """Return x * scale: (B,C,H,W), (B or 1,C,1,1) -> (B,C,H,W)."""
    return fast.channel_scale(x, scale) if dispatch.taken("sums", x) else x * scale


@keeps_dtype
def channel_shift(x: paddle.Tensor, shift: paddle.Tensor) -> paddle.Tensor:
    """Return x + shift: (B,C,H,W), (B or 1,C,1,1) -> (B,C,H,W)."""
    return fast.channel_shift(x, shift) if dispatch.taken("sums", x) else x + shift
