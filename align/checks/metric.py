"""Comparisons of KID, FID, features and resizes with plain statements of their formulas and with other packages.

Every number of paddle_ugatit/metrics is compared with a float64 statement of its formula
(align/compare/metric_statements.py), the features with the PyTorch twin, and both with torch-fidelity and clean-fid
where these are installed. The command that runs them is align/check_metric.py. PARTS lists all parts, also those of
metric_numbers.py, metric_pictures.py, metric_sets.py and metric_runs.py.
"""

from collections.abc import Callable, Iterable
from importlib.util import find_spec
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import paddle

from align.causes.metric import find_metric_cause
from align.checks import metric_numbers, metric_pictures, metric_runs, metric_sets
from align.compare import device_floor, metric_others, metric_statements
from align.compare import metric_pictures as pictures
from align.compare.metric import LIMIT, SETS, SUBSETS, MetricRow, compared, drawn_features, drawn_images, same
from align.compare.torch_side import TorchSide
from paddle_ugatit import formats
from paddle_ugatit import weights as conversion
from paddle_ugatit.metrics import FeatureExtractor, engine, frechet, inception_weights, mmd, paper, preprocess

NARROW = 16  # divides the widths of the network that the checks run on
_PAPER, _FRECHET, _ENGINE = "metrics/paper.py", "metrics/frechet.py", "metrics/engine.py"
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
        yield compared(group, "the paper's KID and its standard error", ours, theirs, file=_PAPER)
        mean = (0.02 * 0.3 + 0.98 * 0.1) / 2
        yield compared(group, "the paper's mean_KID", paper.mean_kid(0.3, 0.1), mean, 1e-12, _PAPER)
        # The statement's own matrix root loses digits if there are fewer samples than dimensions.
        few = x[:, :40], y[:, :40]
        yield compared(group, "FID", frechet.frechet_distance(*few), metric_statements.frechet(*few), file=_FRECHET)
        found = frechet.neighbours(x[:120], y[:90])
        wanted = metric_statements.precision_recall(x[:120], y[:90], metric_numbers.NEIGHBOURS)
        yield compared(group, "precision and recall", (found.precision, found.recall), wanted, 0.0, _FRECHET)


def resizes(seed):
    """Yield comparisons of TensorFlow's resize with its plain statement."""
    for image in drawn_images(4, seed):
        group = f"resize {image.shape[1]}x{image.shape[0]}"
        ours = preprocess.RESIZES["tf1"](image)
        yield compared(group, "tf1", ours, metric_statements.tf1_bilinear(image, pictures.SIZE))


def features(path, seed, count=9):
    """Yield comparisons of Inception's features, run both ways, with the PyTorch twin in float64.

    There are more images than the fast way runs at a time.
    """
    drawn = drawn_images(3, seed)
    order = [i % 3 for i in range(count)]
    images = [drawn[i] for i in order]
    pixels = np.stack([metric_statements.tf1_bilinear(image, pictures.SIZE) for image in drawn])
    truth, limit = _twin(path, pixels, "tf1")
    for name, fast in (("as it stands", False), ("by oneDNN", True)):
        with patch.object(engine, "_predict", wraps=engine._predict) as runs:
            ours = FeatureExtractor(weights=path, fast=fast).extract(images)
        programs = -(-count // 8) if fast and paddle.get_device() == "cpu" and find_spec("paddle.inference") else 0
        yield same("features", f"batches by the program {name}", runs.call_count, programs)
        yield compared("features", f"Inception {name}", ours, truth[order], limit)
        yield same("features", f"type {name}", str(ours.dtype), "float32")
    batch = pictures.scaled(pixels, "tf1").astype(np.float32)
    network = inception_weights.load(path).network
    yield compared("features", "batch norms folded", _folded(network, batch), truth, limit, _ENGINE)
    yield same("features", "ways by default", [_is_fast(width) for width in (2048, 1024)], [True, False], _ENGINE)
    for resize, resized in (("clean", pictures.clean), ("paper", pictures.paper)):
        truth, limit = _twin(path, np.stack([resized(image) for image in images[:2]]), resize)
        ours = FeatureExtractor(weights=path, resize=resize).extract(images[:2])
        yield compared("features", f"Inception, {resize} resize", ours, truth, limit)


def _folded(network, batch):
    """The features of the program's network before oneDNN runs it."""
    with paddle.no_grad():
        return engine.folded(network)(paddle.to_tensor(batch))[0].numpy()


def _is_fast(width):
    """Whether a network of so many features is run by oneDNN if nothing else is asked for."""
    asked, network = [], SimpleNamespace(fc=SimpleNamespace(weight=np.zeros((width, 1008))))
    with (
        patch.object(engine.paddle, "get_device", lambda: "cpu"),
        patch.object(engine, "folded", asked.append),
        patch.object(engine, "_predictor", lambda folded: None),
    ):
        engine.runner(network)
    return bool(asked)


def _twin(path, pixels, resize):
    """The twin's features of resized pictures, and how far others may be off: by four times its own rounding."""
    batch = pictures.scaled(pixels, resize)
    truth, single = (twin_features(path, dtype, batch) for dtype in ("float64", "float32"))
    return truth, max(
        1e-5, _FLOOR_FACTOR * device_floor.ratio() * float(np.abs(single - truth).max() / np.abs(truth).max())
    )


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


# Part -> its comparisons, given a file of Inception's weights and a seed, and the file of the port in question where a
# row names none.
PARTS: dict[str, tuple[Callable[[str, int], Iterable[MetricRow]], str]] = {
    "statistics": (lambda path, seed: statistics(seed), "metrics/mmd.py"),
    "uncertainty": (lambda path, seed: metric_numbers.uncertainty(seed), "metrics/mmd.py"),
    "defaults": (lambda path, seed: metric_numbers.defaults(seed), "metrics/mmd.py"),
    "precisions": (lambda path, seed: metric_numbers.precisions(seed), "metrics/mmd.py"),
    "distances": (lambda path, seed: metric_numbers.distances(seed), _FRECHET),
    "resizes": (lambda path, seed: resizes(seed), "metrics/preprocess.py"),
    "antialiased": (lambda path, seed: metric_pictures.antialiased(seed), "metrics/preprocess.py"),
    "pairs": (lambda path, seed: metric_pictures.pairs(seed), "metrics/paired.py"),
    "features": (lambda path, seed: features(path, seed), "metrics/features.py"),
    "other features": (lambda path, seed: metric_pictures.extraction_options(seed), "metrics/features.py"),
    "random features": (lambda path, seed: metric_pictures.random_features(seed), "metrics/inception_weights.py"),
    "full width": (lambda path, seed: metric_pictures.full_width(), "models/inception.py"),
    "weights": (lambda path, seed: metric_pictures.files(path, seed), "metrics/inception_weights.py"),
    "faces": (lambda path, seed: metric_pictures.faces(seed), "metrics/face_features.py"),
    "attributes": (lambda path, seed: metric_pictures.attributes(seed), "metrics/kept.py"),
    "layouts": (lambda path, seed: metric_sets.layouts(seed), "metrics/arrays.py"),
    "array files": (lambda path, seed: metric_sets.array_files(seed), "metrics/arrays.py"),
    "sets": (lambda path, seed: metric_sets.kinds_of_sets(seed), "metrics/sources.py"),
    "extracted": (lambda path, seed: metric_sets.extracted(seed), "metrics/sources.py"),
    "copies": (lambda path, seed: metric_sets.repeated(seed), "metrics/copies.py"),
    "processes": (lambda path, seed: metric_sets.processes(seed), "metrics/parallel.py"),
    "reports": (lambda path, seed: metric_runs.whole(seed), metric_runs.FILE),
    "given features": (lambda path, seed: metric_runs.given(seed), metric_runs.FILE),
    "drawn faces": (lambda path, seed: metric_runs.drawn_faces(path, seed), metric_runs.FILE),
}


def all_comparisons(path, seed):
    """Return every comparison that needs only this project."""
    return [row for part, _ in PARTS.values() for row in part(path, seed)]


def first_difference(seed: int) -> tuple[MetricRow | None, dict | None]:
    """Return the first statistic beyond its limit and the cause of that; (None, None) if all agree."""
    first = next((one for one in statistics(seed) if not one.passed), None)
    return (first, find_metric_cause(seed)) if first else (None, None)
