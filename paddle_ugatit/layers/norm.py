"""Instance and layer-instance normalisation (Kim et al., ICLR 2020, arXiv 1907.10830, eq. 1).

Contents: AdaILN (gamma and beta are inputs), ILN (they are parameters), InstanceNorm2D; channel_moments, AdaIN (they
are moments of another map; Huang and Belongie, ICCV 2017, arXiv 1703.06868). Twin: torch_ref/layers/norm.py. In mixed
precision every norm computes in float32 and returns the dtype it was given.
"""

import math

import paddle
from paddle import nn

from paddle_ugatit.backend.compat import constant
from paddle_ugatit.backend.mixed import in_float32, keeps_dtype
from paddle_ugatit.layers.channels import channel_scale, channel_shift, spatial_sum
from paddle_ugatit.layers.fast import dispatch, folded, statistics

# Of the public code: PyTorch's, PyTorch's until 2019-08-27, TensorFlow's.
REVISIONS = ("current", "initial", "tensorflow")
SMOOTHING = 0.1  # is subtracted from AdaILN's rho by the TensorFlow revision


def require_revision(revision: str) -> None:
    """Raise ValueError unless `revision` is one of REVISIONS."""
    if revision not in REVISIONS:
        raise ValueError(f"revision must be one of {', '.join(REVISIONS)}, got {revision!r}")


@in_float32
def instance_stats(x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
    """Return centred maps, means and unbiased variances per channel: (B,C,H,W) -> (B,C,H,W), (B,C,1,1), (B,C,1,1)."""
    if dispatch.taken("statistics", x):
        return statistics.instance_stats(x)
    mean = x.mean([2, 3], keepdim=True)
    centred, pixels = x - mean, x.shape[2] * x.shape[3]
    return centred, mean, (centred * centred).sum([2, 3], keepdim=True) / (pixels - 1)


def variance(x: paddle.Tensor, axes: tuple[int, ...]) -> paddle.Tensor:
    """Return the unbiased variance over the given axes, which are kept with size 1."""
    centred = x - x.mean(axes, keepdim=True)
    count = math.prod(x.shape[axis] for axis in axes)
    return (centred * centred).sum(axes, keepdim=True) / (count - 1)


def nested_variance(x: paddle.Tensor, axes: tuple[int, ...]) -> paddle.Tensor:
    """Return the variance as the initial revision computes it.

    quirk: it is the unbiased variance over one axis, then the unbiased variance of the result over the next.
    """
    for axis in axes:
        x = variance(x, (axis,))
    return x


def biased(var: paddle.Tensor, count: int) -> paddle.Tensor:
    """Return the biased variance, that of the TensorFlow revision, from the unbiased one of `count` values."""
    return var * ((count - 1) / count)


@keeps_dtype
def layer_instance_norm(
    x: paddle.Tensor, rho: paddle.Tensor, gamma: paddle.Tensor, beta: paddle.Tensor, eps: float, revision: str
) -> paddle.Tensor:
    """Return (rho a_I + (1 - rho) a_L) gamma + beta with a = (x - mean) / sqrt(var + eps), eq. 1.

    a_I is normalised over (H,W), a_L over (C,H,W). x (B,C,H,W), rho (1,C,1,1), gamma and beta (B or 1,C,1,1) ->
    (B,C,H,W).
    """
    if dispatch.taken("folded", x):
        return _folded(x, rho, gamma, beta, eps, revision)
    by_instance, by_layer = (_normalised(x, axes, eps, revision) for axes in ((2, 3), (1, 2, 3)))
    return (by_layer + rho * (by_instance - by_layer)) * gamma + beta


def _normalised(x: paddle.Tensor, axes: tuple[int, ...], eps: float, revision: str) -> paddle.Tensor:
    centred = x - x.mean(axes, keepdim=True)
    if revision == "initial":
        var = nested_variance(x, axes)
    else:
        var = (centred * centred).mean(axes, keepdim=True)
        if revision == "current":
            count = math.prod(x.shape[axis] for axis in axes)
            var = var * (count / (count - 1))  # unbiased
    return centred * paddle.rsqrt(var + constant(eps, x))


def _folded(
    x: paddle.Tensor, rho: paddle.Tensor, gamma: paddle.Tensor, beta: paddle.Tensor, eps: float, revision: str
) -> paddle.Tensor:
    """Compute the same as one scale and one shift per channel: the layer's moments follow from the channels'."""
    centred, mean, var_i = instance_stats(x)
    offset = mean - mean.mean(1, keepdim=True)
    if revision == "initial":
        var_i, var_l = nested_variance(x, (2, 3)), nested_variance(x, (1, 2, 3))
    else:
        pixels = x.shape[2] * x.shape[3]
        var_l = folded.layer_variance(offset, var_i, pixels)
        if revision == "tensorflow":
            var_i, var_l = biased(var_i, pixels), biased(var_l, x.shape[1] * pixels)
    scale, shift = folded.folded_scale_shift(offset, var_i, var_l, rho, gamma, beta, eps)
    return channel_shift(channel_scale(centred, scale), shift)


def _parameter(layer: nn.Layer, num_features: int, value: float) -> paddle.Tensor:
    initial = nn.initializer.Constant(value)
    return layer.create_parameter([1, num_features, 1, 1], default_initializer=initial)


class AdaILN(nn.Layer):
    """Adaptive layer-instance normalisation, eq. 1: (B,C,H,W), (B,C), (B,C) -> (B,C,H,W).

    In the TensorFlow revision the variances are biased, and rho stands for clip(rho - 0.1, 0, 1).
    """

    def __init__(self, num_features: int, eps: float = 1e-5, revision: str = "current"):
        super().__init__()
        require_revision(revision)
        self.eps, self.revision = eps, revision
        self.rho = _parameter(self, num_features, 1.0 if revision == "tensorflow" else 0.9)

    def forward(self, x: paddle.Tensor, gamma: paddle.Tensor, beta: paddle.Tensor) -> paddle.Tensor:
        gamma, beta, rho = gamma.unsqueeze([2, 3]), beta.unsqueeze([2, 3]), self.rho
        if self.revision == "tensorflow":
            rho = (rho - constant(SMOOTHING, rho)).clip(0, 1)
        return layer_instance_norm(x, rho, gamma, beta, self.eps, self.revision)


class ILN(nn.Layer):
    """Layer-instance normalisation whose gamma and beta are parameters, eq. 1: (B,C,H,W) -> (B,C,H,W)."""

    def __init__(self, num_features: int, eps: float = 1e-5, revision: str = "current"):
        super().__init__()
        require_revision(revision)
        self.eps, self.revision = eps, revision
        self.rho = _parameter(self, num_features, 0.0)
        self.gamma = _parameter(self, num_features, 1.0)
        self.beta = _parameter(self, num_features, 0.0)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return layer_instance_norm(x, self.rho, self.gamma, self.beta, self.eps, self.revision)


class InstanceNorm2D(nn.Layer):
    """(x - mean) / sqrt(var + eps) per channel, with the biased variance: (B,C,H,W) -> (B,C,H,W).

    With `affine` the result is multiplied by `weight` (C,), and `bias` (C,) is added. Paddle's own keeps eps in
    float32, which costs three digits of parity in float64.
    """

    def __init__(self, num_features: int, eps: float = 1e-5, affine: bool = False):
        super().__init__()
        self.num_features, self.eps, self.affine = num_features, eps, affine
        if affine:
            one, zero = nn.initializer.Constant(1.0), nn.initializer.Constant(0.0)
            self.weight = self.create_parameter([num_features], default_initializer=one)
            self.bias = self.create_parameter([num_features], default_initializer=zero)

    @keeps_dtype
    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        pixels = x.shape[2] * x.shape[3]
        if dispatch.taken("statistics", x):
            centred, _, var = instance_stats(x)
            var = biased(var, pixels)
        else:
            centred = x - x.mean([2, 3], keepdim=True)
            var = (centred * centred).mean([2, 3], keepdim=True)
        scale = paddle.rsqrt(var + constant(self.eps, x))
        if not self.affine:
            return channel_scale(centred, scale)
        scale = scale * self.weight.reshape([1, -1, 1, 1])
        return channel_shift(channel_scale(centred, scale), self.bias.reshape([1, -1, 1, 1]))


@in_float32
def channel_moments(x: paddle.Tensor, eps: float = 1e-5) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Return the mean and sqrt(unbiased variance + eps) of each channel: (B,C,H,W) -> (B,C,1,1), (B,C,1,1).

    Raises ValueError if the map has a single pixel.
    """
    require_pixels(x)
    _, mean, var = instance_stats(x)
    return mean, paddle.sqrt(var + constant(eps, x))


def require_pixels(x: paddle.Tensor) -> None:
    """Raise ValueError if the map has a single pixel, which has no variance."""
    if x.shape[2] * x.shape[3] < 2:
        raise ValueError("a map of a single pixel has no variance: the image is too small")


@in_float32
def weighted_stats(x: paddle.Tensor, share: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Return centred maps and unbiased variances of each channel, weighted by pixel.

    (B,C,H,W), (B or 1,1,H,W) -> (B,C,H,W), (B,C,1,1). With equal weights they are those of `instance_stats`, with
    weights 0 and 1 those of a region of the map. Raises ValueError if all the weight is on a single pixel.
    """
    total, squares = spatial_sum(share), spatial_sum(share * share)
    if bool((total * total <= squares).any()):
        raise ValueError("a style's share covers a single pixel of the map, which has no variance")
    total, squares = total.unsqueeze([2, 3]), squares.unsqueeze([2, 3])
    centred = x - spatial_sum(x * share).unsqueeze([2, 3]) / total
    return centred, spatial_sum(centred * centred * share).unsqueeze([2, 3]) / (total - squares / total)


class AdaIN(nn.Layer):
    """sigma(y) (x - mu(x)) / sigma(x) + mu(y), sigma = sqrt(unbiased variance + eps), eq. 8 of its paper.

    (B,C,H,W), (B or 1,C,h,w) -> (B,C,H,W). With `share` (B or 1,1,H,W), the weight of the style y at every pixel, mu(x)
    and sigma(x) are weighted by it. Raises ValueError if a map has a single pixel.
    """

    def __init__(self, eps: float = 1e-5):
        super().__init__()
        self.eps = eps

    @keeps_dtype
    def forward(self, x: paddle.Tensor, y: paddle.Tensor, share: paddle.Tensor | None = None) -> paddle.Tensor:
        require_pixels(x)
        mean, deviation = channel_moments(y, self.eps)
        if share is None:
            centred, _, var = instance_stats(x)
        else:
            centred, var = weighted_stats(x, share)
        return channel_shift(channel_scale(centred, deviation * paddle.rsqrt(var + constant(self.eps, x))), mean)
