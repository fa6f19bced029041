"""Layers of StyleGAN2 in its small public form, with its initial values.

Twin: paddle_ugatit/layers/twice_differentiable.py.

Contents: SmoothConv2D, SmoothLinear, SmoothLeakyReLU, BilinearUpsample, Blur. All of PyTorch's operations here have
second derivatives.
"""

import torch
import torch.nn.functional as F
from torch import nn

SmoothLeakyReLU = nn.LeakyReLU


class SmoothConv2D(nn.Conv2d):
    """Convolution with zero padding, weight by Kaiming (He et al. 2015): (B,in,H,W) -> (B,out,H',W')."""

    def reset_parameters(self):
        super().reset_parameters()
        nn.init.kaiming_normal_(self.weight, a=0, mode="fan_in", nonlinearity="leaky_relu")


class SmoothLinear(nn.Linear):
    """x W^T + b, weight by Kaiming: (..., in) -> (..., out)."""

    def reset_parameters(self):
        super().reset_parameters()
        nn.init.kaiming_normal_(self.weight, a=0, mode="fan_in", nonlinearity="leaky_relu")


class BilinearUpsample(nn.Upsample):
    """Bilinear, twice the size, corners not aligned: (B,C,H,W) -> (B,C,2H,2W)."""

    def __init__(self):
        super().__init__(scale_factor=2, mode="bilinear", align_corners=False)


class Blur(nn.Module):
    """Filter by f f^T with f = [1,2,1], divided by its sum, borders reflected: (B,C,H,W) -> (B,C,H,W)."""

    def __init__(self):
        super().__init__()
        self.register_buffer("f", torch.tensor([1.0, 2.0, 1.0], dtype=torch.get_default_dtype()))

    def forward(self, x):
        channels = x.shape[1]
        kernel = self.f[:, None] * self.f[None, :]
        kernel = (kernel / kernel.sum()).expand(channels, 1, 3, 3)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), kernel, groups=channels)
