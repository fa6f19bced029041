"""KID, the unbiased MMD^2 with a polynomial kernel between two sets of features; NumPy only.

    k(x, y) = (x.y / d + 1)^3
    MMD^2   = mean k(x, x') + mean k(y, y') - 2 mean k(x, y)          x != x', y != y'

Contents: kid (the entry point), Kid (its result), subset_kid (the values of the subsets alone), draws (the samples of
each subset). gram.py computes the sums, spread.py the interval and the p-value. There is no twin in PyTorch:
align/check_metric.py compares all of it with a plain implementation of the formula, and with torch-fidelity.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.metrics import gram, spread
from paddle_ugatit.metrics.gram import all_pairs, gram_sums, mmd2, unbiased
from paddle_ugatit.metrics.workers import in_order

SEED = 2020  # torch-fidelity's
SUBSETS, SUBSET_SIZE = 100, 1000
ALL_PAIRS_UP_TO = 20_000  # samples of both sets together, up to which all pairs are always taken
SAMPLED = 5000  # samples of each set whose pairs stand for all of larger sets
_AT_ONCE = 1024  # samples that are checked together
_LARGEST = 1e20  # features up to which the kernel, with its squares summed, does not overflow
_LARGEST_FLOAT32 = 300.0  # the same in float32
_EXACT_BELOW = 1024  # samples of both sets together, up to which float64 takes no noticeable time


@dataclass(frozen=True)
class Kid:
    """KID of two sets, unscaled: the paper prints 100 times these values, others 1000 times."""

    mean: float  # over the subsets
    std: float  # over the subsets, ddof 0: what torch-fidelity prints
    standard_error: float  # std (ddof 1) / sqrt(subsets): what the paper's tool prints as its "std"
    all_pairs: float  # from every pair once, of all samples or of those drawn: the estimate of smallest variance
    all_pairs_error: float  # standard error of all_pairs over draws of both sets, estimated without bias
    ci95: tuple[float, float]  # for all_pairs, by bootstrap
    p_value: float | None  # of "both sets have one distribution", by permutation; None if not requested
    values: np.ndarray  # per subset
    subset_size: int
    subset_size_chosen: bool  # by default, not by the caller
    seed: int
    samples: tuple[int, int]
    pairs_of: tuple[int, int]  # samples whose pairs are those of all_pairs, its interval and the p-value
    dimensions: int

    @property
    def subsets(self) -> int:
        """The number of subsets."""
        return len(self.values)


def kid(
    features_x: np.ndarray,
    features_y: np.ndarray,
    subsets: int = SUBSETS,
    subset_size: int | None = None,
    seed: int = SEED,
    permutations: int = 0,
    bootstrap: int = spread.BOOTSTRAP,
    progress: Callable[[int], object] | None = None,
    every_pair: bool | None = None,
) -> Kid:
    """Compute KID between features (N,d) and (M,d), with float32 products and float64 sums.

    `subset_size` defaults to 1000, or to half the smaller set if that has fewer samples: subsets equal to the whole
    set would not vary. With the same seed, the subsets are torch-fidelity's. `permutations` 0 omits the p-value,
    `bootstrap` 0 takes the interval from the normal distribution. `progress(1)` is called `passes(N, M, ...)` times.

    The cost of all pairs grows with the square of the sets. Where they would cost more than the subsets, by default
    beyond 10 000 samples a side, "all pairs" are those of 5000 samples of each set, drawn at random: an unbiased
    estimate too, with the wider interval of so many samples. `every_pair` True takes all of them at any size, False
    those of the samples. `Kid.pairs_of` tells of how many samples they are.

    Raises InputError if the features cannot be compared or the subsets cannot be drawn.
    """
    x, y = checked(features_x, features_y)
    size = default_subset_size(len(x), len(y)) if subset_size is None else subset_size
    require_subsets(subsets, size, len(x), len(y))
    members = draws(len(x), len(y), subsets, size, seed)
    sampled = is_sampled(len(x), len(y), subsets, size) if every_pair is None else not every_pair
    few_x, few_y = (_sampled(x, seed), _sampled(y, seed + 1)) if sampled else (x, y)
    n, m = len(few_x), len(few_y)
    relabelled = spread.permuted_labels(n, m, permutations, seed)
    if sampled:
        values = _by_subset(x, y, members, progress)
        sums, first = gram_sums(few_x, few_y, relabelled, progress), 0
    else:
        sums, first = gram_sums(x, y, np.concatenate([members, relabelled], 1), progress), subsets
        values = unbiased(*sums.columns[:, :subsets], size, size)
    estimate = all_pairs(sums)
    error, interval = spread.interval(sums, estimate, seed, bootstrap)
    p_value = spread.p_value(sums, relabelled, first, estimate) if permutations else None
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
        subset_size=size,
        subset_size_chosen=subset_size is None,
        seed=seed,
        samples=(len(x), len(y)),
        pairs_of=(n, m),
        dimensions=x.shape[1],
    )


def subset_kid(
    features_x: np.ndarray,
    features_y: np.ndarray,
    subsets: int = SUBSETS,
    subset_size: int = SUBSET_SIZE,
    seed: int = SEED,
) -> np.ndarray:
    """Compute `kid(...).values` alone, (subsets,), as torch-fidelity does; for sets so large that all pairs take long.

    Uses the Gram matrix of all samples or those of the subsets, whichever is smaller. Raises InputError as `kid` does.
    """
    x, y = checked(features_x, features_y)
    require_subsets(subsets, subset_size, len(x), len(y))
    members = draws(len(x), len(y), subsets, subset_size, seed)
    if whole_is_less(len(x) + len(y), subsets, subset_size):
        return unbiased(*gram_sums(x, y, members).columns, subset_size, subset_size)
    return _by_subset(x, y, members)


def _by_subset(
    x: np.ndarray, y: np.ndarray, members: np.ndarray, progress: Callable[[int], object] | None = None
) -> np.ndarray:
    """The values of the subsets from Gram matrices of their own, (subsets,)."""

    def value(column: np.ndarray) -> float:
        own = column.astype(bool)
        return mmd2(x[own[: len(x)]], y[own[len(x) :]])

    values = []
    for found in in_order(value, members.T):
        values.append(found)
        if progress:
            progress(1)
    return np.array(values)


def is_sampled(n: int, m: int, subsets: int, subset_size: int) -> bool:
    """Return whether `kid` by default takes its "all pairs" from samples of the sets."""
    return n + m > ALL_PAIRS_UP_TO and not whole_is_less(n + m, subsets, subset_size)


def passes(n: int, m: int, subsets: int, subset_size: int | None, every_pair: bool | None = None) -> int:
    """Return how often `kid` with these arguments calls `progress(1)`."""
    size = default_subset_size(n, m) if subset_size is None else subset_size
    sampled = is_sampled(n, m, subsets, size) if every_pair is None else not every_pair
    return subsets + gram.passes(min(n, SAMPLED), min(m, SAMPLED)) if sampled else gram.passes(n, m)


def _sampled(features: np.ndarray, seed: int) -> np.ndarray:
    """At most SAMPLED of the samples, drawn without replacement, in their order."""
    if len(features) <= SAMPLED:
        return features
    rng = np.random.default_rng([seed, 3])
    return features[np.sort(rng.choice(len(features), SAMPLED, replace=False))]


def whole_is_less(samples: int, subsets: int, subset_size: int) -> bool:
    """Return whether the Gram matrix of all samples is smaller than those of the subsets together."""
    return samples**2 <= subsets * (2 * subset_size) ** 2


def checked(features_x: np.ndarray, features_y: np.ndarray) -> list[np.ndarray]:
    """Return both sets as float32 or float64 arrays (N,d), (M,d).

    Raises InputError unless they are finite, so small that the kernel does not overflow, have the same number of
    dimensions, and 2 or more samples each.
    """
    both = [np.asarray(features) for features in (features_x, features_y)]
    for name, features in zip(("first", "second"), both, strict=True):
        if features.ndim != 2 or not features.shape[1] or features.dtype.kind not in "fiu":
            raise InputError(f"the {name} set must be features (N,d), not {features.dtype} of shape {features.shape}")
        if len(features) < 2:
            raise InputError(f"the {name} set has {len(features)} samples; MMD needs 2 or more")
        pieces = range(0, len(features), _AT_ONCE)  # which avoids copies of a large set
        if bad := sum(int((~np.isfinite(features[i : i + _AT_ONCE]).all(1)).sum()) for i in pieces):
            raise InputError(f"the {name} set has NaN or infinite features in {bad} of {len(features)} samples")
    if both[0].shape[1] != both[1].shape[1]:
        raise InputError(f"features of {both[0].shape[1]} and {both[1].shape[1]} dimensions cannot be compared")
    largest = max(max(float(features.max()), -float(features.min())) for features in both)
    if largest > _LARGEST:
        raise InputError(f"the features reach {largest:.3g}, at which the kernel overflows: {_LARGEST:g} at most")
    dtype = np.float64 if sum(map(len, both)) <= _EXACT_BELOW or largest > _LARGEST_FLOAT32 else np.float32
    return [np.ascontiguousarray(features, dtype) for features in both]


def default_subset_size(n: int, m: int) -> int:
    """Return 1000, or half the smaller set if that has fewer than 1000 samples, but at least 2."""
    least = min(n, m)
    return SUBSET_SIZE if least >= SUBSET_SIZE else max(2, least // 2)


def require_subsets(subsets: int, size: int, n: int, m: int) -> None:
    """Raise InputError if such subsets cannot be drawn from sets of n and m samples."""
    if subsets < 1:
        raise InputError(f"the number of subsets must be 1 or more, got {subsets}")
    if size < 2:
        raise InputError(f"the subset size must be 2 or more, got {size}")
    if size > min(n, m):
        raise InputError(f"subsets of {size} cannot be drawn from sets of {n} and {m} samples: {min(n, m)} at most")


def draws(n: int, m: int, subsets: int, size: int, seed: int) -> np.ndarray:
    """Draw `size` samples of each set without replacement for every subset: 0/1, float32 (n + m, subsets).

    As in torch-fidelity, one random stream draws from the first set before the second in every subset.
    """
    rng = np.random.RandomState(seed)
    members = np.zeros((n + m, subsets), np.float32)
    for column in range(subsets):
        members[rng.choice(n, size, replace=False), column] = 1
        members[n + rng.choice(m, size, replace=False), column] = 1
    return members
