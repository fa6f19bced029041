"""How far KID could be off: its variance over draws of both sets, a bootstrap interval, a permutation test.

The all-pairs estimate is a U-statistic. Its variance has a part of first order (each sample's own projection) and one
of second order (pairs); a bootstrap of the samples counts the second three times, which at 100 images and a KID near
zero is most of it. So the projections are resampled with their variance freed of what pairs add to it, and the second
order enters as normal noise of its estimated variance. `align/check_metric.py --coverage` measures how often the
interval holds the truth.
"""

import numpy as np

from paddle_ugatit.metrics.gram import unbiased

BOOTSTRAP = 1000  # draws
WIDE = 0.5  # of the estimate: an interval wider than this is said to be wide


def variance(sums):
    """First-order variance of the two sets, second-order variance, and both projections, centred.

    `sums` is gram.GramSums. Kernel values are taken as mean + own effects + rest, as in an analysis of variance; what
    is left of their squares is the second order.
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
        centred = projection - projection.mean()
        seen = (centred**2).sum() / (size - 1)
        true = max(0.0, seen - noise)
        first += true / size
        projections.append(centred * np.sqrt(true / seen) if seen else centred)
    second = 2 * xx[1] / (n * (n - 1)) + 2 * yy[1] / (m * (m - 1)) + 4 * rest_xy / (n * m)
    return first, second, projections


def _within(rows, squares):
    """Effects of the samples and variance of the rest, among the pairs of one set."""
    n = len(rows)
    if n < 4:  # too few pairs to tell effects from the rest: all is rest
        mean = rows.sum() / (n * (n - 1))
        return np.zeros(n), max(0.0, squares / (n * (n - 1)) - mean**2)
    means = rows / (n - 1)
    mean = means.mean()
    effects = (n - 1) / (n - 2) * (means - mean)
    left = squares - 2 * (n - 2) * (effects**2).sum() - n * (n - 1) * mean**2
    return effects, max(0.0, left / (n * (n - 3)))


def interval(sums, estimate, seed, draws):
    """Standard error of the all-pairs estimate, and its 95 % interval from `draws` bootstrap draws, by normality for 0.

    sums: gram.GramSums.
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
        for start in range(0, draws, 100):  # 100 draws at a time: 16 MB for 10 000 samples
            chosen = rng.integers(0, size, (min(100, draws - start), size))
            values[start : start + 100] += projection[chosen].mean(1)
    low, high = np.quantile(values, [0.025, 0.975]) * _stretch(min(sums.n, sums.m))
    return error, (float(estimate + low), float(estimate + high))


def _stretch(n):
    """How much wider Student's t is than the normal distribution at 97.5 %, by its series; for n samples."""
    return 1 + 1.21 / (n - 1) + 1.44 / (n - 1) ** 2


def permuted_labels(n, m, permutations, seed):
    """Who counts as of the first set under each permutation: 0/1 (n + m, permutations) float32."""
    rng = np.random.default_rng([seed, 2])
    labels = np.zeros((n + m, permutations), np.float32)
    for column in range(permutations):
        labels[rng.permutation(n + m)[:n], column] = 1
    return labels


def p_value(sums, labels, first, estimate):
    """Share of permutations whose estimate is no smaller; their columns in `sums` begin at `first`."""
    n, m = sums.n, sums.m
    xx, yy, xy = sums.columns[:, first:]
    own = xx + yy + 2 * xy  # u^T K u over the pooled samples
    rows = np.concatenate([sums.rows_xx + sums.rows_xy, sums.rows_yy + sums.columns_xy])
    pieces = range(0, labels.shape[1], 100)  # so that no float64 copy of all labels is made
    to_all = np.concatenate([rows @ labels[:, start : start + 100].astype(np.float64) for start in pieces])
    others = rows.sum() - 2 * to_all + own
    permuted = unbiased(own, others, to_all - own, n, m)
    return float((1 + (permuted >= estimate).sum()) / (1 + labels.shape[1]))
