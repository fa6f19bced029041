"""Batch normalisation (Ioffe & Szegedy, ICML 2015, arXiv 1502.03167). Twin: torch_ref/layers/batch_norm.py.

Contents: FrozenBatchNorm2D, of a network that is never trained here; BatchNorm2D, whose twin is torch.nn.BatchNorm2d.
"""

import paddle
from paddle import nn

from paddle_ugatit.backend.compat import constant
from paddle_ugatit.layers.basic import channel_scale, channel_shift, spatial_sum


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


class _BatchStats(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x):
        count = x.size // x.shape[1]
        mean = (spatial_sum(x).sum(0) / count).reshape([1, -1, 1, 1])
        centred = x - mean
        ctx.save_for_backward(centred)
        return centred, mean, (spatial_sum(centred * centred).sum(0) / count).reshape([1, -1, 1, 1])

    @staticmethod
    def backward(ctx, grad_centred, grad_mean, grad_var):
        (centred,) = ctx.saved_tensor()
        count = centred.size // centred.shape[1]
        constant_part = (grad_mean - spatial_sum(grad_centred).sum(0).reshape(grad_mean.shape)) / count
        return grad_centred + (centred * (grad_var * (2 / count)) + constant_part)


def batch_stats(x):
    """Centred maps, means and biased variances of each channel: (B,C,H,W) -> (B,C,H,W), (1,C,1,1), (1,C,1,1)."""
    return _BatchStats.apply(x)


class BatchNorm2D(FrozenBatchNorm2D):
    """(x - mean) / sqrt(var + eps) weight + bias by the batch's statistics, in evaluation the running ones: (B,C,H,W).

    running = (1 - momentum) running + momentum new, where the new variance is unbiased. Paddle's own has the momentum
    inverted, takes the biased variance there, and does not count its batches.
    """

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__(num_features, eps)
        self.momentum = momentum
        self.register_buffer("num_batches_tracked", paddle.zeros([], "int64"))

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        count = x.size // x.shape[1]
        if count < 2:
            raise ValueError(f"batch norm needs more than one value a channel in training, got the shape {x.shape}")
        centred, mean, var = batch_stats(x)
        self._move(mean.detach().flatten(), var.detach().flatten() * (count / (count - 1)))
        scale = self.weight.reshape([1, -1, 1, 1]) * paddle.rsqrt(var + constant(self.eps, var))
        return channel_shift(channel_scale(centred, scale), self.bias.reshape([1, -1, 1, 1]))

    def _move(self, mean, var):
        for running, new in ((self.running_mean, mean), (self.running_var, var)):
            running.set_value(running * (1 - self.momentum) + new * self.momentum)
        self.num_batches_tracked.set_value(self.num_batches_tracked + 1)
