"""What comparisons of the metrics share: the comparison itself, its limits, and the features and images compared on."""

from dataclasses import dataclass

import numpy as np

SETS = ((70, 50, 25), (700, 900, 300))  # (N, M, subset size): computed in float64 throughout, by float32 products
SUBSETS = 10
LIMIT = 1e-6  # relative; float32 products with float64 totals have reached 3e-8


@dataclass(frozen=True)
class MetricRow:
    """One compared number, or the largest difference among many."""

    group: str
    name: str
    error: float  # relative to the largest reference value; of texts and the like 0 if they are the same
    limit: float
    file: str = ""  # of paddle_ugatit, where a difference has to be looked for; "" for that of the part

    @property
    def passed(self):
        """Whether the error is a number within the limit."""
        return self.error <= self.limit


def compared(group, name, ours, theirs, limit: float = LIMIT, file: str = ""):
    """Compare two numbers or arrays; different shapes, NaN and what is no number fail."""
    try:
        ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    except (TypeError, ValueError):
        return MetricRow(group, name, float("inf"), limit, file)
    if ours.shape != theirs.shape or not ours.size:
        return MetricRow(group, name, float("inf"), limit, file)
    error = np.abs(ours - theirs).max() / (np.abs(theirs).max() or 1.0)
    return MetricRow(group, name, float(error) if np.isfinite(error) else float("inf"), limit, file)


def same(group, name, ours, theirs, file: str = ""):
    """Compare texts, counts, lists of them or arrays of integers, which have to be the same and of one type."""
    if isinstance(theirs, np.ndarray):
        equal = isinstance(ours, np.ndarray) and ours.dtype == theirs.dtype and np.array_equal(ours, theirs)
    else:
        try:
            equal = type(ours) is type(theirs) and bool(ours == theirs)
        except ValueError:  # an array within, where there has to be none
            equal = False
    return MetricRow(group, name, 0.0 if equal else float("inf"), 0.0, file)


def drawn_features(n, m, seed, dimensions=512):
    """Draw two different sets of non-negative features, (n,d) and (m,d) float32."""
    rng = np.random.default_rng(seed)
    scale = 1 / np.sqrt(1 + np.arange(dimensions) / 8)
    sets = (rng.standard_normal((count, dimensions)) * scale for count in (n, m))
    return [np.maximum(values + shift, 0).astype(np.float32) for values, shift in zip(sets, (0.2, 0.35), strict=True)]


def drawn_images(count, seed):
    """Draw images of noise and patches, in sizes above and below 299."""
    rng = np.random.default_rng(seed)
    sides = ((61, 47), (256, 256), (300, 299), (420, 330))
    images = []
    for i in range(count):
        height, width = sides[i % len(sides)]
        patches = np.kron(rng.integers(0, 200, (8, 8, 3)), np.ones((53, 53, 1)))[:height, :width]
        images.append(np.clip(patches + rng.integers(0, 80, (height, width, 1)), 0, 255).astype(np.uint8))
    return images
