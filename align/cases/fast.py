"""Cases on either side of every limit at which a layer takes a faster way (paddle_ugatit/layers/fast/dispatch.py).

tests/align/test_fast_cases.py fails if a condition in fast/ is never true or never false in these cases.
"""

from align.cases.case import Case

_CONV, _PAD, _NORM, _MODEL = "layers/convolution.py", "layers/reflection_pad.py", "layers/norm.py", "models/ugatit.py"


def _conv(name, maps, outputs, kernel=3, stride=1):
    """A convolution of `maps`, (B,in,H,W), without padding."""
    build = lambda L: L.Conv2D(maps[1], outputs, kernel, stride)  # noqa: E731
    return Case(f"fast-{name}", build, [maps], "W * x + b", _CONV, "Conv2D")


def _pad(name, maps, padding):
    build = lambda L: L.ReflectionPad2D(padding)  # noqa: E731
    return Case(f"fast-{name}", build, [maps], "y[-i] = x[i]", _PAD, "ReflectionPad2D")


def _fused(name, maps, upsample=False, bias=False):
    def build(L):
        before = [L.Upsample()] if upsample else []
        return L.Chain(*before, L.ReflectionPad2D(1), L.Conv2D(maps[1], 64, 3, bias=bias))

    return Case(f"fast-{name}", build, [maps], "W * reflected x", "layers/sequential.py", "Sequential")


def viewed_case(name, kind, shape):
    """A small generator whose input is a view with strides: a transposed, cropped or strided array."""
    options = {"ngf": 4, "n_blocks": 1, "img_size": 16, "light": True}
    build = lambda L: L.Viewed(L.ResnetGenerator(3, 3, **options), kind)  # noqa: E731
    return Case(name, build, [shape], "image, CAM logit, heatmap, of a view", _MODEL, "ResnetGenerator")


def plain_case(name, build, shapes, file, layer):
    """A layer or network by its plain formulas, which only a GPU takes otherwise; small maps, as it is slow."""
    return Case(f"plain-{name}", lambda L: L.Plain(build(L)), shapes, "the plain formula", file, layer)


def _turned(name, build, shapes, file, layer):
    """A layer that is given a gradient with strides, as a transposition after it makes one."""
    return Case(f"fast-{name}-turned", lambda L: L.Turned(build(L)), shapes, "of a gradient with strides", file, layer)


_LIGHT = {"ngf": 4, "n_blocks": 1, "img_size": 16, "light": True}
_MAPS, _PAIR = (2, 8, 9, 7), [(2, 8, 9, 7), (2, 8), (2, 8)]
CASES = [
    # What a GPU takes: every faster way switched off.
    plain_case("conv", lambda L: L.Conv2D(8, 4, 3), [_MAPS], _CONV, "Conv2D"),
    plain_case("border", lambda L: L.ReflectionPad2D(3), [_MAPS], _PAD, "ReflectionPad2D"),
    plain_case("adailn", lambda L: L.AdaILN(8), _PAIR, _NORM, "AdaILN"),
    plain_case("adailn-initial", lambda L: L.AdaILN(8, revision="initial"), _PAIR, _NORM, "AdaILN"),
    plain_case("adailn-tensorflow", lambda L: L.AdaILN(8, revision="tensorflow"), _PAIR, _NORM, "AdaILN"),
    plain_case("iln", lambda L: L.ILN(8), [_MAPS], _NORM, "ILN"),
    plain_case("adain", lambda L: L.AdaIN(), [_MAPS, (2, 8, 5, 6)], _NORM, "AdaIN"),
    plain_case("batch-norm", lambda L: L.BatchNorm2D(8), [_MAPS], "layers/batch_norm.py", "BatchNorm2D"),
    plain_case("generator", lambda L: L.ResnetGenerator(3, 3, **_LIGHT), [(2, 3, 16, 16)], _MODEL, "ResnetGenerator"),
    plain_case(
        "discriminator", lambda L: L.Discriminator(3, ndf=4, n_layers=5), [(2, 3, 32, 32)], _MODEL, "Discriminator"
    ),
    # Winograd's tiles: 4x4 pixels, for enough pixels and channels, in runs of up to 128 channels.
    _conv("tiles-even", (2, 64, 18, 34), 64),
    _conv("tiles-odd", (16, 129, 14, 6), 64),  # 3 tiles by 1; 129 channels make three runs
    _conv("tiles-one", (64, 64, 6, 6), 64),
    _conv("tiles-large", (1, 128, 98, 98), 64),  # beyond the size whose tiles are kept for the backward pass
    _conv("tiles-not-by-height", (1, 64, 33, 34), 64),
    _conv("tiles-not-by-width", (1, 64, 34, 33), 64),
    _conv("tiles-not-by-pixels", (1, 192, 18, 30), 192),
    _conv("tiles-not-by-outputs", (1, 64, 34, 34), 63),
    _conv("tiles-not-by-inputs", (1, 63, 34, 34), 64),
    _conv("tiles-not-by-stride", (1, 64, 34, 34), 64, stride=2),
    _conv("tiles-not-by-kernel", (1, 64, 34, 34), 64, kernel=1),
    # Of 4x4 taps: 3x3 pixels, the last ones of which may lie beyond the map.
    _conv("tiles-of-four", (2, 64, 15, 18), 64, kernel=4),
    _conv("tiles-of-four-cropped", (1, 64, 17, 19), 70, kernel=4),
    _conv("tiles-of-four-not-by-size", (1, 64, 65, 8), 64, kernel=4),
    _conv("tiles-of-four-not-by-stride", (1, 64, 34, 34), 64, kernel=4, stride=2),
    # Few outputs: scattered; one: partial sums.
    _conv("scattered", (3, 8, 9, 7), 4),
    _conv("scattered-not-by-outputs", (3, 8, 9, 7), 5),
    _conv("scattered-not-by-inputs", (3, 7, 9, 7), 4),
    _conv("scattered-not-by-stride", (3, 8, 9, 7), 4, stride=2),
    _conv("scattered-not-by-kernel", (3, 8, 9, 7), 4, kernel=1),
    _conv("one-output", (2, 8, 9, 7), 1, kernel=4),
    # One product for the whole batch, up to 128 pixels.
    _conv("unfolded", (2, 64, 11, 11), 64, kernel=4),
    _conv("unfolded-not-by-pixels", (2, 64, 11, 12), 64, kernel=4),
    _conv("unfolded-not-by-channels", (2, 63, 7, 7), 64, kernel=4),
    _conv("unfolded-by-stride", (1, 64, 18, 18), 64, kernel=4, stride=2),
    # Weights' gradients from gathered pixels.
    _conv("gathered", (2, 3, 29, 38), 8, kernel=7),
    _conv("gathered-by-stride", (1, 3, 66, 35), 64, kernel=4, stride=2),  # the last column is under no kernel
    _conv("gathered-not-by-pixels", (2, 3, 28, 28), 8, kernel=7),
    _conv("gathered-not-by-outputs", (1, 3, 29, 38), 65, kernel=7),
    _conv("gathered-not-by-kernel", (1, 3, 32, 32), 8, kernel=1),
    # Borders: products in maps of up to 16 pixels a side, in the backward pass up to 32; overlapping borders.
    _pad("border-small", (2, 3, 16, 16), 1),
    _pad("border-by-width", (2, 3, 9, 17), 3),
    _pad("border-by-height", (2, 3, 17, 9), 1),
    _pad("border-in-backward", (1, 3, 32, 20), 3),
    _pad("border-large", (1, 3, 33, 40), 3),
    _pad("border-very-large", (1, 2, 210, 37), 1),
    _pad("border-overlap", (2, 3, 4, 40), 3),
    _pad("border-of-two", (2, 3, 35, 33), 2),
    # A border, and an upsampling before it, within the convolution.
    _fused("fused", (2, 64, 16, 32)),
    _fused("fused-with-bias", (1, 64, 32, 36), bias=True),
    _fused("fused-not-by-size", (2, 64, 15, 36)),
    _fused("fused-large", (2, 16, 68, 72)),  # beyond the size that is cut by matrices
    _fused("fused-twice", (1, 32, 12, 24), upsample=True),
    _fused("fused-twice-large", (1, 16, 72, 68), upsample=True),
    _fused("fused-twice-not-by-size", (1, 32, 13, 24), upsample=True),
    # Inputs and gradients that are views with strides.
    Case(
        "fast-border-cropped",
        lambda L: L.Viewed(L.ReflectionPad2D(3), "cropped"),
        [(1, 3, 35, 44)],
        "y[-i] = x[i], of a view",
        _PAD,
        "ReflectionPad2D",
    ),
    _turned("border", lambda L: L.ReflectionPad2D(3), [(1, 3, 33, 40)], _PAD, "ReflectionPad2D"),
    _turned("border-small", lambda L: L.ReflectionPad2D(1), [(2, 3, 12, 9)], _PAD, "ReflectionPad2D"),
    _turned("tiles", lambda L: L.Conv2D(64, 64, 3), [(2, 64, 18, 34)], _CONV, "Conv2D"),
    _turned("tiles-of-four", lambda L: L.Conv2D(64, 64, 4), [(2, 64, 14, 18)], _CONV, "Conv2D"),
    _turned("unfolded", lambda L: L.Conv2D(64, 64, 4), [(2, 64, 9, 7)], _CONV, "Conv2D"),
    _turned("gathered", lambda L: L.Conv2D(3, 8, 7), [(1, 3, 30, 31)], _CONV, "Conv2D"),
    _turned("scattered", lambda L: L.Conv2D(8, 4, 3), [_MAPS], _CONV, "Conv2D"),
    _turned("adailn", lambda L: L.AdaILN(8), _PAIR, _NORM, "AdaILN"),
    _turned("batch-norm", lambda L: L.BatchNorm2D(8), [_MAPS], "layers/batch_norm.py", "BatchNorm2D"),
    _turned("leaky", lambda L: L.LeakyReLU(0.2), [_MAPS], "layers/leaky_relu.py", "LeakyReLU"),
    viewed_case("generator-transposed", "transposed", (2, 16, 12, 3)),
    viewed_case("generator-cropped", "cropped", (2, 3, 18, 20)),
    viewed_case("generator-strided", "strided", (1, 3, 32, 24)),
    Case(
        "adailn-cropped",
        lambda L: L.Viewed(L.AdaILN(8), "cropped"),
        [(2, 8, 10, 12), (2, 8), (2, 8)],
        "AdaILN of a view",
        _NORM,
        "AdaILN",
    ),
]
