"""Instance and layer-instance normalisation (Kim et al., ICLR 2020, arXiv 1907.10830, eq. 1).

Contents: AdaILN (gamma and beta from outside), ILN (its own), InstanceNorm2D. Twin: torch_ref/layers/norm.py.

`layer_instance_norm` is the plain form; `folded_layer_instance_norm` computes the same from per-channel moments in one
pass: the layer's moments follow from the channels', and both normalisations fold into one scale and one shift per
channel. Means are products with ones: faster than Paddle's `mean` and `var`, and exact where float32 `paddle.var` over
a large map is wrong by up to 3.6e-3.
"""

import paddle
from paddle import nn

from paddle_ugatit.compat import constant
from paddle_ugatit.layers.basic import spatial_mean

REVISIONS = ("current", "initial")


def require_revision(revision):
    """Raise ValueError unless `revision` is one of REVISIONS."""
    if revision not in REVISIONS:
        raise ValueError(f"revision must be one of {', '.join(REVISIONS)}, got {revision!r}")


def instance_stats(x):
    """Centred maps, means and unbiased variances of each channel: (B,C,H,W) -> (B,C,H,W), (B,C,1,1), (B,C,1,1)."""
    pixels = x.shape[2] * x.shape[3]
    mean = spatial_mean(x).unsqueeze([2, 3])
    centred = x - mean
    var = spatial_mean(centred * centred).unsqueeze([2, 3]) * (pixels / (pixels - 1))
    return centred, mean, var


def moments(x, dims, revision):
    """Mean and unbiased variance of x over `dims`, kept as axes of length one.

    quirk: the initial revision takes the variance over one axis at a time, a variance of variances.
    """
    mean = x.mean(dims, keepdim=True)
    var = x
    for axes in [list(dims)] if revision == "current" else [[dim] for dim in dims]:
        count = 1
        for axis in axes:
            count *= var.shape[axis]
        centred = var - var.mean(axes, keepdim=True)
        var = (centred * centred).mean(axes, keepdim=True) * (count / (count - 1))
    return mean, var


def layer_instance_norm(x, rho, gamma, beta, eps, revision):
    """(rho * a_I + (1 - rho) * a_L) * gamma + beta, eq. 1; x (B,C,H,W), the others broadcast to it."""
    mean_i, var_i = moments(x, (2, 3), revision)
    mean_l, var_l = moments(x, (1, 2, 3), revision)
    a_i = (x - mean_i) / paddle.sqrt(var_i + constant(eps, x))
    a_l = (x - mean_l) / paddle.sqrt(var_l + constant(eps, x))
    return (rho * a_i + (1 - rho) * a_l) * gamma + beta


def folded_layer_instance_norm(x, rho, gamma, beta, eps):
    """`layer_instance_norm` of the current revision, as one scale and one shift per channel."""
    channels, pixels = x.shape[1], x.shape[2] * x.shape[3]
    centred, mean, var_i = instance_stats(x)
    eps = constant(eps, x)
    offset = mean - mean.mean(1, keepdim=True)  # of the channel's mean from the layer's
    squares = (pixels - 1) * var_i + pixels * offset * offset
    var_l = squares.sum(1, keepdim=True) / (channels * pixels - 1)
    weight_i = rho * paddle.rsqrt(var_i + eps)
    weight_l = (1 - rho) * paddle.rsqrt(var_l + eps)
    return centred * ((weight_i + weight_l) * gamma) + (weight_l * offset * gamma + beta)


def _layer_instance_norm(x, rho, gamma, beta, eps, revision):
    if revision == "current":
        return folded_layer_instance_norm(x, rho, gamma, beta, eps)
    return layer_instance_norm(x, rho, gamma, beta, eps, revision)


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
        return _layer_instance_norm(x, self.rho, gamma, beta, self.eps, self.revision)


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
        return _layer_instance_norm(x, self.rho, self.gamma, self.beta, self.eps, self.revision)


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
        return centred * paddle.rsqrt(var * ((pixels - 1) / pixels) + constant(self.eps, x))
