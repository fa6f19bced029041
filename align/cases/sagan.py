"""SAGAN's layers and networks as cases."""

from align.cases.case import Case

_BASIC, _NORM, _SPECTRAL, _MODEL = (
    *("layers/basic.py", "layers/batch_norm.py", "layers/spectral_norm.py"),
    "models/sagan.py",
)
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
    return Case(name, build, [tuple(shape)], outputs, _MODEL, "Generator", calls, training)


def sagan_discriminator_case(name, shape=(3, 3, 32, 32), calls=2, training=True, **options):
    """Return a case of a discriminator on a batch of images."""
    options = {"image_size": shape[2], "conv_dim": 8} | options
    outputs = "logit, two attention maps"
    build = lambda L: L.SaganDiscriminator(**options)  # noqa: E731
    return Case(name, build, [tuple(shape)], outputs, _MODEL, "Discriminator", calls, training)


SAGAN_CASES = [
    Case("conv-padded", lambda L: L.Conv2D(3, 8, 4, 2, 1), [(3, 3, 11, 8)], "W * x + b", _BASIC, "Conv2D"),
    Case(
        "conv-transpose",
        lambda L: L.ConvTranspose2D(8, 6, 4, 2, 1),
        [_MAPS],
        "the gradient of W * x, + b",
        _BASIC,
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
    sagan_generator_case("sagan-generator", image_size=32),
    sagan_generator_case("sagan-generator-64", (2, 12), calls=1),
    sagan_generator_case("sagan-generator-eval", training=False, image_size=16),
    sagan_discriminator_case("sagan-discriminator"),
    sagan_discriminator_case("sagan-discriminator-64", (2, 3, 64, 64), calls=1),
    sagan_discriminator_case("sagan-discriminator-eval", (3, 3, 16, 16), training=False),
]
