"""Comparisons of KID, FID, features and resizes with plain statements of their formulas and with other packages.

Every number of paddle_ugatit/metrics is compared with a float64 statement of its formula
(align/compare/metric_statements.py), the features with the PyTorch twin, and both with torch-fidelity and clean-fid
where these are installed. The command that runs them is align/check_metric.py.
"""

import numpy as np

from align.causes.metric import find_metric_cause
from align.compare import metric_others, metric_statements
from align.compare.metric import LIMIT, SETS, SUBSETS, MetricRow, compared, drawn_features, drawn_images
from align.compare.torch_side import TorchSide
from paddle_ugatit import formats
from paddle_ugatit import weights as conversion
from paddle_ugatit.metrics import FeatureExtractor, frechet, mmd, paper, preprocess

NARROW = 16  # divides the widths of the network that the checks run on
_FLOOR_FACTOR = 4  # features may be off by four times the error of PyTorch's own float32


def statistics(seed, dimensions=512):
    """Yield comparisons of KID and FID on features with the plain statements."""
    for n, m, size in SETS:
        group = f"N {n}, M {m}"
        x, y = drawn_features(n, m, seed, dimensions)
        kid = mmd.kid(x, y, SUBSETS, size, seed)
        values = metric_statements.subset_values(x, y, SUBSETS, size, seed)
        yield compared(group, "KID of each subset", kid.values, values)
        yield compared(group, "KID mean", kid.mean, values.mean())
        # A spread is a difference of nearly equal numbers, so it has one digit less.
        yield compared(group, "KID std, ddof 0", kid.std, values.std(ddof=0), 10 * LIMIT)
        error = values.std(ddof=1) / np.sqrt(SUBSETS)
        yield compared(group, "KID standard error", kid.standard_error, error, 10 * LIMIT)
        yield compared(group, "KID all pairs", kid.all_pairs, metric_statements.mmd2(x, y))
        blocks = paper.block_kid(x, y)
        ours, theirs = (blocks.mean, blocks.standard_error), metric_statements.paper_blocks(x, y)
        yield compared(group, "the paper's KID and its standard error", ours, theirs)
        yield compared(group, "the paper's mean_KID", paper.mean_kid(0.3, 0.1), (0.02 * 0.3 + 0.98 * 0.1) / 2, 1e-12)
        # The statement's own matrix root loses digits if there are fewer samples than dimensions.
        few = x[:, :40], y[:, :40]
        yield compared(group, "FID", frechet.frechet_distance(*few), metric_statements.frechet(*few))
        found = frechet.neighbours(x[:120], y[:90])
        wanted = metric_statements.precision_recall(x[:120], y[:90], frechet.NEIGHBOURS)
        yield compared(group, "precision and recall", (found.precision, found.recall), wanted, 0.0)


def resizes(seed):
    """Yield comparisons of TensorFlow's resize with its plain statement."""
    for image in drawn_images(4, seed):
        group = f"resize {image.shape[1]}x{image.shape[0]}"
        ours = preprocess.RESIZES["tf1"](image)
        yield compared(group, "tf1", ours, metric_statements.tf1_bilinear(image, preprocess.SIZE))


def features(path, seed, count=2):
    """Yield comparisons of Inception's features, run both ways, with the PyTorch twin in float64."""
    images = drawn_images(count, seed)
    pixels = np.stack([metric_statements.tf1_bilinear(image, preprocess.SIZE) for image in images])
    batch = (pixels.transpose(0, 3, 1, 2) - 128) / 128
    truth, single = (twin_features(path, dtype, batch) for dtype in ("float64", "float32"))
    floor = np.abs(single - truth).max() / np.abs(truth).max()
    limit = max(1e-5, _FLOOR_FACTOR * float(floor))
    for name, fast in (("as it stands", False), ("by oneDNN", True)):
        ours = FeatureExtractor(weights=path, fast=fast).extract(images)
        yield compared("features", f"Inception {name}", ours, truth, limit)


def twin_features(path, dtype, batch):
    """Return the PyTorch twin's features in this dtype: (B,3,299,299) -> (B,d)."""
    state, narrow = torch_state(path)
    side = TorchSide(dtype)
    network = side.build(lambda layers: layers.InceptionV3(narrow), 0)
    side.load(network, state)
    with side.no_gradients():
        return side.array(network(side.tensor(batch))[0])


def torch_state(path):
    """Return the weights of a file of either framework in PyTorch's layout, and the divisor of its widths."""
    checkpoint, _ = conversion.convert(formats.read(path), "torch", path)
    return checkpoint.networks[""], checkpoint.metadata["networks"][""]["narrow"]


def others(path, seed):
    """Yield comparisons with torch-fidelity and clean-fid on the same features, images and full-width weights."""
    n, m, size = SETS[1]
    x, y = (features.astype(np.float64) for features in drawn_features(n, m, seed, 256))
    kid = mmd.kid(x, y, SUBSETS, size, seed)
    if metric_others.installed("torch_fidelity"):
        group = "torch-fidelity"
        mean, std = metric_others.fidelity_kid(x, y, SUBSETS, size, seed)
        yield compared(group, "KID mean", kid.mean, mean)
        yield compared(group, "KID std", kid.std, std, 10 * LIMIT)
        yield compared(group, "FID", frechet.frechet_distance(x, y), metric_others.fidelity_fid(x, y))
        found = frechet.neighbours(x, y)
        wanted = metric_others.fidelity_precision_recall(x, y, frechet.NEIGHBOURS)
        yield compared(group, "precision and recall", (found.precision, found.recall), wanted)
        for image in drawn_images(4, seed):
            theirs = metric_others.fidelity_resize(image, preprocess.SIZE)
            yield compared(
                group, f"resize {image.shape[1]}x{image.shape[0]}", preprocess.resize_tf1(image), theirs, 0.0
            )
        if path is not None:
            yield from _fidelity_features(path, seed)
    if metric_others.installed("cleanfid"):
        yield compared("clean-fid", "KID", kid.mean, metric_others.clean_kid(x, y, SUBSETS, size, seed))
        yield compared("clean-fid", "FID", frechet.frechet_distance(x, y), metric_others.clean_fid(x, y))
        for image in drawn_images(4, seed):
            name = f"resize {image.shape[1]}x{image.shape[0]}"
            yield compared("clean-fid", name, preprocess.resize_clean(image), metric_others.clean_resize(image), 0.0)


def _fidelity_features(path, seed):
    images = [image for image in drawn_images(4, seed) for _ in range(2)]
    ours = FeatureExtractor(weights=path).extract(images)
    extract = metric_others.fidelity_extractor(path)
    theirs = np.concatenate([extract(image[None]) for image in images])
    # Both are float32: each is about 2e-5 from the truth on random weights.
    yield compared("torch-fidelity", "Inception's features", ours, theirs, 1e-4)


def all_comparisons(path, seed):
    """Return every comparison that needs only this project."""
    return [*statistics(seed), *resizes(seed), *features(path, seed)]


def first_difference(seed: int) -> tuple[MetricRow | None, dict | None]:
    """Return the first statistic beyond its limit and the cause of that; (None, None) if all agree."""
    first = next((one for one in statistics(seed) if not one.passed), None)
    return (first, find_metric_cause(seed)) if first else (None, None)
