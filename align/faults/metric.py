"""Mistakes in the metrics, planted in memory; align/check_metric.py must catch each.

They are numbered as in the fault catalogue, 0 if they are not there.
"""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from unittest.mock import patch

import numpy as np
import paddle.nn.functional as F
from PIL import Image

from paddle_ugatit.metrics import (
    arrays,
    cache,
    compare,
    copies,
    face_features,
    features,
    frechet,
    gram,
    inception_weights,
    kept,
    mmd,
    paired,
    paper,
    parallel,
    preprocess,
    sources,
    spread,
)
from paddle_ugatit.models import inception


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


_kid, _kernel, _draws, _block_sizes = mmd.kid, gram._kernel, mmd.draws, paper.block_sizes
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


def _second_set_first(n, m, subsets, size, seed):
    swapped = _draws(m, n, subsets, size, seed)
    return np.concatenate([swapped[m:], swapped[:m]])


def _larger_first(n, blocks):
    return _block_sizes(n, blocks)[::-1]


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


def _zeros_counted(self, x):
    return F.avg_pool2d(x, 3, stride=1, padding=1, exclusive=False)


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
    (0, "second set drawn first", mmd, "draws", _second_set_first),
    (0, "larger blocks first", paper, "block_sizes", _larger_first),
    (0, "mean_KID of equal shares", paper, "mean_kid", lambda target, source: (target + source) / 2),
    (0, "FID's covariance with ddof 0", frechet, "_moments", _biased_covariance),
    (0, "precision by 5 neighbours", frechet, "neighbours", lambda fake, real, f=frechet.neighbours: f(fake, real, 5)),
]
_RESIZES = [
    (57, "half-pixel bilinear", _half_pixel),
    (57, "antialiased bilinear", lambda image: _pillow(image, Image.Resampling.BILINEAR)),
    (58, "bicubic", lambda image: _pillow(image, Image.Resampling.BICUBIC)),
    (61, "rounded to uint8", lambda image, f=preprocess.resize_tf1: f(image).astype(np.uint8).astype(np.float32)),
]
_FEATURES = [
    (17, "average pool counts the padding", inception.AveragePool, "forward", _zeros_counted),
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
    ("subsets of the smaller set", "defaults", mmd, "default_subset_size", min),
    ("another seed where none is given", "defaults", mmd.kid, "__defaults__", (100, None, 0, 0, 1000, None)),
    ("float32 whatever the size", "precisions", mmd, "checked", _always_float32),
    ("a sample as its own neighbour", "distances", frechet, "_radii", lambda x, k, f=frechet._radii: f(x, k - 1)),
    ("bilinear for clean-fid's bicubic", "antialiased", preprocess, "resize_clean", preprocess.resize_paper),
    ("SSIM of values up to 1", "pairs", paired, "_C1", 0.01**2),
    (
        "every 18th pixel for cells",
        "other features",
        features,
        "_pixel_means",
        lambda x: x[:, :, ::19, ::19].reshape(len(x), -1),
    ),
    (
        "random pictures of one contrast",
        "random features",
        inception_weights,
        "_pictures",
        lambda rng: np.zeros((8, 3, 299, 299), np.float32),
    ),
    ("1000 classes, as ImageNet has", "full width", inception, "CLASSES", 1000),
    ("any file taken for the public one", "weights", inception_weights.Loaded, "public", True),
    ("features that saturate later", "faces", face_features, "_SOFTEST", 3.0),
    ("attributes that cannot be told", "attributes", kept, "_UNTOLD", ()),
    ("pixels truncated", "layouts", arrays, "_bytes", _truncated),
    ("another array of a file first", "array files", arrays, "_ARRAYS", ("arr_0", "features", "images")),
    ("a set in any order", "sets", sources, "digest_of", lambda digests, f=sources.digest_of: f(sorted(digests))),
    ("features without a checksum", "extracted", cache, "_checksum", lambda key, data: bytes(32)),
    ("copies not seen", "copies", copies, "within", lambda contents: 0),
    ("processes one after another", "processes", parallel, "interleaved", _one_after_another),
    (
        "mean_KID with its sets swapped",
        "reports",
        paper,
        "mean_kid",
        lambda target, source, f=paper.mean_kid: f(source, target),
    ),
    ("neighbours of larger sets", "given features", compare, "CHEAP", 10_000),
    ("drawn faces taken for others", "drawn faces", compare, "is_drawn", lambda folder: False),
]
FAULTS = [
    *(MetricFault(number, name, "statistics", *planted) for number, name, *planted in _STATISTICS),
    *(MetricFault(number, name, "resizes", preprocess.RESIZES, "tf1", wrong) for number, name, wrong in _RESIZES),
    *(MetricFault(number, name, "features", *planted) for number, name, *planted in _FEATURES),
    *(MetricFault(0, name, *planted) for name, *planted in _PARTS),
]
