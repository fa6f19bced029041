"""Faults of StyleGAN2, numbered as in the catalogue: FAULTS of its layers with their CAUSES, and TRAINING."""

from functools import partial

import numpy as np
import paddle
import paddle.nn.functional as F

from align.cases.stylegan2 import TRAINING as _SYSTEM
from align.faults.training import TrainingFault
from align.planting import local, patched, put_weight, run
from paddle_ugatit import losses
from paddle_ugatit.backend.compat import copied_transpose
from paddle_ugatit.layers import twice_differentiable as smooth
from paddle_ugatit.models import stylegan2
from paddle_ugatit.training import augment
from paddle_ugatit.training import stylegan2 as training

_BLOCK, _DISCRIMINATOR = "generator-block", "stylegan2-discriminator"
_NOISE = (stylegan2, "noise_map")


def _reversed_axes(array):
    return array.T


def _zero_border(own, layer, x):
    height, width = x.shape[2:]
    kernel = paddle.to_tensor(np.outer([1, 2, 1], [1, 2, 1])[None, None] / 16, x.dtype)
    out = F.conv2d(x.reshape([-1, 1, height, width]), kernel, padding=1)
    return out.reshape(x.shape)


def _demodulated_plainly(own, layer, x, y):
    """As if styles had length 1: the weight is demodulated, then the activations modulated."""
    squares = (layer.weight**2).sum([1, 2, 3], keepdim=True)
    out = F.conv2d(x * smooth.spread(y + 1, x), layer.weight, padding=layer.padding)
    return out * paddle.rsqrt(squares + 1e-8).reshape([1, -1, 1, 1])


FAULTS = [
    local(1, "square EqualLinear transposed", "style-network", "net.2", put_weight("weight", _reversed_axes)),
    local(20, "zero border of the blur", _DISCRIMINATOR, "blocks.1.downsample.0", run(_zero_border)),
    local(34, "demodulation without the style", _BLOCK, "conv2", run(_demodulated_plainly)),
    patched(
        35,
        "noise the right way round",
        _BLOCK,
        "activation",
        "activation",
        _NOISE,
        lambda noise: copied_transpose(noise, [0, 3, 1, 2]),
    ),
]
CAUSES = {
    "square EqualLinear transposed": "transposed",
    "zero border of the blur": "blur's border zero",
    "demodulation without the style": "demodulation by the weight without its style",
    "noise the right way round": "noise's height and width not swapped",
}

_fault = partial(TrainingFault, trainers=_SYSTEM.trainers, system="stylegan2", config=_SYSTEM.small, steps=6)


def _detached(name):
    right = getattr(losses, name)
    return ((training, name, lambda gradients: right(gradients.detach())),)


def _other_order(images, numbers, _kinds):
    for kind in ("color", "cutout", "translation"):
        images = augment.augment(images, numbers, (kind,))
    return images


TRAINING = [
    _fault(
        43,
        "path lengths through the article's grouped convolution",
        "moment1",
        "G",
        "the second derivative through the first filter lost",
        patches=((stylegan2.Conv2DMod, "grouped", True),),
        step=5,
    ),
    _fault(
        39,
        "gradient penalty detached",
        "moment1",
        "D",
        "the gradient penalty detached",
        patches=_detached("gradient_penalty"),
    ),
    _fault(
        39,
        "path lengths detached",
        "moment1",
        "G",
        "the path lengths detached",
        patches=_detached("path_lengths"),
        step=5,
    ),
    _fault(
        0,
        "cutout before translation",
        "loss",
        "losses",
        "cutout before translation",
        patches=((training, "augment", _other_order),),
        step=2,
    ),
]
