"""Comparisons of what KID, FID, precision and recall say besides their values: uncertainties, defaults, small sets.

Every number is compared with a float64 statement of its formula in align/compare. What a run takes where no option is
given is written here, not imported: the numbers of torch-fidelity and of the papers.
"""

from unittest.mock import patch

import numpy as np

from align.compare import metric_spread, metric_statements
from align.compare.metric import LIMIT, compared, drawn_features, same
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.metrics import frechet, gram, mmd, paper, spread

SEED, SUBSETS, SUBSET_SIZE, NEIGHBOURS = 2020, 100, 1000, 3  # torch-fidelity's, and the paper's k
_DIMENSIONS = 24
_SPREAD, _FRECHET, _GRAM, _PAPER = "metrics/spread.py", "metrics/frechet.py", "metrics/gram.py", "metrics/paper.py"
_DISTANCE = 1e-3  # of the largest; the root of a difference of float32 products, which has reached 2e-4
_FLOAT32 = 1e-5  # of variances from float32 products; 4e-7 has been measured


def uncertainty(seed):
    """Yield comparisons of variances, intervals and p-values with the plain statements."""
    for name, x, y, limit in _spread_sets(seed):
        yield from _variances(name, x, y, limit)
        permutations = 20 if len(x) > 100 else 60
        kid = mmd.kid(x, y, 3, 2, seed, permutations=permutations)
        error, (low, high) = metric_spread.interval(x, y, seed)
        yield compared(name, "standard error of all pairs", kid.all_pairs_error, error, limit)
        scale = abs(high - low) or 1.0
        ours = np.array(kid.ci95) / scale
        yield compared(name, "95 % interval", ours, np.array([low, high]) / scale, 10 * limit)
        if len(x) > 5 or x.std() == 0:  # of few samples some permutations tie but for rounding
            wanted = metric_spread.p_value(x, y, permutations, seed)
            yield compared(name, "p-value", kid.p_value, wanted, 0.0)
    x, y = drawn_features(9, 7, seed, _DIMENSIONS)
    for draws in (0, 250):  # 250: not a whole number of hundreds, at which they are drawn
        kid = mmd.kid(x, y, 2, 3, seed, bootstrap=draws)
        wanted = metric_spread.interval(x, y, seed, draws)[1]
        yield compared(f"{draws} resamples", "95 % interval", kid.ci95, wanted, 1e-6, _SPREAD)
    for n in (20, 40):
        ours = spread.interval(gram.gram_sums(*(f[:n] for f in drawn_features(n, n, seed, 8))), 0.0, seed, 0)
        ratio = ours[1][1] / (1.96 * ours[0])
        yield compared(f"{n} samples", "Student's t", ratio, metric_spread.student(n), 1e-3, _SPREAD)


def _variances(name, x, y, limit):
    """The parts of the variance, by the functions themselves; what follows is what kid makes of them."""
    x, y = mmd.checked(x, y)
    first, second, projections = spread.variance(gram.gram_sums(x, y))
    variances = metric_spread.variance(x, y)
    total = sum(variances[:2]) or 1.0
    wanted = np.array(variances[:2]) / total
    yield compared(name, "variances of both orders", np.array([first, second]) / total, wanted, limit, _SPREAD)
    ours, wanted = (np.concatenate(each) for each in (projections, variances[2]))
    yield compared(name, "projections", ours, wanted, limit, _SPREAD)


def _spread_sets(seed):
    """Name, both sets, limit. In the small ones the pairs' noise exceeds what is seen, which is cut off at zero."""
    yield "N 70, M 50", *drawn_features(70, 50, seed, _DIMENSIONS), LIMIT
    yield "N 600, M 530", *drawn_features(600, 530, seed, _DIMENSIONS), _FLOAT32
    for n, m in ((12, 12), (2, 3), (3, 2), (4, 5), (5, 4)):
        x, y = drawn_features(n + m, m, seed + n, _DIMENSIONS)[0][:n], drawn_features(n + m, m, seed + n, _DIMENSIONS)
        yield f"one distribution, N {n}, M {m}", x, y[0][n:], LIMIT
    alike = np.ones((4, 4), np.float32)
    yield "samples all alike", alike, alike[:3], LIMIT


def defaults(seed):
    """Yield comparisons of what is computed where no option is given."""
    yield same("subsets", "their samples", mmd.draws(9, 7, 5, 4, seed), _drawn_subsets(9, 7, 5, 4, seed))
    yield same(
        "permutations", "their samples", spread.permuted_labels(9, 7, 5, seed), _permuted(9, 7, 5, seed), _SPREAD
    )
    x, y = drawn_features(60, 50, seed, _DIMENSIONS)
    kid = mmd.kid(x, y)
    values = metric_statements.subset_values(x, y, SUBSETS, 25, SEED)
    yield from _results("no options", kid, values, 25, True, (60, 50))
    interval = metric_spread.interval(x, y, SEED)[1]
    yield compared("no options", "95 % interval", kid.ci95, interval, 1e-6, _SPREAD)
    yield same("no options", "p-value", kid.p_value, None)
    yield compared("no options", "subsets alone", mmd.subset_kid(x, y, subset_size=25), values)
    yield from _results("one subset", mmd.kid(x, y, 1, 9, seed), *_one(x, y, 9, seed), False, (60, 50), seed)
    for n, m, size in ((1100, 1000, SUBSET_SIZE), (1001, 999, 499), (5, 3, 2)):
        x, y = drawn_features(n, m, seed, 4)
        kid = mmd.kid(x, y, 2, seed=seed, bootstrap=0)
        values = metric_statements.subset_values(x, y, 2, size, seed)
        limit = _rounding(x, values) if n > 5 else LIMIT
        yield from _results(f"no size, N {n}, M {m}", kid, values, size, True, (n, m), seed, limit)
    values = metric_statements.subset_values(*(both := drawn_features(1100, 1000, seed, 4)), 2, SUBSET_SIZE, seed)
    yield compared("no size", "subsets alone", mmd.subset_kid(*both, 2, seed=seed), values, _rounding(both[0], values))
    for size, subsets in ((6, 3), (30, 3)):  # by the subsets' own Gram matrices, and by that of all
        x, y = drawn_features(60, 50, seed, _DIMENSIONS)
        values = metric_statements.subset_values(x, y, subsets, size, seed)
        yield compared(f"subsets of {size}", "alone", mmd.subset_kid(x, y, subsets, size, seed), values)
    yield compared("subsets of 6, float32", "alone", *_single_precision(seed))
    yield from _of_samples(seed)


def _of_samples(seed):
    """Yield comparisons of "all pairs" of samples of sets that are too large for all of theirs."""
    x, y = drawn_features(60, 50, seed, _DIMENSIONS)
    for most, permutations in ((20, 4), (55, 0)):  # one set may be small enough to be taken whole
        with patch.object(mmd, "SAMPLED", most):
            kid = mmd.kid(x, y, SUBSETS, 9, seed, permutations=permutations, every_pair=False)
        few = [_few(features, most, seed + place) for place, features in enumerate((x, y))]
        yield compared(f"samples of {most}", "KID all pairs", kid.all_pairs, metric_statements.mmd2(*few))
        error = metric_spread.interval(*few, seed)[0]
        yield compared(f"samples of {most}", "error", kid.all_pairs_error, error, 1e-6, _SPREAD)
        values = metric_statements.subset_values(x, y, SUBSETS, 9, seed)
        yield compared(f"samples of {most}", "KID", kid.mean, values.mean())
        yield same(f"samples of {most}", "their numbers", kid.pairs_of, tuple(map(len, few)))
        if permutations:
            wanted = metric_spread.p_value(*few, permutations, seed)
            yield compared(f"samples of {most}", "p-value", kid.p_value, wanted, 0.0)


def _few(features, most, seed):
    """Of more than `most` samples so many, drawn without replacement by the generator of [seed, 3], in their order."""
    if len(features) <= most:
        return features
    return features[np.sort(np.random.default_rng([seed, 3]).choice(len(features), most, replace=False))]


def _drawn_subsets(n, m, subsets, size, seed):
    """0 or 1 for each sample of both sets and each subset, the first set drawn first: float32 (n + m, subsets)."""
    rng = np.random.RandomState(seed)
    drawn = [[rng.choice(count, size, replace=False) for count in (n, m)] for _ in range(subsets)]
    members = [[np.isin(range(n), one), np.isin(range(m), other)] for one, other in drawn]
    return np.stack([np.concatenate(both) for both in members], 1).astype(np.float32)


def _permuted(n, m, permutations, seed):
    rng = np.random.default_rng([seed, 2])
    labels = [np.isin(range(n + m), rng.permutation(n + m)[:n]) for _ in range(permutations)]
    return np.stack(labels, 1).astype(np.float32)


def _one(x, y, size, seed):
    return metric_statements.subset_values(x, y, 1, size, seed), size


def _rounding(x, values):
    """The limit for products in float32: 4 of its roundings of a kernel, of which KID is a small difference."""
    kernel = np.mean((x.astype(np.float64) @ x.T / x.shape[1] + 1) ** 3)
    return max(LIMIT, 4 * 2.0**-24 * kernel / np.abs(values).max())


def _results(group, kid, values, size, chosen, samples, seed=SEED, limit=LIMIT):
    yield compared(group, "KID of each subset", kid.values, values, limit)
    yield compared(group, "KID mean", kid.mean, values.mean(), limit)
    yield compared(group, "KID std, ddof 0", kid.std, values.std(), 10 * limit)
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    yield compared(group, "KID standard error", kid.standard_error, error, 10 * limit)
    ours = kid.subsets, kid.subset_size, kid.subset_size_chosen, kid.seed, kid.samples
    yield same(group, "subsets, their size, seed, samples", ours, (len(values), size, chosen, seed, samples))


def _single_precision(seed):
    """(ours, theirs) of so many samples that the products are float32, and subsets small enough for their own."""
    x, y = drawn_features(700, 600, seed, _DIMENSIONS)
    return mmd.subset_kid(x, y, 4, 20, seed), metric_statements.subset_values(x, y, 4, 20, seed)


def precisions(seed):
    """Yield comparisons of the type that features are computed in, and of what is refused."""
    rng = np.random.default_rng(seed)
    for n, m, largest, kind in (
        (512, 512, 1.0, np.float64),
        (513, 512, 1.0, np.float32),
        (513, 512, 300.0, np.float32),
        (513, 512, 310.0, np.float64),
        (3, 2, 9e19, np.float64),
    ):
        both = [rng.random((count, 2)) for count in (n, m)]
        both[1][0, 0] = -largest  # of either sign
        ours = [str(features.dtype) for features in mmd.checked(*both)]
        yield same(f"{n} + {m} samples up to {largest:g}", "type", ours, [np.dtype(kind).name] * 2)
    yield same(
        "features up to 1.1e+20", "refused", refused(mmd.checked, np.full((2, 2), 1.1e20), np.ones((2, 2))), True
    )
    whole = [rng.integers(0, 9, (5, 3)) for _ in range(2)]
    yield compared("integers", "KID all pairs", mmd.kid(*whole, 1, 2).all_pairs, metric_statements.mmd2(*whole))
    calls = []
    x, y = drawn_features(700, 1100, seed, 2)
    sums = gram.gram_sums(x, y, progress=calls.append)
    shapes = [part.shape for part in (sums.columns, sums.rows_xx, sums.rows_yy, sums.squares)]
    yield same("sums", "shapes", shapes, [(3, 0), (len(x),), (len(y),), (3,)], _GRAM)
    yield same("700 + 1100 samples", "blocks", (sum(calls), gram.passes(700, 1100)), (15, 15), _GRAM)
    yield same("9000 + 100 samples", "blocks", gram.passes(9000, 100), 55, _GRAM)


def refused(function, *given):
    """Return whether a call is answered by InputError."""
    try:
        function(*given)
    except InputError:
        return True
    return False


def distances(seed):
    """Yield comparisons of FID, precision, recall and nearest neighbours, on either side of every size."""
    for n, m, d in ((40, 30, 8), (8, 30, 8), (9, 8, 8), (1100, 60, 5)):
        x, y = drawn_features(n, m, seed, d)
        group = f"N {n}, M {m}, {d} features"
        yield compared(
            group, "FID", frechet.frechet_distance(x, y), metric_statements.frechet_symmetric(x, y), 1e-5, _FRECHET
        )
        yield from _neighbours(group, x, y, NEIGHBOURS)
    x, _ = drawn_features(40, 2, seed, 8)
    yield from _neighbours("the same set twice", x, x, NEIGHBOURS)  # distances of 0, or just below by rounding
    x, y = drawn_features(3, 9, seed, 4)
    one, other = np.float64([[-3], [1], [2], [10]]), np.float64([[0], [1], [2], [3]])  # -3 is as far as the radius of 0
    yield from _neighbours("on a border", one, other, NEIGHBOURS)
    yield from _neighbours("on a border, the other way", other, one, NEIGHBOURS)
    yield from _neighbours("few fakes", x, y, 2)
    yield from _neighbours("few real ones", y, x, 2)
    axis = np.arange(-2, 3, dtype=np.float32)
    lattice = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)  # its distances are exact, and often the same
    fakes = np.concatenate([lattice * 2, lattice[[0, 4, 20, 24]] * 8])
    yield from _neighbours("lattices", fakes, lattice, NEIGHBOURS)
    yield from _neighbours("lattices, the other way", lattice, fakes, NEIGHBOURS)
    yield compared("one block", "the paper's KID", *_one_block(seed), LIMIT, _PAPER)
    yield same("11 samples in 2 blocks", "sizes", paper.block_sizes(11, 2), [5, 6], _PAPER)
    yield same(
        "blocks of one sample", "refused", refused(paper.block_kid, np.ones((30, 2)), np.ones((5, 2))), True, _PAPER
    )
    x, y = drawn_features(21, 6, seed, 4)
    wanted = metric_statements.paper_blocks(x, y)
    blocks = paper.block_kid(x, y)
    yield compared("blocks of two", "the paper's KID", (blocks.mean, blocks.standard_error), wanted, LIMIT, _PAPER)


def _one_block(seed):
    """(ours, theirs): mean, standard error and the value of the only block."""
    x, y = drawn_features(10, 7, seed, 4)
    blocks, wanted = paper.block_kid(x, y), metric_statements.mmd2(x, y)
    return (blocks.mean, blocks.standard_error, *blocks.values), (wanted, 0.0, wanted)


def _neighbours(group, fake, real, k):
    ours = frechet.neighbours(fake, real)
    wanted = metric_statements.precision_recall(fake, real, k)
    yield compared(group, "precision and recall", (ours.precision, ours.recall), wanted, 0.0, _FRECHET)
    apart = np.sqrt(((fake[:, None].astype(np.float64) - real[None]) ** 2).sum(2))
    yield same(group, "nearest", ours.nearest, apart.argmin(1), _FRECHET)
    yield compared(group, "distance to it", ours.distance, apart.min(1), _DISTANCE, _FRECHET)
