"""Mistakes in the metrics, planted in memory; align/check_metric.py must catch each.

They are numbered as in the fault catalogue, 0 if they are not there.
"""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from unittest.mock import patch

import numpy as np
from PIL import Image

from paddle_ugatit.metrics import (
    arrays,
    copies,
    features,
    frechet,
    gram,
    mmd,
    parallel,
    preprocess,
    sources,
    spread,
)


@dataclass(frozen=True)
class MetricFault:
    """One fault: what replaces what, and which comparisons must see it."""

    number: int
    name: str
    check: str  # a key of align.checks.metric.PARTS
    owner: object
    attribute: str
    replacement: object

    @contextmanager
    def planted(self):
        """Within the block the fault is in force."""
        if isinstance(self.owner, dict):
            with patch.dict(self.owner, {self.attribute: self.replacement}):
                yield
        else:
            with patch.object(self.owner, self.attribute, self.replacement):
                yield


_kid, _kernel = mmd.kid, gram._kernel
_moments, _to_network = frechet._moments, preprocess.to_network


def _biased(xx, yy, xy, n, m):
    return xx / n**2 + yy / m**2 - 2 * xy / (n * m)


def _other_ddof(*arguments, **options):
    kid = _kid(*arguments, **options)
    return replace(kid, std=float(kid.values.std(ddof=1)))


def _error_as_std(*arguments, **options):
    kid = _kid(*arguments, **options)
    return replace(kid, std=kid.standard_error)


def _without_constant(left, right, centre, room):
    p = left @ right.T
    return p**3 - centre**3


def _squared(left, right, centre, room):
    return (1 + left @ right.T) ** 2 - (1 + centre) ** 2


def _biased_covariance(features):
    mean, root = _moments(features)
    return mean, root * np.sqrt((len(features) - 1) / len(features))


def _pillow(image, filter_):
    return np.asarray(Image.fromarray(image).resize((299, 299), filter_)).astype(np.float32)


def _half_pixel(image):
    """Bilinear with align_corners=False, the default of PyTorch and Paddle, without antialiasing."""
    out = image.astype(np.float32)
    for axis in (0, 1):
        length = out.shape[axis]
        place = np.clip((np.arange(299) + 0.5) * length / 299 - 0.5, 0, length - 1)
        low = place.astype(int)
        part = (place - low).reshape([-1 if i == axis else 1 for i in range(3)])
        high = np.minimum(low + 1, length - 1)
        out = out.take(low, axis) * (1 - part) + out.take(high, axis) * part
    return out


def _scaled_otherwise(pixels, resize):
    return _to_network(pixels, "paper")


def _swapped_channels(pixels, resize):
    return np.ascontiguousarray(_to_network(pixels, resize)[:, ::-1])


_STATISTICS = [
    (63, "biased MMD", gram, "unbiased", _biased),
    (63, "diagonal left in", gram.np, "fill_diagonal", lambda array, value: None),
    (64, "kernel without + 1", gram, "_kernel", _without_constant),
    (64, "kernel of degree 2", gram, "_kernel", _squared),
    (64, "gamma 1 / 2048 whatever the dimensions", gram, "gamma", lambda dimensions: 1 / 2048),
    (65, "std with ddof 1", mmd, "kid", _other_ddof),
    (65, "standard error printed as std", mmd, "kid", _error_as_std),
    (0, "FID's covariance with ddof 0", frechet, "_moments", _biased_covariance),
]
_RESIZES = [
    (57, "half-pixel bilinear", _half_pixel),
    (57, "antialiased bilinear", lambda image: _pillow(image, Image.Resampling.BILINEAR)),
    (58, "bicubic", lambda image: _pillow(image, Image.Resampling.BICUBIC)),
]
_FEATURES = [
    (59, "blue for red", features, "to_network", _swapped_channels),
    (60, "pixels / 127.5 - 1", features, "to_network", _scaled_otherwise),
    (57, "features of antialiased images", preprocess.RESIZES, "tf1", preprocess.resize_paper),
]


def _pairs_thrice(sums, f=spread.variance):
    first, second, projections = f(sums)
    return first, 3 * second, projections


def _without_itself(sums, labels, *rest, f=spread.p_value):
    count = labels.shape[1]
    return (f(sums, labels, *rest) * (1 + count) - 1) / count


def _always_float32(x, y, f=mmd.checked):
    return [features.astype(np.float32) for features in f(x, y)]


def _truncated(image, scale, offset):
    return (image * scale + offset).astype(np.uint8)


def _one_after_another(mine, total):
    if parallel.place()[1] == 1:
        return mine
    return np.concatenate(parallel._gathered(np.pad(mine, [(0, -len(mine) % 4), (0, 0)])))[:total]


_PARTS = [  # name, part, and what replaces what
    ("the pairs' variance thrice, as of a bootstrap", "uncertainty", spread, "variance", _pairs_thrice),
    ("p-value without the sets themselves", "uncertainty", spread, "p_value", _without_itself),
    ("float32 whatever the size", "precisions", mmd, "checked", _always_float32),
    ("a sample as its own neighbour", "distances", frechet, "_radii", lambda x, k, f=frechet._radii: f(x, k - 1)),
    ("pixels truncated", "layouts", arrays, "_bytes", _truncated),
    ("a set in any order", "sets", sources, "digest_of", lambda digests, f=sources.digest_of: f(sorted(digests))),
    ("copies not seen", "copies", copies, "within", lambda contents: 0),
    ("processes one after another", "processes", parallel, "interleaved", _one_after_another),
]
FAULTS = [
    *(MetricFault(number, name, "statistics", *planted) for number, name, *planted in _STATISTICS),
    *(MetricFault(number, name, "resizes", preprocess.RESIZES, "tf1", wrong) for number, name, wrong in _RESIZES),
    *(MetricFault(number, name, "features", *planted) for number, name, *planted in _FEATURES),
    *(MetricFault(0, name, *planted) for name, *planted in _PARTS),
]
