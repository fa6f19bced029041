"""SAGAN's layers and networks as cases."""

import numpy as np

from align.cases.case import Case, representable
from align.cases.training import TrainingCase, batches

_NORM, _SPECTRAL, _MODEL = "layers/batch_norm.py", "layers/spectral_norm.py", "models/sagan.py"
_MAPS = (3, 8, 9, 7)
_SN = "(W / sigma) x, sigma = u^T W v, one power iteration per forward; W as (first axis, -1)"
_ATTENTION = "gamma v softmax(q^T k)^T + x"


def _wrapped_conv(layers):
    return layers.SpectralNormWrapper(layers.Conv2D(3, 8, 4, stride=2, padding=1))


def _wrapped_transpose(layers):
    return layers.SpectralNormWrapper(layers.ConvTranspose2D(8, 6, 4, stride=2, padding=1))


def sagan_generator_case(name, shape=(3, 12), calls=2, training=True, **options):
    """Return a case of a generator on a batch of latents; in training mode every call updates its norms."""
    options = {"z_dim": shape[1], "conv_dim": 8} | options
    outputs = "image, two attention maps"
    build = lambda L: L.SaganGenerator(**options)  # noqa: E731
    return Case(name, build, [tuple(shape)], outputs, _MODEL, "SAGANGenerator", calls, training)


def sagan_discriminator_case(name, shape=(3, 3, 32, 32), calls=2, training=True, **options):
    """Return a case of a discriminator on a batch of images."""
    options = {"image_size": shape[2], "conv_dim": 8} | options
    outputs = "logit, two attention maps"
    build = lambda L: L.SaganDiscriminator(**options)  # noqa: E731
    return Case(name, build, [tuple(shape)], outputs, _MODEL, "SAGANDiscriminator", calls, training)


CASES = [
    Case(
        "conv-padded",
        lambda L: L.Conv2D(3, 8, 4, 2, 1),
        [(3, 3, 11, 8)],
        "W * x + b",
        "layers/convolution.py",
        "Conv2D",
    ),
    Case(
        "conv-transpose",
        lambda L: L.ConvTranspose2D(8, 6, 4, 2, 1),
        [_MAPS],
        "the gradient of W * x, + b",
        "layers/convolution.py",
        "ConvTranspose2D",
    ),
    Case(
        "batch-norm",
        lambda L: L.BatchNorm2D(8),
        [_MAPS],
        "(x - mean) / sqrt(var + 1e-5) w + b; running statistics with momentum 0.1, unbiased",
        _NORM,
        "BatchNorm2D",
        calls=2,
    ),
    Case(
        "batch-norm-eval",
        lambda L: L.BatchNorm2D(8),
        [_MAPS],
        "(x - mean) / sqrt(var + 1e-5) w + b with running statistics",
        _NORM,
        "BatchNorm2D",
        training=False,
    ),
    Case("spectral-wrapper", _wrapped_conv, [(3, 3, 12, 8)], _SN, _SPECTRAL, "SpectralNormWrapper", calls=3),
    # So small that the 1e-12 beside the lengths of u and v is seen.
    Case("spectral-wrapper-tiny", _wrapped_conv, [(3, 3, 12, 8)], _SN, _SPECTRAL, "SpectralNormWrapper", gain=1e-7),
    Case("spectral-wrapper-transpose", _wrapped_transpose, [_MAPS], _SN, _SPECTRAL, "SpectralNormWrapper", calls=3),
    Case(
        "spectral-wrapper-eval",
        _wrapped_transpose,
        [_MAPS],
        _SN,
        _SPECTRAL,
        "SpectralNormWrapper",
        calls=3,
        training=False,
    ),
    Case("self-attention", lambda L: L.SelfAttention(16), [(3, 16, 5, 6)], _ATTENTION, _MODEL, "SelfAttention"),
    # By operations with second derivatives; of energies so far apart that their powers exceed what a float holds.
    Case(
        "self-attention-twice",
        lambda L: L.Twice(L.SelfAttention(16)),
        [(3, 16, 5, 6)],
        _ATTENTION,
        _MODEL,
        "SelfAttention",
        gain=16.0,
    ),
    Case(
        "sagan-discriminator-twice",
        lambda L: L.Twice(L.SaganDiscriminator(image_size=16, conv_dim=8)),
        [(3, 3, 16, 16)],
        "logit, two attention maps",
        _MODEL,
        "SAGANDiscriminator",
    ),
    sagan_generator_case("sagan-generator", image_size=32),
    sagan_generator_case("sagan-generator-64", (2, 12), calls=1),
    sagan_generator_case("sagan-generator-eval", training=False, image_size=16),
    sagan_discriminator_case("sagan-discriminator"),
    sagan_discriminator_case("sagan-discriminator-64", (2, 3, 64, 64), calls=1),
    sagan_discriminator_case("sagan-discriminator-eval", (3, 3, 16, 16), training=False),
]


def images_and_latents(config, seed):
    """Yield a batch of one domain, and the latents of both halves of the step; for wgan-gp also the shares."""
    rng, shares = np.random.default_rng([seed, 4]), np.random.default_rng([seed, 5])
    for batch in batches(config, seed, domains=1):
        random = {kind: rng.standard_normal((config.batch_size, config.z_dim)) for kind in "DG"}
        if config.adv_loss == "wgan-gp":
            random["mix"] = shares.uniform(0, 1, config.batch_size)
        yield batch, {name: representable(array) for name, array in random.items()}


def wide_logits(name, state):
    """Spread the discriminator's logits beyond the corners of the hinge loss, in place.

    If all of them lay between the corners, the loss would be a mean, its corners would go untested, and the gradient of
    the last bias would be pure rounding error, which Adam, dividing it by itself plus 1e-8, turns into steps of 1e-9.
    """
    if name == "D":
        state["last.0.weight"] *= 8
        state["last.0.bias"] += 1


TRAINING = TrainingCase(
    "sagan",
    {"img_size": 32, "load_size": 32, "conv_dim": 8, "z_dim": 12, "batch_size": 4, "iteration": 6},
    images_and_latents,
    wide_logits,
    afterwards=tuple(f"{kind}_gamma{number}" for kind in "gd" for number in (1, 2)),
    variants={"wgan-gp": {"adv_loss": "wgan-gp"}},
)


def network_case(name, kind, options, revision, size, batch):
    """Return the case of a checkpoint's network, as paddle_ugatit/weights/sagan.py describes it."""
    if kind == "SAGAN generator":
        return sagan_generator_case(name, (batch, options["z_dim"]), **options)
    side = options["image_size"]
    return sagan_discriminator_case(name, (batch, 3, side, side), **options)
