"""Batch normalisation (Ioffe & Szegedy, ICML 2015, arXiv 1502.03167). Twin: torch_ref/layers/batch_norm.py.

Contents: FrozenBatchNorm2D, for a network that is never trained here; BatchNorm2D, whose twin is torch.nn.BatchNorm2d.
"""

import paddle
from paddle import nn

from paddle_ugatit.backend.compat import assign, constant
from paddle_ugatit.backend.mixed import in_float32, keeps_dtype
from paddle_ugatit.layers.channels import channel_scale, channel_shift
from paddle_ugatit.layers.fast import dispatch, statistics


class FrozenBatchNorm2D(nn.Layer):
    """(x - running_mean) / sqrt(running_var + eps) weight + bias in either mode: (B,C,H,W) -> (B,C,H,W).

    Paddle's own has other buffer names, keeps eps in float32, and updates the buffers in training mode.
    """

    def __init__(self, num_features: int, eps: float = 1e-3):
        super().__init__()
        self.eps = eps
        ones, zeros = nn.initializer.Constant(1.0), nn.initializer.Constant(0.0)
        self.weight = self.create_parameter([num_features], default_initializer=ones)
        self.bias = self.create_parameter([num_features], default_initializer=zeros)
        self.register_buffer("running_mean", paddle.zeros([num_features]))
        self.register_buffer("running_var", paddle.ones([num_features]))

    @keeps_dtype
    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        scale = self.weight * paddle.rsqrt(self.running_var + constant(self.eps, self.running_var))
        centred = channel_shift(x, -self.running_mean.reshape([1, -1, 1, 1]))
        return channel_shift(channel_scale(centred, scale.reshape([1, -1, 1, 1])), self.bias.reshape([1, -1, 1, 1]))


@in_float32
def batch_stats(x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
    """Return centred maps, means and biased variances per channel: (B,C,H,W) -> (B,C,H,W), (1,C,1,1), (1,C,1,1)."""
    if dispatch.taken("statistics", x):
        return statistics.batch_stats(x)
    mean = x.mean([0, 2, 3], keepdim=True)
    centred = x - mean
    return centred, mean, (centred * centred).mean([0, 2, 3], keepdim=True)


class BatchNorm2D(FrozenBatchNorm2D):
    """(x - mean) / sqrt(var + eps) weight + bias, with the batch's statistics in training mode: (B,C,H,W) -> (B,C,H,W).

    In evaluation mode the running statistics are used, running = (1 - momentum) running + momentum new, where the new
    variance is unbiased. Paddle's own has 1 - momentum for the momentum, uses the biased variance there, and does not
    count its batches. Raises ValueError in training mode if there is only one value per channel.
    """

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1):
        super().__init__(num_features, eps)
        self.momentum = momentum
        self.register_buffer("num_batches_tracked", paddle.zeros([], "int64"))

    @keeps_dtype
    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if not self.training:
            return super().forward(x)
        count = x.size // x.shape[1]
        if count < 2:
            raise ValueError(f"batch norm needs more than one value per channel in training, got the shape {x.shape}")
        centred, mean, var = batch_stats(x)
        self._move(mean.flatten(), var.flatten() * (count / (count - 1)))
        scale = self.weight.reshape([1, -1, 1, 1]) * paddle.rsqrt(var + constant(self.eps, var))
        return channel_shift(channel_scale(centred, scale), self.bias.reshape([1, -1, 1, 1]))

    @paddle.no_grad()
    def _move(self, mean: paddle.Tensor, var: paddle.Tensor) -> None:
        for running, new in ((self.running_mean, mean), (self.running_var, var)):
            assign(running, running * (1 - self.momentum) + new * self.momentum)
        assign(self.num_batches_tracked, self.num_batches_tracked + 1)
