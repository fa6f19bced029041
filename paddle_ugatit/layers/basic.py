"""PyTorch's basic layers as PyTorch computes and initialises them, where Paddle's own differ or are slow.

Contents: spatial_sum, spatial_mean, channel_scale, channel_shift, over_sigma; Conv2D, ConvTranspose2D, Linear,
ReflectionPad2D, Upsample, LeakyReLU, whose twins are torch.nn's layers of these names.
"""

import math
from functools import lru_cache

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from paddle_ugatit.backend.compat import copying
from paddle_ugatit.layers.convolution import conv2d, on_cpu

SMALL = 16  # pixels along a map's longer side up to which two products reflect its border; backward twice as many


def spatial_sum(x):
    """Sum over height and width: (B,C,H,W) -> (B,C).

    A product with ones: 10 times as fast as Paddle's sum on a CPU, and as accurate in float32 as PyTorch's, which
    Paddle's is not over a large map.
    """
    b, c, h, w = x.shape
    ones = _ones(h * w, x.dtype) if on_cpu(x) else paddle.ones([h * w, 1], x.dtype)
    return paddle.matmul(x.reshape([b, c, h * w]), ones).reshape([b, c])


@lru_cache
def _ones(count, dtype):
    return paddle.to_tensor(np.ones([count, 1]), dtype, paddle.CPUPlace())


def spatial_mean(x):
    """Mean over height and width: (B,C,H,W) -> (B,C). Its float64 gradient is exact, unlike adaptive_avg_pool2d's."""
    return spatial_sum(x) / (x.shape[2] * x.shape[3])


def _per_channel(grad_terms, like):
    """Sum over the map, and over the batch where the factor or term was shared by it: (B,C,H,W) -> (B or 1,C,1,1)."""
    total = spatial_sum(grad_terms)
    return (total.sum(0) if like[0] == 1 else total).reshape(like)


class _ChannelScale(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x, scale)
        ctx.wanted = not x.stop_gradient, not scale.stop_gradient
        return x * scale

    @staticmethod
    def backward(ctx, grad):
        x, scale = ctx.saved_tensor()
        want_x, want_scale = ctx.wanted
        return grad * scale if want_x else None, _per_channel(grad * x, scale.shape) if want_scale else None


class _ChannelShift(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x, shift):
        ctx.wanted, ctx.shape = (not x.stop_gradient, not shift.stop_gradient), shift.shape
        return x + shift

    @staticmethod
    def backward(ctx, grad):
        want_x, want_shift = ctx.wanted
        return grad if want_x else None, _per_channel(grad, ctx.shape) if want_shift else None


def channel_scale(x, scale):
    """x * scale: (B,C,H,W), (B or 1,C,1,1) -> (B,C,H,W).

    Its gradient sums over the map by `spatial_sum`; that of Paddle's broadcasting is slow, and inaccurate in float32.
    """
    return _ChannelScale.apply(x, scale)


def channel_shift(x, shift):
    """x + shift: (B,C,H,W), (B or 1,C,1,1) -> (B,C,H,W); gradient as `channel_scale`'s."""
    return _ChannelShift.apply(x, shift)


def over_sigma(out, sigma):
    """out / sigma: (B,...), (n,) -> (B,...); each of n equal parts of the batch by its own. Without a sigma, out."""
    if sigma is None:
        return out
    parts = out.reshape([1, sigma.shape[0], -1, 1])
    return channel_scale(parts, (1 / sigma).reshape([1, -1, 1, 1])).reshape(out.shape)


def _uniform(fan_in):
    """PyTorch's default for weights and biases of Conv and Linear: U(-1/sqrt(fan_in), 1/sqrt(fan_in))."""
    bound = 1 / math.sqrt(fan_in)
    return paddle.ParamAttr(initializer=nn.initializer.Uniform(-bound, bound))


class Conv2D(nn.Conv2D):
    """Convolution, zeros beyond the border, PyTorch's initial values: (B,in,H,W) -> (B,out,H',W')."""

    # Spectral normalisation renames the weight, and sets sigma anew at every forward.
    raw, sigma = "weight", None

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, bias=True):
        init = _uniform(in_channels * kernel_size**2)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, weight_attr=init, bias_attr=init if bias else False
        )
        self.stride, self.padding = stride, padding

    def forward(self, x):
        weight = getattr(self, self.raw)
        out = over_sigma(self._convolved(x, weight), self.sigma)
        return out if self.bias is None else channel_shift(out, self.bias.reshape([1, -1, 1, 1]))

    def _convolved(self, x, weight):
        if self.padding:
            return F.conv2d(x, weight, stride=self.stride, padding=self.padding)
        return self._single_output(x, weight) if weight.shape[0] == 1 else conv2d(x, weight, self.stride)

    def _single_output(self, x, weight):
        """One output channel, in up to 64 partial sums: the same cost, and a digit more in float32.

        Paddle's convolution has then a single running total over all weights (32768 in a global discriminator).
        """
        _, channels, height, width = weight.shape
        groups = math.gcd(channels, 64)
        weight = weight.reshape([groups, channels // groups, height, width])
        return F.conv2d(x, weight, stride=self.stride, groups=groups).sum(1, keepdim=True)


class ConvTranspose2D(nn.Conv2DTranspose):
    """The gradient of a convolution, with PyTorch's initial values: (B,in,H,W) -> (B,out,(H-1)s-2p+k,...)."""

    raw, sigma = "weight", None  # as Conv2D's

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        init = _uniform(out_channels * kernel_size**2)  # quirk: PyTorch takes the second axis of (in,out,k,k) for it
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, weight_attr=init, bias_attr=init)
        self.stride, self.padding = stride, padding

    def forward(self, x):
        out = F.conv2d_transpose(x, getattr(self, self.raw), stride=self.stride, padding=self.padding)
        return channel_shift(over_sigma(out, self.sigma), self.bias.reshape([1, -1, 1, 1]))


class Linear(nn.Linear):
    """x W + b with Paddle's weight layout (in, out), PyTorch's initial values: (B,in) -> (B,out)."""

    raw, sigma = "weight", None  # as Conv2D's

    def __init__(self, in_features, out_features, bias=True):
        init = _uniform(in_features)
        super().__init__(in_features, out_features, weight_attr=init, bias_attr=init if bias else False)

    def forward(self, x):
        if self.sigma is None:
            return F.linear(x, self.weight, self.bias)
        out = over_sigma(paddle.matmul(x, getattr(self, self.raw)), self.sigma)
        return out if self.bias is None else out + self.bias


def _part(x, axis, start, stop):
    return paddle.slice(x, [axis], [start], [stop])


def _reflect(x, axis, pad):
    """Along one axis: (.., n, ..) -> (.., n + 2 pad, ..)."""
    n = x.shape[axis]
    before = [_part(x, axis, i, i + 1) for i in range(pad, 0, -1)]
    after = [_part(x, axis, n - 1 - i, n - i) for i in range(1, pad + 1)]
    return paddle.concat([*before, x, *after], axis)


def _reflect_back(grad, axis, pad):
    """The gradient of `_reflect`: the borders, mirrored, are added to what they were copied from."""
    n = grad.shape[axis] - 2 * pad
    before = [_part(grad, axis, i, i + 1) for i in range(pad - 1, -1, -1)]  # of elements 1 to pad
    after = [_part(grad, axis, pad + n + i, pad + n + i + 1) for i in range(pad - 1, -1, -1)]  # of the last, but one
    before, after = (paddle.concat(strip, axis) if pad > 1 else strip[0] for strip in (before, after))
    grad = _part(grad, axis, pad, pad + n)
    if n < 2 * pad + 2:  # an element may be in both borders
        return _added(_added(grad, axis, (1, before)), axis, (n - 1 - pad, after))
    return _added(grad, axis, (1, before), (n - 1 - pad, after))


def _added(x, axis, *strips):
    """x with the strips added from where each starts; (start, strip) in order and apart."""
    pieces, done = [], 0
    for start, strip in strips:
        end = start + strip.shape[axis]
        pieces += [_part(x, axis, done, start)] if start > done else []
        pieces += [_part(x, axis, start, end) + strip]
        done = end
    return paddle.concat([*pieces, _part(x, axis, done, x.shape[axis])], axis)


@lru_cache
def _mirror(size, pad, dtype):
    """The matrix (size + 2 pad, size) of zeros and ones that reflects a column."""
    places = np.pad(np.arange(size), pad, "reflect")
    return paddle.to_tensor(np.eye(size)[places], dtype, paddle.CPUPlace())


class _ReflectionPad(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x, pad):
        ctx.pad = pad
        if on_cpu(x) and max(x.shape[2:]) <= SMALL:
            down, across = (_mirror(size, pad, x.dtype) for size in x.shape[2:])
            x = paddle.matmul(x, across, transpose_y=True)
            return paddle.matmul(down, x)
        with copying():
            return _reflect(_reflect(x, 2, pad), 3, pad)

    @staticmethod
    def backward(ctx, grad):
        height, width = (size - 2 * ctx.pad for size in grad.shape[2:])
        if on_cpu(grad) and max(height, width) <= 2 * SMALL:
            grad = paddle.matmul(_mirror(height, ctx.pad, grad.dtype), grad, transpose_x=True)
            return paddle.matmul(grad, _mirror(width, ctx.pad, grad.dtype))
        with copying():
            return _reflect_back(_reflect_back(grad, 3, ctx.pad), 2, ctx.pad)


class ReflectionPad2D(nn.Layer):
    """Reflect `padding` rows and columns at each border: (B,C,H,W) -> (B,C,H+2p,W+2p).

    Concatenated slices are 5 to 10 times as fast as Paddle's pad on a CPU, and a gradient made of slices too is three
    times as fast as that of the slices; for maps up to SMALL products with a matrix are faster still. Raises ValueError
    for a map of `padding` rows or columns or fewer, which cannot be reflected.
    """

    def __init__(self, padding):
        super().__init__()
        self.padding = padding

    def forward(self, x):
        height, width = x.shape[2:]
        if min(height, width) <= self.padding:
            raise ValueError(f"cannot reflect {self.padding} pixels of a {height}x{width} map")
        return _ReflectionPad.apply(x, self.padding)


class Upsample(nn.Layer):
    """Nearest neighbour, twice the size: (B,C,H,W) -> (B,C,2H,2W).

    Expanding is 4 times as fast as Paddle's interpolate on a CPU, and what exporters understand.
    """

    def forward(self, x):
        b, c, h, w = x.shape
        return x.reshape([b, c, h, 1, w, 1]).expand([b, c, h, 2, w, 2]).reshape([b, c, 2 * h, 2 * w])


class _LeakyReLU(paddle.autograd.PyLayer):
    """Paddle's own has gradient 1 at exactly 0, where PyTorch has the slope, and rounds the slope to float32 in 2.6."""

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
