"""KID, the unbiased polynomial MMD^2 between two sets of features; NumPy only.

    k(x, y) = (x.y / d + 1)^3
    MMD^2   = mean k(x, x') + mean k(y, y') - 2 mean k(x, y)          x != x', y != y'

Contents: kid (what others call), Kid (its result), subset_kid (its subsets alone), draws (which samples a subset
takes). The sums are made in gram.py, interval and p-value in spread.py. No twin: align/check_metric.py compares all
with a plain statement of the formula, and with torch-fidelity.
"""

from dataclasses import dataclass

import numpy as np

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.metrics import spread
from paddle_ugatit.metrics.gram import all_pairs, gram_sums, mmd2, unbiased

SEED = 2020  # torch-fidelity's
SUBSETS, SUBSET_SIZE = 100, 1000
_EXACT_BELOW = 1024  # samples of both sets together, up to which float64 costs nothing that is felt


@dataclass(frozen=True)
class Kid:
    """KID of two sets. Nothing is scaled: the paper prints 100 times, others 1000 times these."""

    mean: float  # over the subsets
    std: float  # over the subsets, ddof 0: what torch-fidelity prints
    standard_error: float  # std (ddof 1) / sqrt(subsets): what the paper's tool prints as its "std"
    all_pairs: float  # from every pair once: the estimate of least variance
    all_pairs_error: float  # standard error of all_pairs over draws of both sets, estimated without bias
    ci95: tuple[float, float]  # for all_pairs, by bootstrap
    p_value: float | None  # of "both sets are of one distribution", by permutation; None where not asked for
    values: np.ndarray  # per subset
    subset_size: int
    subset_size_chosen: bool  # here, and not by the caller
    seed: int
    samples: tuple[int, int]
    dimensions: int

    @property
    def subsets(self):
        """How many there are."""
        return len(self.values)


def kid(
    features_x,
    features_y,
    subsets=SUBSETS,
    subset_size=None,
    seed=SEED,
    permutations=0,
    bootstrap=spread.BOOTSTRAP,
    progress=None,
) -> Kid:
    """KID between (N,d) and (M,d) features, by float32 products and float64 totals.

    `subset_size` is by default 1000, or half the smaller set where that has fewer: a subset that is the whole set has
    no spread to show. The draws are torch-fidelity's under the same seed. `permutations` 0 leaves the p-value out,
    `bootstrap` 0 takes the interval from the normal distribution. `progress(1)` is called `gram.passes(N, M)` times.
    Raises InputError for features that cannot be compared.
    """
    x, y = checked(features_x, features_y)
    chosen = subset_size is None
    subset_size = default_subset_size(len(x), len(y)) if chosen else subset_size
    require_subsets(subsets, subset_size, len(x), len(y))
    members = draws(len(x), len(y), subsets, subset_size, seed)
    relabelled = spread.permuted_labels(len(x), len(y), permutations, seed)
    sums = gram_sums(x, y, np.concatenate([members, relabelled], 1), progress)
    values = unbiased(*sums.columns[:, :subsets], subset_size, subset_size)
    estimate = all_pairs(sums)
    error, interval = spread.interval(sums, estimate, seed, bootstrap)
    p_value = spread.p_value(sums, relabelled, subsets, estimate) if permutations else None
    standard_error = float(values.std(ddof=1) / np.sqrt(subsets)) if subsets > 1 else 0.0
    return Kid(
        mean=float(values.mean()),
        std=float(values.std()),
        standard_error=standard_error,
        all_pairs=estimate,
        all_pairs_error=error,
        ci95=interval,
        p_value=p_value,
        values=values,
        subset_size=subset_size,
        subset_size_chosen=chosen,
        seed=seed,
        samples=(len(x), len(y)),
        dimensions=x.shape[1],
    )


def subset_kid(features_x, features_y, subsets=SUBSETS, subset_size=SUBSET_SIZE, seed=SEED) -> np.ndarray:
    """`kid(...).values` alone, (subsets,): what torch-fidelity computes. For sets so large that all pairs take long.

    Makes the Gram matrix of all samples once or that of every subset, whichever is less. Raises InputError.
    """
    x, y = checked(features_x, features_y)
    require_subsets(subsets, subset_size, len(x), len(y))
    members = draws(len(x), len(y), subsets, subset_size, seed)
    if (len(x) + len(y)) ** 2 <= subsets * (2 * subset_size) ** 2:
        return unbiased(*gram_sums(x, y, members).columns, subset_size, subset_size)
    chosen = (column.astype(bool) for column in members.T)
    return np.array([mmd2(x[own[: len(x)]], y[own[len(x) :]]) for own in chosen])


def checked(features_x, features_y):
    """Both as float32 or float64 arrays (N,d), (M,d). InputError unless they are finite, fit, and 2 or more each."""
    both = [np.asarray(features) for features in (features_x, features_y)]
    for name, features in zip(("first", "second"), both, strict=True):
        if features.ndim != 2 or not features.shape[1] or features.dtype.kind not in "fiu":
            raise InputError(f"the {name} set holds no features (N,d): {features.dtype} of shape {features.shape}")
        if len(features) < 2:
            raise InputError(f"the {name} set has {len(features)} samples; MMD needs 2 or more")
        if bad := int((~np.isfinite(features).all(1)).sum()):
            raise InputError(f"the {name} set has NaN or infinite features in {bad} of {len(features)} samples")
    if both[0].shape[1] != both[1].shape[1]:
        raise InputError(f"features of {both[0].shape[1]} and of {both[1].shape[1]} dimensions cannot be compared")
    dtype = np.float64 if sum(map(len, both)) <= _EXACT_BELOW else np.float32
    return [np.ascontiguousarray(features, dtype) for features in both]


def default_subset_size(n, m):
    """1000, or half the smaller set where that has fewer than 1000, but 2 at least."""
    least = min(n, m)
    return SUBSET_SIZE if least >= SUBSET_SIZE else max(2, least // 2)


def require_subsets(subsets, size, n, m):
    """InputError for numbers that sets of n and m samples cannot serve."""
    if subsets < 1:
        raise InputError(f"{subsets} subsets: 1 or more are needed")
    if size < 2:
        raise InputError(f"subsets of {size}: 2 or more samples are needed")
    if size > min(n, m):
        raise InputError(
            f"subsets of {size} cannot be drawn from sets of {n} and {m} samples; take {min(n, m)} at most"
        )


def draws(n, m, subsets, size, seed):
    """0/1 indicators (n + m, subsets) float32: `size` of the first set and of the second, without replacement.

    One stream, the first set before the second in every subset: torch-fidelity's draws.
    """
    rng = np.random.RandomState(seed)
    members = np.zeros((n + m, subsets), np.float32)
    for column in range(subsets):
        members[rng.choice(n, size, replace=False), column] = 1
        members[n + rng.choice(m, size, replace=False), column] = 1
    return members
