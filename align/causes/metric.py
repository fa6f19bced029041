"""Why a KID differs: `find_metric_cause` tries likely mistakes in the plain statement of its formula."""

import numpy as np

from align.compare import metric_statements
from align.compare.metric import SETS, SUBSETS, compared, drawn_features
from align.compare.verdict import UNKNOWN
from paddle_ugatit.metrics import mmd


def _mmd2(one, other, offset, kernel=metric_statements.kernel, divide=lambda n: n * (n - 1), trace=False):
    """MMD^2 with another kernel or divisor of XX and YY, or with their diagonals included.

    paddle_ugatit sums the kernel minus a constant, `offset`, which does not cancel if a sum is divided wrongly.
    """
    total = -2 * kernel(one, other).mean()
    for values in (one, other):
        gram = kernel(values, values) - offset
        total += (gram.sum() - (0 if trace else np.trace(gram))) / divide(len(values)) + offset
    return total


def _estimates(x, y, size, seed, **options):
    """(of each subset, of all pairs)."""
    offset = (1 + float(x[:512].mean(0, dtype=np.float64) @ y[:512].mean(0, dtype=np.float64)) / x.shape[1]) ** 3
    rng, values = np.random.RandomState(seed), []
    for _ in range(SUBSETS):
        one = x[rng.choice(len(x), size, replace=False)]
        values.append(_mmd2(one, y[rng.choice(len(y), size, replace=False)], offset, **options))
    return np.array(values), _mmd2(x, y, offset, **options)


def _power(degree, constant, scale=None):
    return lambda x, y: (x.astype(np.float64) @ y.astype(np.float64).T / (scale or x.shape[1]) + constant) ** degree


# Name -> (options of the statement, standard deviation of the values).
MISTAKES = {
    "biased: divided by n^2": ({"divide": lambda n: n**2}, None),
    "biased: the diagonal left in": ({"trace": True}, None),
    "biased: all pairs by n^2": ({"trace": True, "divide": lambda n: n**2}, None),
    "kernel's constant 0": ({"kernel": _power(3, 0)}, None),
    "kernel of degree 2": ({"kernel": _power(2, 1)}, None),
    "gamma 1 / 2048": ({"kernel": _power(3, 1, 2048)}, None),
    "gamma 1": ({"kernel": _power(3, 1, 1)}, None),
    "std with ddof 1": ({}, lambda values: values.std(ddof=1)),
    "standard error for std": ({}, lambda values: values.std(ddof=1) / np.sqrt(len(values))),
}


def find_metric_cause(seed):
    """Find why KID differs; returns {"name", "before", "after", "tried"}.

    A mistake may affect the subsets, all pairs, or both.
    """
    n, m, size = SETS[0]
    x, y = drawn_features(n, m, seed)
    kid = mmd.kid(x, y, SUBSETS, size, seed)
    right = _estimates(x, y, size, seed)
    before, fits = _error(kid, *right, np.std)
    if fits:
        return {"name": UNKNOWN, "before": before, "after": None, "tried": 0}
    for tried, (name, (options, std)) in enumerate(MISTAKES.items(), 1):
        wrong = _estimates(x, y, size, seed, **options)
        for subsets, pairs in ((wrong, wrong), (wrong, right), (right, wrong)):
            after, fits = _error(kid, subsets[0], pairs[1], std or np.std)
            if fits:
                return {"name": name, "before": before, "after": after, "tried": tried}
    return {"name": UNKNOWN, "before": before, "after": None, "tried": len(MISTAKES)}


def _error(kid, values, pairs, std):
    """The largest relative error of what KID reports, and whether all are within the check's limits."""
    wanted = (values, values.mean(), pairs, std(values))
    ours = (kid.values, kid.mean, kid.all_pairs, kid.std)
    found = [compared("", "", one, other) for one, other in zip(ours, wanted, strict=True)]
    fits = [one.error <= one.limit * width for one, width in zip(found, (1, 1, 1, 10), strict=True)]
    return max(one.error for one in found), all(fits)
