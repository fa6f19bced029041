"""FID, and precision and recall: what else two sets of features tell. NumPy only."""

from dataclasses import dataclass

import numpy as np

NEIGHBOURS = 3  # k of the neighbourhoods of precision and recall
_BLOCK = 1024


def frechet_distance(x, y) -> float:
    """FID: |mean x - mean y|^2 + tr(Sx + Sy - 2 (Sx Sy)^(1/2)), covariances with ddof 1; (N,d), (M,d).

    With Sx = A^T A the last trace is the sum of the singular values of A B^T: no matrix root, hence no imaginary part,
    and no trouble with fewer samples than dimensions.
    """
    (mean_x, root_x), (mean_y, root_y) = _moments(x), _moments(y)
    traces = (root_x**2).sum() + (root_y**2).sum()
    return float(((mean_x - mean_y) ** 2).sum() + traces - 2 * np.linalg.svd(root_x @ root_y.T, compute_uv=False).sum())


def _moments(features):
    """Mean (d,) and a root A (r,d) of the covariance A^T A, r the smaller of N and d; float64."""
    n, d = features.shape
    mean = features.mean(0, dtype=np.float64)
    if n <= d:
        return mean, (features - mean) / np.sqrt(n - 1)
    covariance = np.zeros((d, d))
    for start in range(0, n, _BLOCK):  # so that no float64 copy of all features is made
        centred = features[start : start + _BLOCK] - mean
        covariance += centred.T @ centred
    values, vectors = np.linalg.eigh(covariance / (n - 1))
    return mean, np.sqrt(np.maximum(values, 0))[:, None] * vectors.T


@dataclass(frozen=True)
class Neighbours:
    """How fake samples lie among real ones."""

    precision: float  # share of fake samples within the neighbourhood of a real one
    recall: float  # share of real samples within the neighbourhood of a fake one
    nearest: np.ndarray  # (N,) index of the real sample nearest to each fake one
    distance: np.ndarray  # (N,) to it


def neighbours(fake, real, k=NEIGHBOURS) -> Neighbours:
    """Precision and recall by k nearest neighbours (Kynkaanniemi 2019): (N,d), (M,d); k is less in smaller sets."""
    k = min(k, len(fake) - 1, len(real) - 1)
    radius_fake, radius_real = _radii(fake, k), _radii(real, k)
    recalled, precise = np.zeros(len(real), bool), np.zeros(len(fake), bool)
    nearest, distance = np.zeros(len(fake), int), np.zeros(len(fake))
    for start, squares in _distances(fake, real):
        stop = start + len(squares)
        precise[start:stop] = (squares <= radius_real).any(1)
        recalled |= (squares <= radius_fake[start:stop, None]).any(0)
        nearest[start:stop] = squares.argmin(1)
        distance[start:stop] = np.sqrt(squares.min(1))
    return Neighbours(float(precise.mean()), float(recalled.mean()), nearest, distance)


def _radii(features, k):
    """Squared distance of each sample to its k-th neighbour: (N,d) -> (N,)."""
    found = [np.partition(squares, k, 1)[:, k] for _, squares in _distances(features, features)]
    return np.concatenate(found)  # place 0 is the sample itself


def _distances(x, y):
    """Blocks (start, squared distances (b,M)), float64 totals of float32 products about the common mean."""
    centre = y.mean(0, dtype=np.float64).astype(np.float32)
    y = np.asarray(y, np.float32) - centre
    norms = np.einsum("ij,ij->i", y, y, dtype=np.float64)
    for start in range(0, len(x), _BLOCK):
        block = np.asarray(x[start : start + _BLOCK], np.float32) - centre
        own = np.einsum("ij,ij->i", block, block, dtype=np.float64)
        yield start, np.maximum(own[:, None] + norms - 2.0 * (block @ y.T).astype(np.float64), 0)
