"""The layers and networks of StyleGAN2 as cases, at 16 px and with a few channels."""

import numpy as np

from align.cases.case import Case, representable
from align.cases.training import TrainingCase, batches

_SMOOTH, _MODEL = "layers/twice_differentiable.py", "models/stylegan2.py"
_MAPS, _EVEN = (3, 6, 9, 7), (3, 6, 8, 8)  # odd sizes; even ones, as the blocks of the networks get them
_STYLE, _NOISE, _IMAGE = (3, 5), (3, 16, 16, 1), (3, 3, 8, 8)
_MODULATED = "conv(x, w (y + 1) / sqrt(sum (w (y + 1))^2 + 1e-8))"


def _case(name, build, shapes, equation, layer, file=_MODEL, **more):
    return Case(name, build, shapes, equation, file, layer, **more)


def network_case(name, kind, options, revision, size, batch):
    """Return the case of a checkpoint's network, as paddle_ugatit/weights/stylegan2.py describes it."""
    if kind == "stylegan2-style":
        build = lambda L: L.stylegan2.StyleVectorizer(**options)  # noqa: E731
        return _case(name, build, [(batch, options["latent_dim"])], "style", "StyleVectorizer")
    size = options["image_size"]  # the network takes no other
    if kind == "stylegan2-discriminator":
        build = lambda L: L.stylegan2.StyleGAN2Discriminator(**options)  # noqa: E731
        return _case(name, build, [(batch, 3, size, size)], "logit", "StyleGAN2Discriminator")
    build = lambda L: L.stylegan2.StyleGAN2Generator(**options)  # noqa: E731
    shapes = [(batch, size.bit_length() - 2, options["latent_dim"]), (batch, size, size, 1)]
    return _case(name, build, shapes, "image", "StyleGAN2Generator")


CASES = [
    _case("smooth-conv", lambda L: L.smooth.SmoothConv2D(6, 8, 3, 2, 1), [_MAPS], "W * x + b", "SmoothConv2D", _SMOOTH),
    _case("smooth-linear", lambda L: L.smooth.SmoothLinear(5, 8), [_STYLE], "x W^T + b", "SmoothLinear", _SMOOTH),
    _case(
        "smooth-relu",
        lambda L: L.smooth.SmoothLeakyReLU(0.2),
        [_MAPS],
        "max(x, 0.2 x)",
        "SmoothLeakyReLU",
        _SMOOTH,
        zeros=True,
    ),
    _case(
        "bilinear",
        lambda L: L.smooth.BilinearUpsample(),
        [_MAPS],
        "3/4 and 1/4 of two neighbours",
        "BilinearUpsample",
        _SMOOTH,
    ),
    _case("blur", lambda L: L.smooth.Blur(), [_MAPS], "f f^T / 16, f = [1, 2, 1]", "Blur", _SMOOTH),
    _case("equal-linear", lambda L: L.stylegan2.EqualLinear(5, 8), [_STYLE], "x (0.1 W)^T + 0.1 b", "EqualLinear"),
    _case(
        "style-network",
        lambda L: L.stylegan2.StyleVectorizer(5, 3),
        [_STYLE],
        "layers of z / sqrt(sum z^2)",
        "StyleVectorizer",
    ),
    _case("modulated-activations", lambda L: L.stylegan2.Conv2DMod(6, 8, 3), [_MAPS, (3, 6)], _MODULATED, "Conv2DMod"),
    _case("modulated-filters", lambda L: L.GroupedConv2DMod(6, 8, 3), [_MAPS, (3, 6)], _MODULATED, "Conv2DMod"),
    _case(
        "modulated-no-demod",
        lambda L: L.stylegan2.Conv2DMod(6, 3, 1, demod=False),
        [_MAPS, (3, 6)],
        "conv(x, w (y + 1))",
        "Conv2DMod",
    ),
    _case(
        "rgb-block",
        lambda L: L.stylegan2.RGBBlock(5, 6, upsample=True),
        [_EVEN, _IMAGE, _STYLE],
        "blur(bilinear(conv(x) + image))",
        "RGBBlock",
    ),
    _case(
        "generator-block",
        lambda L: L.stylegan2.GeneratorBlock(5, 6, 4),
        [_EVEN, (3, 3, 16, 16), _STYLE, _NOISE],
        "two of LReLU(conv(x, y) + noise), and the image",
        "GeneratorBlock",
    ),
    _case(
        "discriminator-block",
        lambda L: L.stylegan2.DiscriminatorBlock(6, 4),
        [_EVEN],
        "(net(x) + conv(x)) / sqrt(2)",
        "DiscriminatorBlock",
    ),
    _case(
        "stylegan2-generator",
        lambda L: L.stylegan2.StyleGAN2Generator(16, 5, 2),
        [(3, 3, 5), _NOISE],
        "image",
        "StyleGAN2Generator",
    ),
    _case(
        "stylegan2-discriminator",
        lambda L: L.stylegan2.StyleGAN2Discriminator(16, 1),
        [(3, 3, 16, 16)],
        "logit",
        "StyleGAN2Discriminator",
    ),
]


def styles(config, seed):
    """Yield a batch and what a step of StyleGAN2 draws; the mixing point varies, two of three steps are augmented."""
    from torch_ref.training.augment import COUNT  # here, since not every check needs PyTorch

    rng, layers, size = np.random.default_rng([seed, 4]), config.img_size.bit_length() - 2, config.img_size
    for step, batch in enumerate(batches(config, seed, 1)):
        count = len(batch[0])
        random = {"path": rng.standard_normal((count, 3, size, size))}
        for number, half in enumerate(("d", "g")):
            random[f"{half}_latents"] = rng.standard_normal((count, 2, config.latent_dim))
            random[f"{half}_mix"] = np.arange(layers) < (step + number) % (layers + 1)
            random[f"{half}_noise"] = rng.uniform(0, 1, (count, size, size, 1))
        for images in ("real", "d", "g") if step % 3 else ():
            random[f"{images}_augment"] = rng.uniform(0, 1, (count, COUNT))
        yield batch, {name: representable(array) for name, array in random.items()}


# Counted from 1: gradient penalty in steps 1, 3 and 5; path length in 3, where it only starts its running mean, and in
# 5; the averaged networks are copied from the trained ones in 3 and updated in 5 and 6.
SMALL = {
    "img_size": 16,
    "load_size": 16,
    "latent_dim": 8,
    "style_depth": 2,
    "network_capacity": 2,
    "penalty_every": 2,
    "path_every": 2,
    "path_after": 0,
    "mean_every": 1,
    "mean_after": 3,
    "copy_every": 20,
    "copy_until": 2,
    "iteration": 6,
    "batch_size": 2,
}
TRAINING = TrainingCase(
    "stylegan2",
    SMALL,
    styles,
    variants={
        "path lengths": {"path_every": 1, "path_decay": 0.7, "mean_decay": 0.9},  # whose running mean then acts
        "copies": {"copy_every": 2, "copy_until": 5},  # of the weights as running means
    },
)
