"""The networks whose initial values are compared, and the initialisations that are known by name.

`gaussian_discriminator` represents training code that draws N(0, 0.02) itself. Under spectral normalisation it must
write to the raw weight, from which the normalised one is derived.
"""

import math

import numpy as np
import paddle
import torch

from align.cases import Case

_MODEL = "models/ugatit.py"
_SMALL = {"input_nc": 3, "output_nc": 3, "ngf": 4, "n_blocks": 2, "img_size": 32}
DEVIATION = 0.02


def raw_weight(layer):
    """Return the parameter that initial values must be written to."""
    return layer.weight_orig


def gaussian_discriminator(layers, target=raw_weight):
    """Build a discriminator whose normalised layers start from N(0, 0.02); in Paddle `target(layer)` is written to."""
    model = layers.Discriminator(input_nc=3, ndf=4, n_layers=5)
    of_torch = layers.framework == "torch"
    for layer in model.modules() if of_torch else model.sublayers():
        if not hasattr(layer, "weight_orig"):
            continue
        if of_torch:
            with torch.no_grad():
                layer.weight_orig.normal_(0, DEVIATION)
        else:
            tensor = target(layer)
            tensor.set_value(paddle.normal(0.0, DEVIATION, tensor.shape).astype(tensor.dtype))
    return model


def _generator(name, **options):
    return Case(name, lambda L: L.ResnetGenerator(**_SMALL, **options), [], "", _MODEL, "ResnetGenerator")


def _discriminator(name, **options):
    return Case(name, lambda L: L.Discriminator(input_nc=3, **options), [], "", _MODEL, "Discriminator")


def _stylegan2(kind, *options):
    name = f"stylegan2-{kind.removeprefix('StyleGAN2').lower()}"
    return Case(name, lambda L: getattr(L.stylegan2, kind)(*options), [], "", "models/stylegan2.py", kind)


CASES = {
    case.name: case
    for case in (
        _generator("generator-light", light=True),
        _generator("generator-light-initial", light=True, revision="initial"),
        _generator("generator-full"),
        _discriminator("discriminator-local", ndf=4, n_layers=5),
        _discriminator("discriminator-global", ndf=2, n_layers=7),
        Case(
            "instance-norm-affine",
            lambda L: L.InstanceNorm2D(3, affine=True),
            [],
            "",
            "layers/norm.py",
            "InstanceNorm2D",
        ),
        Case("decoder", lambda L: L.Decoder(4), [], "", "models/adain.py", "Decoder"),
        _stylegan2("StyleVectorizer", 16, 2),
        _stylegan2("StyleGAN2Generator", 8, 16, 24),
        _stylegan2("StyleGAN2Discriminator", 8, 12),
        Case("sagan-generator", lambda L: L.SaganGenerator(32, 16, 8), [], "", "models/sagan.py", "SAGANGenerator"),
        Case(
            "sagan-discriminator",
            lambda L: L.SaganDiscriminator(32, 8),
            [],
            "",
            "models/sagan.py",
            "SAGANDiscriminator",
        ),
        Case("discriminator-gaussian", lambda L: gaussian_discriminator(L), [], "", _MODEL, "Discriminator"),
    )
}


def fans(shape):
    """Return (fan_in, fan_out) of a weight of this shape, in PyTorch's layout."""
    if len(shape) < 2:
        return max(1, math.prod(shape)), max(1, math.prod(shape))
    pixels = math.prod(shape[2:])
    return shape[1] * pixels, shape[0] * pixels


def known_initialisations(kind, leaf, fan_in, fan_out):
    """Return name -> function (rng, n) that draws n values, for a parameter named `leaf`."""

    def uniform(bound):
        return lambda rng, n: rng.uniform(-bound, bound, n)

    def normal(deviation):
        return lambda rng, n: rng.normal(0, deviation, n)

    def constant(value):
        return lambda rng, n: np.full(n, value, np.float32)

    known = {f"constant {value:g}": constant(value) for value in (0, 0.1, 0.5, 0.9, 1)}
    if leaf.startswith(("weight", "bias")):
        known |= {
            "N(0, 0.02)": normal(DEVIATION),
            "N(0, 1)": normal(1),
            "uniform by fan_in, PyTorch's default": uniform(1 / math.sqrt(fan_in)),
            "Kaiming normal, Paddle's default for a convolution": normal(math.sqrt(2 / fan_in)),
            "Xavier uniform, Paddle's default for a Linear": uniform(math.sqrt(6 / (fan_in + fan_out))),
            "Kaiming uniform": uniform(math.sqrt(6 / fan_in)),
            "Xavier normal": normal(math.sqrt(2 / (fan_in + fan_out))),
        }
    return known
