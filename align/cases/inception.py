"""The layers of FID's Inception as cases."""

from align.cases.case import Case

_BATCH_NORM, _INCEPTION = "layers/batch_norm.py", "models/inception.py"
_MAPS = (3, 8, 9, 7)


def inception_case(name, shape=(1, 3, 75, 75), narrow=1):
    """Return a case of FID's Inception with its widths divided by `narrow`, on one batch of `shape`."""
    return Case(name, lambda L: L.InceptionV3(narrow), [tuple(shape)], "features, logits", _INCEPTION, "InceptionV3")


_WIDE = (3, 12, 9, 7)  # input of the mixed blocks, at a sixteenth of their width
CASES = [
    Case(
        "frozen-batch-norm",
        lambda L: L.FrozenBatchNorm2D(8),
        [_MAPS],
        "(x - mean) / sqrt(var + 1e-3) w + b",
        _BATCH_NORM,
        "FrozenBatchNorm2D",
    ),
    Case(
        "inception-a", lambda L: L.InceptionA(12, 2, 16), [_WIDE], "[1x1, 5x5, 3x3 3x3, mean]", _INCEPTION, "InceptionA"
    ),
    Case("inception-b", lambda L: L.InceptionB(12, 16), [_WIDE], "[3x3, 3x3 3x3, max]", _INCEPTION, "InceptionB"),
    Case(
        "inception-c", lambda L: L.InceptionC(12, 8, 16), [_WIDE], "[1x1, 7x7, 7x7 7x7, mean]", _INCEPTION, "InceptionC"
    ),
    Case("inception-d", lambda L: L.InceptionD(12, 16), [_WIDE], "[3x3, 7x7 3x3, max]", _INCEPTION, "InceptionD"),
    Case(
        "inception-e",
        lambda L: L.InceptionE(12, "mean", 16),
        [_WIDE],
        "[1x1, 1x3, 3x1, 3x3 1x3, 3x3 3x1, mean]",
        _INCEPTION,
        "InceptionE",
    ),
    Case(
        "inception-e-max",
        lambda L: L.InceptionE(12, "max", 16),
        [_WIDE],
        "[1x1, 1x3, 3x1, 3x3 1x3, 3x3 3x1, max]",
        _INCEPTION,
        "InceptionE",
    ),
    inception_case("inception", narrow=16),
]


def network_case(name, kind, options, revision, size, batch):
    """Return the case of a checkpoint's network, as paddle_ugatit/weights/inception.py describes it."""
    return inception_case(name, (batch, 3, size or 299, size or 299), **options)
