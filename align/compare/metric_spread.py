"""The uncertainty of KID as plain statements in float64, from whole Gram matrices: variances, interval, p-value.

paddle_ugatit/metrics/spread.py computes the same from sums of rows and of squares. See its head for what is estimated.
"""

import numpy as np

from align.compare.metric_statements import kernel, mmd2

DRAWS = 1000  # resamples of the interval, where none are named


def variance(x, y):
    """(first-order variance, second-order variance, [centred projections of x, of y]) of the all-pairs estimate."""
    n, m = len(x), len(y)
    (effects_x, rest_x), (effects_y, rest_y) = _within(kernel(x, x)), _within(kernel(y, y))
    cross = kernel(x, y)
    mean, rows, columns = cross.mean(), cross.mean(1), cross.mean(0)
    rest = ((cross - rows[:, None] - columns + mean) ** 2).sum() / ((n - 1) * (m - 1))
    first_x, projected_x = _first_order(effects_x - (rows - mean), rest_x, rest, m)
    first_y, projected_y = _first_order(effects_y - (columns - mean), rest_y, rest, n)
    second = 2 * rest_x / (n * (n - 1)) + 2 * rest_y / (m * (m - 1)) + 4 * rest / (n * m)
    return first_x + first_y, second, [projected_x, projected_y]


def _within(gram):
    """(effects of the samples, variance of the rest) among the pairs of one set: an analysis of variance."""
    n = len(gram)
    pairs = ~np.eye(n, dtype=bool)
    mean = gram[pairs].mean()
    if n < 4:  # too few pairs to tell effects from the rest
        return np.zeros(n), gram[pairs].var()
    effects = (n - 1) / (n - 2) * (np.where(pairs, gram, 0).sum(1) / (n - 1) - mean)
    left = gram - mean - effects[:, None] - effects
    return effects, (left[pairs] ** 2).sum() / (n * (n - 3))


def _first_order(effects, rest, rest_cross, others):
    """(variance of the mean of a set's projections, the projections at that size), the pairs' noise taken off."""
    projections = 2 * (effects - effects.mean())
    size, seen = len(effects), projections.var(ddof=1)
    true = max(0.0, seen - 4 * (rest / max(size - 2, 1) + rest_cross / others))
    return true / size, projections * np.sqrt(true / seen) if seen else projections


def interval(x, y, seed, draws=DRAWS):
    """(standard error, (low, high)) of the all-pairs estimate; without draws by the normal distribution."""
    first, second, projections = variance(x, y)
    estimate, error = mmd2(x, y), np.sqrt(first + second)
    n = min(len(x), len(y)) - 1
    wider = 1 + 1.21 / n + 1.44 / n**2  # Student's t for the normal distribution, see `student`
    if not draws:
        return error, (estimate - 1.96 * error * wider, estimate + 1.96 * error * wider)
    rng = np.random.default_rng([seed, 1])
    values = rng.standard_normal(draws) * np.sqrt(second)
    for projection in projections:
        values += projection[rng.integers(0, len(projection), (draws, len(projection)))].mean(1)
    low, high = np.quantile(values, 0.025), np.quantile(values, 0.975)
    return error, (estimate + low * wider, estimate + high * wider)


def student(n):
    """The ratio of the 97.5 % quantiles of Student's t for n samples and of the normal distribution."""
    from scipy import stats

    return stats.t.ppf(0.975, n - 1) / stats.norm.ppf(0.975)


def p_value(x, y, permutations, seed):
    """The share of permutations of the pooled samples whose estimate is at least as large, itself included."""
    rng, pooled = np.random.default_rng([seed, 2]), np.concatenate([x, y])
    gram, count, least = kernel(pooled, pooled), len(x), 1
    estimate = _mmd2(gram, count)
    for _ in range(permutations):
        order = rng.permutation(len(pooled))
        least += _mmd2(gram[np.ix_(order, order)], count) >= estimate
    return least / (1 + permutations)


def _mmd2(gram, n):
    """`mmd2` of the first n samples and the others, from the Gram matrix of all."""
    xx, yy, m = gram[:n, :n], gram[n:, n:], len(gram) - n
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return within - 2 * gram[:n, n:].mean()
