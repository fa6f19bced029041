"""The metrics as plain statements of their formulas in float64: slow, and meant to be read.

paddle_ugatit/metrics computes the same in blocks, in float32 or by other identities, and is compared with these.
"""

import math

import numpy as np
from scipy import linalg


def kernel(x, y):
    """(x.y / d + 1)^3 for all pairs: (N,d), (M,d) -> (N,M)."""
    return (x.astype(np.float64) @ y.astype(np.float64).T / x.shape[1] + 1) ** 3


def mmd2(x, y):
    """Unbiased MMD^2: means of XX and YY without the diagonal, minus twice the mean of XY."""
    n, m = len(x), len(y)
    xx, yy, xy = kernel(x, x), kernel(y, y), kernel(x, y)
    return (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1)) - 2 * xy.mean()


def subset_values(x, y, subsets, size, seed):
    """mmd2 of each subset, drawn by RandomState(seed), the first set before the second."""
    rng = np.random.RandomState(seed)
    values = []
    for _ in range(subsets):
        chosen_x = rng.choice(len(x), size, replace=False)
        chosen_y = rng.choice(len(y), size, replace=False)
        values.append(mmd2(x[chosen_x], y[chosen_y]))
    return np.array(values)


def paper_blocks(x, y):
    """(mean, standard error) over ceil(max(n, m) / 10) consecutive blocks, the smaller blocks first."""
    blocks = math.ceil(max(len(x), len(y)) / 10)
    values, start_x, start_y = [], 0, 0
    for i in range(blocks):
        stop_x = start_x + len(x) // blocks + (i >= blocks - len(x) % blocks)
        stop_y = start_y + len(y) // blocks + (i >= blocks - len(y) % blocks)
        values.append(mmd2(x[start_x:stop_x], y[start_y:stop_y]))
        start_x, start_y = stop_x, stop_y
    return np.mean(values), math.sqrt(np.var(values, ddof=1) / blocks)


def frechet(x, y):
    """|mean x - mean y|^2 + tr(Sx + Sy - 2 (Sx Sy)^(1/2)), by a matrix root."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    cov_x, cov_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = linalg.sqrtm(cov_x @ cov_y).real
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(cov_x + cov_y - 2 * root)


def frechet_symmetric(x, y):
    """The same by eigenvalues of Sx^(1/2) Sy Sx^(1/2), which is exact for fewer samples than dimensions too."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    cov_x, cov_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    values, vectors = np.linalg.eigh(cov_x)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    crossed = np.sqrt(np.linalg.eigvalsh(root @ cov_y @ root).clip(0)).sum()
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(cov_x) + np.trace(cov_y) - 2 * crossed


def precision_recall(fake, real, k):
    """Return the share of fake samples within the k-NN balls of real ones, and the reverse."""

    def distances(a, b):
        return np.sqrt(((a[:, None].astype(np.float64) - b[None]) ** 2).sum(2))

    radius_fake, radius_real = (np.sort(distances(a, a), 1)[:, k] for a in (fake, real))
    between = distances(fake, real)
    return (between <= radius_real).any(1).mean(), (between <= radius_fake[:, None]).any(0).mean()


def tf1_bilinear(image, size):
    """TensorFlow 1's bilinear resize, pixel by pixel: (H,W,3) -> (size,size,3).

    quirk: TensorFlow computes positions in float32, which changes pixels by up to 2e-5 of 255. So does this function,
    but only positions.
    """
    height, width, _ = image.shape
    image = image.astype(np.float64)
    scale_y, scale_x = np.float32(height / size), np.float32(width / size)
    out = np.empty((size, size, 3))
    for i in range(size):
        y = float(np.float32(i) * scale_y)
        top, bottom, down = int(y), min(int(y) + 1, height - 1), y - int(y)
        for j in range(size):
            x = float(np.float32(j) * scale_x)
            left, right, across = int(x), min(int(x) + 1, width - 1), x - int(x)
            above = image[top, left] * (1 - across) + image[top, right] * across
            below = image[bottom, left] * (1 - across) + image[bottom, right] * across
            out[i, j] = above * (1 - down) + below * down
    return out
