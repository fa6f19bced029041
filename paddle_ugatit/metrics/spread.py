"""The uncertainty of KID: its variance over draws of both sets, a bootstrap interval, a permutation test.

The all-pairs estimate is a U-statistic. Its variance has a first-order part (each sample's own projection) and a
second-order part (pairs); a bootstrap of the samples counts the second part three times, which at 100 images and a KID
near zero is most of the variance. So the projections are resampled after the pairs' contribution is removed from their
variance, and the second-order part is added as normal noise of its estimated variance. `align/check_metric.py
--coverage` measures how often the interval contains the true value.
"""

import numpy as np

from paddle_ugatit.metrics.gram import GramSums, unbiased

BOOTSTRAP = 1000  # resamples
WIDE = 0.5  # share of the estimate: an interval wider than this is reported as wide


def variance(sums: GramSums) -> tuple[float, float, list[np.ndarray]]:
    """Return the first-order variance, the second-order variance, and the centred projections of both sets.

    Kernel values are decomposed into mean, effects of both samples and a rest, as in an analysis of variance; the
    squares of the rest are the second order.
    """
    n, m = sums.n, sums.m
    xx, yy = _within(sums.rows_xx, sums.squares[0]), _within(sums.rows_yy, sums.squares[1])
    rows, columns = sums.rows_xy / m, sums.columns_xy / n
    mean = rows.mean()
    effects = m * ((rows - mean) ** 2).sum() + n * ((columns - mean) ** 2).sum()
    left = sums.squares[2] - effects - n * m * mean**2
    rest_xy = max(0.0, left / ((n - 1) * (m - 1)))
    projections, first = [], 0.0
    for size, other, (own, rest), cross in ((n, m, xx, rows), (m, n, yy, columns)):
        projection = 2 * (own - cross + mean)
        noise = 4 * (rest / max(size - 2, 1) + rest_xy / other)
        seen = (projection**2).sum() / (size - 1)  # they add up to zero
        true = max(0.0, seen - noise)
        first += true / size
        projections.append(projection * np.sqrt(true / seen) if seen else projection)
    second = 2 * xx[1] / (n * (n - 1)) + 2 * yy[1] / (m * (m - 1)) + 4 * rest_xy / (n * m)
    return first, second, projections


def _within(rows: np.ndarray, squares: float) -> tuple[np.ndarray, float]:
    """The effects of the samples and the variance of the rest, among the pairs of one set."""
    n = len(rows)
    if n < 4:  # too few pairs to tell effects from the rest
        mean = rows.sum() / (n * (n - 1))
        return np.zeros(n), max(0.0, squares / (n * (n - 1)) - mean**2)
    means = rows / (n - 1)
    mean = means.mean()
    effects = (n - 1) / (n - 2) * (means - mean)
    left = squares - 2 * (n - 2) * (effects**2).sum() - n * (n - 1) * mean**2
    return effects, max(0.0, left / (n * (n - 3)))


def interval(sums: GramSums, estimate: float, seed: int, draws: int) -> tuple[float, tuple[float, float]]:
    """Return the standard error of the all-pairs estimate and its 95 % interval.

    The interval comes from `draws` bootstrap resamples, or from the normal distribution if `draws` is 0.
    """
    first, second, projections = variance(sums)
    error = float(np.sqrt(first + second))
    if not draws:
        reach = 1.96 * error * _stretch(min(sums.n, sums.m))
        return error, (estimate - reach, estimate + reach)
    rng = np.random.default_rng([seed, 1])
    values = rng.standard_normal(draws) * np.sqrt(second)
    for projection in projections:
        size = len(projection)
        for start in range(0, draws, 100):  # 100 at a time: 16 MB for 10 000 samples
            chosen = rng.integers(0, size, (min(100, draws - start), size))
            values[start : start + 100] += projection[chosen].mean(1)
    low, high = np.quantile(values, [0.025, 0.975]) * _stretch(min(sums.n, sums.m))
    return error, (float(estimate + low), float(estimate + high))


def _stretch(n: int) -> float:
    """The ratio of the 97.5 % quantiles of Student's t and the normal distribution for n samples, by its series."""
    return 1 + 1.21 / (n - 1) + 1.44 / (n - 1) ** 2


def permuted_labels(n: int, m: int, permutations: int, seed: int) -> np.ndarray:
    """Draw which samples count as the first set under each permutation: 0/1, float32 (n + m, permutations)."""
    rng = np.random.default_rng([seed, 2])
    labels = np.zeros((n + m, permutations), np.float32)
    for column in range(permutations):
        labels[rng.permutation(n + m)[:n], column] = 1
    return labels


def p_value(sums: GramSums, labels: np.ndarray, first: int, estimate: float) -> float:
    """Return the share of permutations whose estimate is at least as large; `first` is their first column in `sums`."""
    n, m = sums.n, sums.m
    xx, yy, xy = sums.columns[:, first:]
    own = xx + yy + 2 * xy  # u^T K u over the pooled samples
    rows = np.concatenate([sums.rows_xx + sums.rows_xy, sums.rows_yy + sums.columns_xy])
    pieces = range(0, labels.shape[1], 100)  # avoids a float64 copy of all labels
    to_all = np.concatenate([rows @ labels[:, start : start + 100].astype(np.float64) for start in pieces])
    others = rows.sum() - 2 * to_all + own
    permuted = unbiased(own, others, to_all - own, n, m)
    return float((1 + (permuted >= estimate).sum()) / (1 + labels.shape[1]))
