"""Convolutions with PyTorch's initial values.

Contents: Conv2D, ConvTranspose2D, convolve, fan_in_uniform. Twins: torch.nn.Conv2d, torch.nn.ConvTranspose2d.
"""

import math

import paddle
import paddle.nn.functional as F
from paddle import nn

from paddle_ugatit.layers.channels import channel_shift
from paddle_ugatit.layers.fast import dispatch
from paddle_ugatit.layers.spectral_norm import SpectralNorm


def convolve(x: paddle.Tensor, weight: paddle.Tensor, stride: int = 1, padding: int = 0) -> paddle.Tensor:
    """Return the convolution W * x with zeros beyond the border: (B,in,H,W), (out,in,k,k) -> (B,out,H',W')."""
    faster = dispatch.convolution(x, weight, stride, padding)
    return faster(x, weight, stride) if faster else F.conv2d(x, weight, stride=stride, padding=padding)


def fan_in_uniform(fan_in: int) -> paddle.ParamAttr:
    """Return PyTorch's default initialiser of Conv and Linear: U(-1/sqrt(fan_in), 1/sqrt(fan_in))."""
    bound = 1 / math.sqrt(fan_in)
    return paddle.ParamAttr(initializer=nn.initializer.Uniform(-bound, bound))


class Conv2D(nn.Conv2D):
    """W * x + b with zeros beyond the border: (B,in,H,W) -> (B,out,H',W')."""

    spectral: SpectralNorm | None = None  # set by spectral_norm of layers/spectral_norm.py

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ):
        init = fan_in_uniform(in_channels * kernel_size**2)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, weight_attr=init, bias_attr=init if bias else False
        )
        self.stride, self.padding = stride, padding

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if self.spectral is None:
            out = convolve(x, self.weight, self.stride, self.padding)
        else:
            out = self.spectral.normalised(lambda weight: convolve(x, weight, self.stride, self.padding))
        return out if self.bias is None else channel_shift(out, self.bias.reshape([1, -1, 1, 1]))


class ConvTranspose2D(nn.Conv2DTranspose):
    """The gradient of a convolution, plus b: (B,in,H,W) -> (B,out,(H-1)s-2p+k,(W-1)s-2p+k)."""

    spectral: SpectralNorm | None = None  # as in Conv2D

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding: int = 0):
        # quirk: PyTorch takes the second axis of the weight (in,out,k,k) as the number of inputs.
        init = fan_in_uniform(out_channels * kernel_size**2)
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, weight_attr=init, bias_attr=init)
        self.stride, self.padding = stride, padding

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if self.spectral is None:
            out = self._transposed(x, self.weight)
        else:
            out = self.spectral.normalised(lambda weight: self._transposed(x, weight))
        return channel_shift(out, self.bias.reshape([1, -1, 1, 1]))

    def _transposed(self, x: paddle.Tensor, weight: paddle.Tensor) -> paddle.Tensor:
        return F.conv2d_transpose(x, weight, stride=self.stride, padding=self.padding)
