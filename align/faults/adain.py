"""Faults of AdaIN style transfer: FAULTS, numbered as in the catalogue, and in CAUSES the cause to name for each."""

import paddle
import paddle.nn.functional as F

from align.faults.layers import biased_stats
from align.planting import local, patched, run
from paddle_ugatit.backend.compat import constant
from paddle_ugatit.layers import norm
from paddle_ugatit.layers.channels import channel_shift

_TRANSFER, _ENCODER = "style-transfer", "encoder"
_STATS, _MOMENTS = (norm, "instance_stats"), (norm, "channel_moments")
channel_moments = norm.channel_moments


def _eps_outside(own, layer, x, y):
    _, mean, var = norm.instance_stats(y)
    centred, _, var_x = norm.instance_stats(x)
    eps = constant(layer.eps, x)
    return channel_shift(centred * ((paddle.sqrt(var) + eps) / (paddle.sqrt(var_x) + eps)), mean)


def _variances(x, eps):
    mean, deviation = channel_moments(x, eps)
    return mean, deviation**2


def _detached(x, eps):
    return tuple(moment.detach() for moment in channel_moments(x, eps))


def _means_only(own, layer, x, y):
    return x - x.mean([2, 3], keepdim=True) + y.mean([2, 3], keepdim=True)


_average = run(lambda own, layer, x: F.avg_pool2d(x, 2, ceil_mode=True, exclusive=True))
_identity = run(lambda own, layer, x: x * 1)

FAULTS = [
    patched(15, "biased variances in AdaIN", "adain-odd", "", "", _STATS, biased_stats),
    local(16, "eps outside the root in AdaIN", _TRANSFER, "adain", run(_eps_outside)),
    patched(0, "variances for deviations in AdaIN", "adain", "", "", _MOMENTS, _variances),
    patched(39, "style's moments detached", "adain", None, "", _MOMENTS, _detached),
    local(0, "AdaIN moves means only", "adain", "", run(_means_only)),
    local(0, "ReLU missing in the encoder", _ENCODER, "6", _identity),
    local(0, "average for max pool in the encoder", _ENCODER, "14", _average),
]
CAUSES = {
    "biased variances in AdaIN": "biased variances",
    "eps outside the root in AdaIN": "eps outside the root",
    "variances for deviations in AdaIN": "variance of the style for its deviation",
    "style's moments detached": "argument 1 detached",
    "AdaIN moves means only": "means only",
    "ReLU missing in the encoder": "activation: none",
    "average for max pool in the encoder": "resize area",
}
