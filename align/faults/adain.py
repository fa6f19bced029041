"""Faults of AdaIN style transfer: FAULTS, numbered as in the catalogue, and in CAUSES the cause to name for each."""

import paddle
import paddle.nn.functional as F

from align.faults.layers import biased_stats, zero_pad
from align.planting import local, patched, run
from paddle_ugatit.backend.compat import constant
from paddle_ugatit.layers import norm
from paddle_ugatit.layers.channels import channel_shift

_TRANSFER, _ENCODER, _ODD, _DECODER = "style-transfer", "encoder", "encoder-odd", "decoder"
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


_floor = run(lambda own, layer, x: F.max_pool2d(x, 2))
_average = run(lambda own, layer, x: F.avg_pool2d(x, 2, ceil_mode=True, exclusive=True))
_identity = run(lambda own, layer, x: x * 1)
_bilinear = run(lambda own, layer, x: F.interpolate(x, scale_factor=2, mode="bilinear"))
_other_way = run(lambda own, layer, x, y: own(y, x))

FAULTS = [
    patched(15, "biased variances in AdaIN", "adain-odd", "", "", _STATS, biased_stats),
    local(16, "eps 1e-6 in AdaIN", _TRANSFER, "adain", lambda layer: setattr(layer, "eps", 1e-6)),
    local(16, "eps outside the root in AdaIN", _TRANSFER, "adain", run(_eps_outside)),
    local(18, "max pool of VGG without ceil_mode", _ODD, "7", _floor),
    local(20, "zero pad in the encoder", _ENCODER, "8", zero_pad),
    local(20, "zero pad in the decoder", _DECODER, "24", zero_pad),
    local(21, "bilinear for nearest in the decoder", _DECODER, "16", _bilinear),
    patched(0, "variances for deviations in AdaIN", "adain", "", "", _MOMENTS, _variances),
    patched(39, "style's moments detached", "adain", None, "", _MOMENTS, _detached),
    local(0, "content and style swapped in AdaIN", "adain", "", _other_way),
    local(0, "AdaIN moves means only", "adain", "", run(_means_only)),
    local(0, "ReLU missing in the encoder", _ENCODER, "6", _identity),
    local(0, "average for max pool in the encoder", _ENCODER, "14", _average),
]
CAUSES = {
    "biased variances in AdaIN": "biased variances",
    "eps 1e-6 in AdaIN": "eps 1e-06 for 1e-05",
    "eps outside the root in AdaIN": "eps outside the root",
    "max pool of VGG without ceil_mode": "ceil_mode False",
    "zero pad in the encoder": "zero pad",
    "zero pad in the decoder": "zero pad",
    "bilinear for nearest in the decoder": "resize bilinear, align_corners False",
    "variances for deviations in AdaIN": "variance of the style for its deviation",
    "style's moments detached": "argument 1 detached",
    "content and style swapped in AdaIN": "arguments 0 and 1 swapped",
    "AdaIN moves means only": "means only",
    "ReLU missing in the encoder": "activation: none",
    "average for max pool in the encoder": "resize area",
}
