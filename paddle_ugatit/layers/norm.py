"""Instance and layer-instance normalisation (Kim et al., ICLR 2020, arXiv 1907.10830, eq. 1).

Contents: AdaILN (gamma and beta from outside), ILN (its own), InstanceNorm2D; channel_moments, AdaIN (gamma and beta
from another map; Huang and Belongie, ICCV 2017, arXiv 1703.06868). Twin: torch_ref/layers/norm.py, which
says the formula plainly. Here the same formula is folded: the layer's moments follow from the channels', and both
normalisations, gamma and beta become one scale and one shift per channel. Sums over a map are products with ones, which
is faster than Paddle's `mean`, `var` and the gradients of its broadcasting, and accurate in float32, where `paddle.var`
over a large map is wrong by up to 3.6e-3.
"""

import paddle
from paddle import nn

from paddle_ugatit.backend.compat import constant
from paddle_ugatit.layers.basic import channel_scale, channel_shift, spatial_mean, spatial_sum

REVISIONS = ("current", "initial")


def require_revision(revision):
    """Raise ValueError unless `revision` is one of REVISIONS."""
    if revision not in REVISIONS:
        raise ValueError(f"revision must be one of {', '.join(REVISIONS)}, got {revision!r}")


class _InstanceStats(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x):
        pixels = x.shape[2] * x.shape[3]
        mean = spatial_mean(x).unsqueeze([2, 3])
        centred = x - mean
        ctx.save_for_backward(centred)
        return centred, mean, spatial_sum(centred * centred).unsqueeze([2, 3]) / (pixels - 1)

    @staticmethod
    def backward(ctx, grad_centred, grad_mean, grad_var):
        (centred,) = ctx.saved_tensor()
        pixels = centred.shape[2] * centred.shape[3]
        constant_part = grad_mean / pixels - spatial_mean(grad_centred).unsqueeze([2, 3])
        return grad_centred + (centred * (grad_var * (2 / (pixels - 1))) + constant_part)


def instance_stats(x):
    """Centred maps, means and unbiased variances of each channel: (B,C,H,W) -> (B,C,H,W), (B,C,1,1), (B,C,1,1).

    Its backward pass is written out: dx = dc - mean(dc) + dm / n + 2 c dv / (n - 1), three passes over the map.
    """
    return _InstanceStats.apply(x)


def layer_variance(offset, var, pixels):
    """Unbiased variance over (C,H,W) from each channel's: offset of its mean and variance (B,C,1,1) -> (B,1,1,1)."""
    squares = (pixels - 1) * var + pixels * offset * offset
    return squares.sum(1, keepdim=True) / (offset.shape[1] * pixels - 1)


def nested_variance(x, axes):
    """quirk: the initial revision takes the unbiased variance over one axis, then of that over the next."""
    for axis in axes:
        centred = x - x.mean(axis, keepdim=True)
        x = (centred * centred).sum(axis, keepdim=True) / (x.shape[axis] - 1)
    return x


def layer_instance_norm(x, rho, gamma, beta, eps, revision):
    """(rho * a_I + (1 - rho) * a_L) * gamma + beta, eq. 1: x (B,C,H,W), rho (1,C,1,1), the others (B or 1,C,1,1)."""
    centred, mean, var_i = instance_stats(x)
    offset = mean - mean.mean(1, keepdim=True)  # of the channel's mean from the layer's
    if revision == "current":
        var_l = layer_variance(offset, var_i, x.shape[2] * x.shape[3])
    else:
        var_i, var_l = nested_variance(x, (2, 3)), nested_variance(x, (1, 2, 3))
    eps = constant(eps, x)
    inverse_i, inverse_l = paddle.rsqrt(var_i + eps), paddle.rsqrt(var_l + eps)
    # rho times a difference, not a difference of products with rho: its gradient would lose a digit in float32.
    scaled = channel_scale(centred, (inverse_l + rho * (inverse_i - inverse_l)) * gamma)
    return channel_shift(scaled, (1 - rho) * inverse_l * offset * gamma + beta)


def _parameter(layer, num_features, value):
    initial = nn.initializer.Constant(value)
    return layer.create_parameter([1, num_features, 1, 1], default_initializer=initial)


class AdaILN(nn.Layer):
    """Adaptive layer-instance normalisation, eq. 1: (B,C,H,W), (B,C), (B,C) -> (B,C,H,W)."""

    def __init__(self, num_features, eps=1e-5, revision="current"):
        super().__init__()
        require_revision(revision)
        self.eps, self.revision = eps, revision
        self.rho = _parameter(self, num_features, 0.9)

    def forward(self, x, gamma, beta):
        gamma, beta = gamma.unsqueeze([2, 3]), beta.unsqueeze([2, 3])
        return layer_instance_norm(x, self.rho, gamma, beta, self.eps, self.revision)


class ILN(nn.Layer):
    """Layer-instance normalisation with its own gamma and beta, eq. 1: (B,C,H,W) -> (B,C,H,W)."""

    def __init__(self, num_features, eps=1e-5, revision="current"):
        super().__init__()
        require_revision(revision)
        self.eps, self.revision = eps, revision
        self.rho = _parameter(self, num_features, 0.0)
        self.gamma = _parameter(self, num_features, 1.0)
        self.beta = _parameter(self, num_features, 0.0)

    def forward(self, x):
        return layer_instance_norm(x, self.rho, self.gamma, self.beta, self.eps, self.revision)


class InstanceNorm2D(nn.Layer):
    """(x - mean) / sqrt(var + eps) per channel, biased variance, no parameters: (B,C,H,W) -> (B,C,H,W).

    Paddle's own keeps eps in float32, which costs float64 parity three digits.
    """

    def __init__(self, num_features, eps=1e-5):
        super().__init__()
        self.num_features, self.eps = num_features, eps

    def forward(self, x):
        pixels = x.shape[2] * x.shape[3]
        centred, _, var = instance_stats(x)
        scale = paddle.rsqrt(var * ((pixels - 1) / pixels) + constant(self.eps, x))
        return channel_scale(centred, scale)


def channel_moments(x, eps=1e-5):
    """Mean and sqrt(unbiased variance + eps) of each channel: (B,C,H,W) -> (B,C,1,1), (B,C,1,1)."""
    require_pixels(x)
    _, mean, var = instance_stats(x)
    return mean, paddle.sqrt(var + constant(eps, x))


def require_pixels(x):
    """Raise ValueError for a map of a single pixel, which has no variance."""
    if x.shape[2] * x.shape[3] < 2:
        raise ValueError("a map of a single pixel has no variance: the image is too small")


def weighted_stats(x, share):
    """Centred maps and unbiased variances with a weight for every pixel: (B,C,H,W), (B or 1,1,H,W) -> as x, (B,C,1,1).

    Of equal weights they are `instance_stats`, of weights 0 and 1 those of a part of the map. ValueError where all the
    weight is on a single pixel.
    """
    total, squares = spatial_sum(share), spatial_sum(share * share)
    if bool((total * total <= squares).any()):
        raise ValueError("a style's share is of a single pixel of the map, which has no variance")
    total, squares = total.unsqueeze([2, 3]), squares.unsqueeze([2, 3])
    centred = x - spatial_sum(x * share).unsqueeze([2, 3]) / total
    return centred, spatial_sum(centred * centred * share).unsqueeze([2, 3]) / (total - squares / total)


class AdaIN(nn.Layer):
    """sigma(y) (x - mu(x)) / sigma(x) + mu(y), sigma = sqrt(unbiased variance + eps), eq. 8 of its paper.

    (B,C,H,W), (B or 1,C,h,w) -> (B,C,H,W). With `share` (B or 1,1,H,W), y's share of every pixel, mu(x) and sigma(x)
    are weighted by it. ValueError for a map of a single pixel.
    """

    def __init__(self, eps=1e-5):
        super().__init__()
        self.eps = eps

    def forward(self, x, y, share=None):
        require_pixels(x)
        mean, deviation = channel_moments(y, self.eps)
        if share is None:
            centred, _, var = instance_stats(x)
        else:
            centred, var = weighted_stats(x, share)
        return channel_shift(channel_scale(centred, deviation * paddle.rsqrt(var + constant(self.eps, x))), mean)
