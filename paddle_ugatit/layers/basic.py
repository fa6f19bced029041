"""PyTorch's basic layers as PyTorch computes and initialises them, where Paddle's own differ or are slow.

Contents: Conv2D, Linear, ReflectionPad2D, Upsample, LeakyReLU, spatial_mean. Twins: torch.nn's layers of these names.
"""

import math

import paddle
from paddle import nn


def _uniform(fan_in):
    """PyTorch's default for weights and biases of Conv and Linear: U(-1/sqrt(fan_in), 1/sqrt(fan_in))."""
    bound = 1 / math.sqrt(fan_in)
    return paddle.ParamAttr(initializer=nn.initializer.Uniform(-bound, bound))


class Conv2D(nn.Conv2D):
    """Convolution without padding, PyTorch's initial values: (B,in,H,W) -> (B,out,H',W')."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, bias=True):
        init = _uniform(in_channels * kernel_size**2)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, weight_attr=init, bias_attr=init if bias else False
        )


class Linear(nn.Linear):
    """x W + b with Paddle's weight layout (in, out), PyTorch's initial values: (B,in) -> (B,out)."""

    def __init__(self, in_features, out_features, bias=True):
        init = _uniform(in_features)
        super().__init__(in_features, out_features, weight_attr=init, bias_attr=init if bias else False)


class ReflectionPad2D(nn.Layer):
    """Reflect `padding` rows and columns at each border: (B,C,H,W) -> (B,C,H+2p,W+2p).

    Concatenated slices are 5 to 10 times as fast as Paddle's pad on a CPU. Raises ValueError for a map of `padding`
    rows or columns or fewer, which cannot be reflected.
    """

    def __init__(self, padding):
        super().__init__()
        self.padding = padding

    def forward(self, x):
        pad, (height, width) = self.padding, x.shape[2:]
        if min(height, width) <= pad:
            raise ValueError(f"cannot reflect {pad} pixels of a {height}x{width} map")
        top = [x[:, :, i : i + 1] for i in range(pad, 0, -1)]
        bottom = [x[:, :, -i - 1 : height - i] for i in range(1, pad + 1)]
        x = paddle.concat([*top, x, *bottom], 2)
        left = [x[:, :, :, i : i + 1] for i in range(pad, 0, -1)]
        right = [x[:, :, :, -i - 1 : width - i] for i in range(1, pad + 1)]
        return paddle.concat([*left, x, *right], 3)


class Upsample(nn.Layer):
    """Nearest neighbour, twice the size: (B,C,H,W) -> (B,C,2H,2W).

    Expanding is 4 times as fast as Paddle's interpolate on a CPU, and what exporters understand.
    """

    def forward(self, x):
        b, c, h, w = x.shape
        return x.reshape([b, c, h, 1, w, 1]).expand([b, c, h, 2, w, 2]).reshape([b, c, 2 * h, 2 * w])


class _LeakyReLU(paddle.autograd.PyLayer):
    """Paddle's own has the gradient 1 at exactly 0 where PyTorch has the slope, and rounds the slope to float32 in 2.6."""

    @staticmethod
    def forward(ctx, x, slope):
        ctx.slope = slope
        ctx.save_for_backward(x)
        return paddle.maximum(x, x * slope)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensor()
        return paddle.where(x > 0, grad, grad * ctx.slope)


class LeakyReLU(nn.Layer):
    """max(x, slope x) with a slope below 1, whose derivative at 0 is `slope` as in PyTorch; any shape."""

    def __init__(self, slope):
        super().__init__()
        self.slope = slope

    def forward(self, x):
        return _LeakyReLU.apply(x, self.slope)


def spatial_mean(x):
    """Mean over height and width: (B,C,H,W) -> (B,C).

    A product with ones is 10 times as fast as Paddle's mean, and its float64 gradient is exact, which that of
    `adaptive_avg_pool2d` is not (7.5e-9).
    """
    b, c, h, w = x.shape
    return paddle.matmul(x.reshape([b, c, h * w]), paddle.full([h * w, 1], 1 / (h * w), x.dtype)).reshape([b, c])
