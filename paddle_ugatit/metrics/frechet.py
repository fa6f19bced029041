"""FID, precision and recall of two sets of features, in NumPy."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

NEIGHBOURS = 3  # the k of precision and recall
_BLOCK = 1024


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Compute FID, |mean x - mean y|^2 + tr(Sx + Sy - 2 (Sx Sy)^(1/2)), covariances with ddof 1: (N,d), (M,d).

    With Sx = A^T A and Sy = B^T B, the trace of the root is the sum of the singular values of A B^T. So no matrix root
    is taken: there is no imaginary part, and fewer samples than dimensions do no harm.
    """
    (mean_x, root_x), (mean_y, root_y) = _moments(x), _moments(y)
    traces = (root_x**2).sum() + (root_y**2).sum()
    return float(((mean_x - mean_y) ** 2).sum() + traces - 2 * np.linalg.svd(root_x @ root_y.T, compute_uv=False).sum())


def _moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (d,) and a root A (r,d) of the covariance A^T A, with r = min(N, d); float64."""
    n, d = features.shape
    mean = features.mean(0, dtype=np.float64)
    if n <= d:
        return mean, (features - mean) / np.sqrt(n - 1)
    covariance = np.zeros((d, d))
    for start in range(0, n, _BLOCK):  # avoids a float64 copy of all features
        centred = features[start : start + _BLOCK] - mean
        covariance += centred.T @ centred
    values, vectors = np.linalg.eigh(covariance / (n - 1))
    return mean, np.sqrt(np.maximum(values, 0))[:, None] * vectors.T


@dataclass(frozen=True)
class Neighbours:
    """Where fake samples lie among real ones."""

    precision: float  # share of fake samples within the neighbourhood of a real one
    recall: float  # share of real samples within the neighbourhood of a fake one
    nearest: np.ndarray  # (N,) index of the real sample nearest to each fake one
    distance: np.ndarray  # (N,) to that sample


def neighbours(fake: np.ndarray, real: np.ndarray, k: int = NEIGHBOURS) -> Neighbours:
    """Compute precision and recall by k nearest neighbours: (N,d), (M,d).

    Kynkaanniemi et al., NeurIPS 2019, arXiv 1904.06991. k is reduced for sets of k or fewer samples.
    """
    k = min(k, len(fake) - 1, len(real) - 1)
    radius_fake, radius_real = _radii(fake, k), _radii(real, k)
    recalled, precise = np.zeros(len(real), bool), np.empty(len(fake), bool)
    nearest, distance = np.empty(len(fake), int), np.empty(len(fake))
    for start, squares in _distances(fake, real):
        stop = start + len(squares)
        precise[start:stop] = (squares <= radius_real).any(1)
        recalled |= (squares <= radius_fake[start:stop, None]).any(0)
        nearest[start:stop] = squares.argmin(1)
        distance[start:stop] = np.sqrt(squares.min(1))
    return Neighbours(float(precise.mean()), float(recalled.mean()), nearest, distance)


def _radii(features: np.ndarray, k: int) -> np.ndarray:
    """The squared distance of each sample to its k-th neighbour: (N,d) -> (N,)."""
    found = [np.partition(squares, k, 1)[:, k] for _, squares in _distances(features, features)]
    return np.concatenate(found)  # place 0 is the sample itself


def _distances(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield blocks (start, squared distances (b,M)): float32 products about the common mean, summed in float64."""
    centre = y.mean(0, dtype=np.float64).astype(np.float32)
    y = np.asarray(y, np.float32) - centre
    norms = np.einsum("ij,ij->i", y, y, dtype=np.float64)
    for start in range(0, len(x), _BLOCK):
        block = np.asarray(x[start : start + _BLOCK], np.float32) - centre
        own = np.einsum("ij,ij->i", block, block, dtype=np.float64)
        yield start, np.maximum(own[:, None] + norms - 2.0 * (block @ y.T).astype(np.float64), 0)
