"""Are KID, FID and the features right? Against plain statements, and torch-fidelity and clean-fid where installed.

    python align/check_metric.py [--weights FILE] [--seed K] [--json FILE]
    python align/check_metric.py --coverage        how often the interval holds the truth, and how noisy others are

Every number of paddle_ugatit/metrics is compared with a statement of its formula in float64
(align/compare/metric_statements.py), and the features with the PyTorch twin. Then known mistakes are planted, and each
must be caught. Neither torch-fidelity nor clean-fid is needed; what is not installed is said to be left out. Exit code:
0 aligned and every fault caught, 1 not, 2 not comparable or bad usage.
"""

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass

import numpy as np
import torch

from align.compare import metric_others, metric_statements
from align.compare.torch_side import TorchSide
from align.faults import metric as metric_faults
from align.faults import metric_simulation
from paddle_ugatit import weights as conversion
from paddle_ugatit.cli import command
from paddle_ugatit.formats import atomic
from paddle_ugatit.metrics import FeatureExtractor, frechet, inception_weights, mmd, paper, preprocess

NARROW = 16  # of the network that the checks run on
_SETS = ((70, 50, 25), (700, 900, 300))  # (N, M, subset size): in float64 throughout, in float32 products
_SUBSETS = 10
# Relative; float32 products with float64 totals have reached 3e-8. Of features: PyTorch's own float32, four times.
_LIMIT, _FLOOR_FACTOR = 1e-6, 4


@dataclass(frozen=True)
class Comparison:
    """One number, or the largest difference of many."""

    group: str
    name: str
    error: float  # relative to the largest reference value
    limit: float

    @property
    def passed(self):
        """Within the limit, and a number."""
        return self.error <= self.limit


def compared(group, name, ours, theirs, limit=_LIMIT):
    """A Comparison of two numbers or arrays; shapes that differ, and NaN, fail."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if ours.shape != theirs.shape or not ours.size:
        return Comparison(group, name, float("inf"), limit)
    error = np.abs(ours - theirs).max() / (np.abs(theirs).max() or 1.0)
    return Comparison(group, name, float(error) if np.isfinite(error) else float("inf"), limit)


def drawn_features(n, m, seed, dimensions=512):
    """Two sets of non-negative features that differ, (n,d), (m,d) float32."""
    rng = np.random.default_rng(seed)
    scale = 1 / np.sqrt(1 + np.arange(dimensions) / 8)
    sets = (rng.standard_normal((count, dimensions)) * scale for count in (n, m))
    return [np.maximum(values + shift, 0).astype(np.float32) for values, shift in zip(sets, (0.2, 0.35), strict=True)]


def drawn_images(count, seed):
    """Images of noise and patches, of several sizes, up and down from 299."""
    rng = np.random.default_rng(seed)
    sides = ((61, 47), (256, 256), (300, 299), (420, 330))
    images = []
    for i in range(count):
        height, width = sides[i % len(sides)]
        patches = np.kron(rng.integers(0, 200, (8, 8, 3)), np.ones((53, 53, 1)))[:height, :width]
        images.append(np.clip(patches + rng.integers(0, 80, (height, width, 1)), 0, 255).astype(np.uint8))
    return images


def statistics(seed, dimensions=512):
    """KID and FID on features, against the plain statements."""
    for n, m, size in _SETS:
        group = f"N {n}, M {m}"
        x, y = drawn_features(n, m, seed, dimensions)
        kid = mmd.kid(x, y, _SUBSETS, size, seed)
        values = metric_statements.subset_values(x, y, _SUBSETS, size, seed)
        yield compared(group, "KID of each subset", kid.values, values)
        yield compared(group, "KID mean", kid.mean, values.mean())
        # A spread is a difference of numbers nearly the same: it has a digit less.
        yield compared(group, "KID std, ddof 0", kid.std, values.std(ddof=0), 10 * _LIMIT)
        error = values.std(ddof=1) / np.sqrt(_SUBSETS)
        yield compared(group, "KID standard error", kid.standard_error, error, 10 * _LIMIT)
        yield compared(group, "KID all pairs", kid.all_pairs, metric_statements.mmd2(x, y))
        blocks = paper.block_kid(x, y)
        ours, theirs = (blocks.mean, blocks.standard_error), metric_statements.paper_blocks(x, y)
        yield compared(group, "the paper's KID and its standard error", ours, theirs)
        yield compared(group, "the paper's mean_KID", paper.mean_kid(0.3, 0.1), (0.02 * 0.3 + 0.98 * 0.1) / 2, 1e-12)
        # The statement's own matrix root costs digits where there are fewer samples than dimensions.
        few = x[:, :40], y[:, :40]
        yield compared(group, "FID", frechet.frechet_distance(*few), metric_statements.frechet(*few))
        found = frechet.neighbours(x[:120], y[:90])
        wanted = metric_statements.precision_recall(x[:120], y[:90], frechet.NEIGHBOURS)
        yield compared(group, "precision and recall", (found.precision, found.recall), wanted, 0.0)


def resizes(seed):
    """The three resizes on images, against plain ones."""
    for image in drawn_images(4, seed):
        group = f"resize {image.shape[1]}x{image.shape[0]}"
        ours = preprocess.RESIZES["tf1"](image)
        yield compared(group, "tf1", ours, metric_statements.tf1_bilinear(image, preprocess.SIZE))


def features(path, seed, count=2):
    """Inception's features of images, both ways of running it, against the PyTorch twin in float64."""
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
    """(B,3,299,299) -> (B,d) by the PyTorch twin at this dtype."""
    state, narrow = torch_state(path)
    side = TorchSide(dtype)
    network = side.build(lambda layers: layers.InceptionV3(narrow), 0)
    side.load(network, state)
    with side.no_gradients():
        return side.array(network(side.tensor(batch))[0])


def torch_state(path):
    """The weights in a file of either framework in PyTorch's layout, and how narrow the network is."""
    from paddle_ugatit import formats

    checkpoint, _ = conversion.convert(formats.read(path), "torch", path)
    return checkpoint.networks[""], checkpoint.metadata["networks"][""]["narrow"]


def others(path, seed):
    """torch-fidelity and clean-fid on the same features, images and, at full width, weights."""
    n, m, size = _SETS[1]
    x, y = (features.astype(np.float64) for features in drawn_features(n, m, seed, 256))
    kid = mmd.kid(x, y, _SUBSETS, size, seed)
    if metric_others.installed("torch_fidelity"):
        group = "torch-fidelity"
        mean, std = metric_others.fidelity_kid(x, y, _SUBSETS, size, seed)
        yield compared(group, "KID mean", kid.mean, mean)
        yield compared(group, "KID std", kid.std, std, 10 * _LIMIT)
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
        yield compared("clean-fid", "KID", kid.mean, metric_others.clean_kid(x, y, _SUBSETS, size, seed))
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
    """Every comparison that needs nothing but this project."""
    return [*statistics(seed), *resizes(seed), *features(path, seed)]


def main(argv=None):
    """Check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", metavar="FILE", help="of Inception, full width (default: random ones)")
    parser.add_argument("--seed", type=int, default=0, metavar="K")
    parser.add_argument("--json", metavar="FILE", help="write all comparisons")
    parser.add_argument("--coverage", action="store_true", help="simulate draws of sets instead")
    arguments = parser.parse_args(argv)
    torch.manual_seed(arguments.seed)
    work = (lambda: metric_simulation.table(arguments.seed)) if arguments.coverage else (lambda: _run(arguments))
    code = command.run("check_metric", work)
    return 2 if code == 1 and not _ran else code


_ran = []


def _run(arguments):
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.weights or f"{folder}/inception.pth"
        full = arguments.weights
        if not arguments.weights:
            inception_weights.write_random(path, NARROW, arguments.seed)
            if metric_others.installed("torch_fidelity"):
                full = f"{folder}/full.pth"
                inception_weights.write_random(full, 1, arguments.seed)
        found = all_comparisons(path, arguments.seed)
        found += others(full, arguments.seed)
        for comparison in found:
            _print(comparison)
        for name in ("torch_fidelity", "cleanfid"):
            if not metric_others.installed(name):
                print(f"left out: {name} is not installed")
        missed = _faults(path, arguments.seed)
    failed = [comparison for comparison in found if not comparison.passed]
    _ran.append(True)
    if arguments.json:
        with atomic.replacing(arguments.json, "w") as file:
            json.dump({"comparisons": [asdict(comparison) for comparison in found], "missed_faults": missed}, file)
    verdict = "DIVERGED" if failed or missed else "ALIGNED"
    print(f"{verdict}: {len(found)} comparisons, {len(failed)} beyond their limit; {len(missed)} planted faults missed")
    return 1 if failed or missed else 0


def _print(comparison):
    mark = "aligned " if comparison.passed else "DIVERGED"
    print(f"{mark} {comparison.group:16} {comparison.name:40} {comparison.error:.1e}, limit {comparison.limit:.0e}")


def _faults(path, seed):
    """Plant each fault; returns the names of those that no comparison in the right place caught."""
    missed = []
    for fault in metric_faults.FAULTS:
        with fault.planted():
            checks = {"statistics": lambda: statistics(seed), "resizes": lambda: resizes(seed)}
            found = checks.get(fault.check, lambda: features(path, seed))()
            caught = next((c for c in found if not c.passed), None)
        where = f"{caught.group}, {caught.name}, {caught.error:.1e}" if caught else "MISSED"
        print(f"fault {fault.number:2} {fault.name}: {where}")
        if not caught:
            missed.append(fault.name)
    return missed
