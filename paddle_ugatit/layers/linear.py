"""The linear layer with PyTorch's initial values. Twin: torch.nn.Linear."""

import paddle
import paddle.nn.functional as F
from paddle import nn

from paddle_ugatit.layers.convolution import fan_in_uniform
from paddle_ugatit.layers.spectral_norm import SpectralNorm


class Linear(nn.Linear):
    """x W + b: (B,in) -> (B,out). Paddle stores the weight as (in, out)."""

    spectral: SpectralNorm | None = None  # set by spectral_norm of layers/spectral_norm.py

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        init = fan_in_uniform(in_features)
        super().__init__(in_features, out_features, weight_attr=init, bias_attr=init if bias else False)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if self.spectral is None:
            return F.linear(x, self.weight, self.bias)
        out = self.spectral.normalised(lambda weight: paddle.matmul(x, weight))
        return out if self.bias is None else out + self.bias
