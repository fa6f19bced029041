"""Layers with a second derivative, for losses that contain a gradient.

Contents: SmoothConv2D and SmoothLinear (with Kaiming initial values), SmoothLeakyReLU, BilinearUpsample, Blur. All of
PyTorch's operations here have second derivatives. Twin: paddle_ugatit/layers/twice_differentiable.py.
"""

import torch
import torch.nn.functional as F
from torch import nn

SmoothLeakyReLU = nn.LeakyReLU


class SmoothConv2D(nn.Conv2d):
    """W * x + b with zeros beyond the border, W by Kaiming: (B,in,H,W) -> (B,out,H',W')."""

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.kaiming_normal_(self.weight, a=0, mode="fan_in", nonlinearity="leaky_relu")


class SmoothLinear(nn.Linear):
    """x W^T + b, W by Kaiming: (..., in) -> (..., out). PyTorch stores the weight as (out, in)."""

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.kaiming_normal_(self.weight, a=0, mode="fan_in", nonlinearity="leaky_relu")


class BilinearUpsample(nn.Upsample):
    """Double the size by bilinear interpolation, corners not aligned: (B,C,H,W) -> (B,C,2H,2W)."""

    def __init__(self):
        super().__init__(scale_factor=2, mode="bilinear", align_corners=False)


class Blur(nn.Module):
    """Filter each axis with `f` = [1,2,1], divided by its sum, borders reflected: (B,C,H,W) -> (B,C,H,W)."""

    def __init__(self):
        super().__init__()
        self.register_buffer("f", torch.tensor([1.0, 2.0, 1.0], dtype=torch.get_default_dtype()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        channels = x.shape[1]
        kernel = self.f[:, None] * self.f[None, :]
        kernel = (kernel / kernel.sum()).expand(channels, 1, 3, 3)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), kernel, groups=channels)
