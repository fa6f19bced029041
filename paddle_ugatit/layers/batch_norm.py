"""Batch normalisation of a network that is never trained here. Twin: torch_ref/layers/batch_norm.py.

Contents: FrozenBatchNorm2D.
"""

import paddle
from paddle import nn

from paddle_ugatit.compat import constant
from paddle_ugatit.layers.basic import channel_scale, channel_shift


class FrozenBatchNorm2D(nn.Layer):
    """(x - running_mean) / sqrt(running_var + eps) weight + bias, training or not: (B,C,H,W) -> (B,C,H,W).

    Paddle's own names its buffers otherwise, keeps eps in float32, and would move the buffers in training mode.
    """

    def __init__(self, num_features, eps=1e-3):
        super().__init__()
        self.eps = eps
        ones, zeros = nn.initializer.Constant(1.0), nn.initializer.Constant(0.0)
        self.weight = self.create_parameter([num_features], default_initializer=ones)
        self.bias = self.create_parameter([num_features], default_initializer=zeros)
        self.register_buffer("running_mean", paddle.zeros([num_features]))
        self.register_buffer("running_var", paddle.ones([num_features]))

    def forward(self, x):
        scale = self.weight * paddle.rsqrt(self.running_var + constant(self.eps, self.running_var))
        centred = channel_shift(x, -self.running_mean.reshape([1, -1, 1, 1]))
        return channel_shift(channel_scale(centred, scale.reshape([1, -1, 1, 1])), self.bias.reshape([1, -1, 1, 1]))
