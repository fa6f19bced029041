"""Functions over axes: sums, moments, extremes, sorting."""

import math

import numpy as np
import paddle

from align.api.entry import Entry, Sample
from align.api.inputs import fixed, shaped, ties, values

SECTION = "Sums, moments, extremes"
AXES = ({}, {"dim": 1}, {"dim": (0, 2), "keepdim": True})
AXIS = ({"dim": 1}, {"dim": -1, "keepdim": True})
PLAIN = shaped((3, 4, 5), (2, 3, 1))
LARGE = (1, 64, 65536)  # a map of 64 channels


def first_of_ties(x, dim=None, keepdim=False):
    """Take the value at argmax: all of a tie's gradient goes to it, and indices come with it."""
    places = paddle.argmax(x, dim, keepdim=True)
    taken = paddle.take_along_axis(x, places, dim)
    return (taken, places) if keepdim else (taken.squeeze(dim), places.squeeze(dim))


def last_of_ties(x, dim=None, keepdim=False):
    """Take the value at argmin: all of a tie's gradient goes to it, and indices come with it."""
    places = paddle.argmin(x, dim, keepdim=True)
    taken = paddle.take_along_axis(x, places, dim)
    return (taken, places) if keepdim else (taken.squeeze(dim), places.squeeze(dim))


def centred_variance(x, dim=None, correction=1, keepdim=False):
    """The mean square of the centred values, in float64 whatever the dtype."""
    count = math.prod(x.shape[axis] for axis in _axes(dim))
    wide = x.astype("float64")
    centred = wide - wide.mean(dim, keepdim=True)
    return ((centred * centred).mean(dim, keepdim=keepdim) * (count / (count - correction))).astype(x.dtype)


def centred_deviation(x, dim=None, correction=1, keepdim=False):
    """The root of that variance."""
    return paddle.sqrt(centred_variance(x, dim, correction, keepdim))


def variance_and_mean(x, dim=None, correction=1, keepdim=False):
    """Two calls."""
    return centred_variance(x, dim, correction, keepdim), x.mean(dim, keepdim=keepdim)


def deviation_and_mean(x, dim=None, correction=1, keepdim=False):
    """Two calls."""
    return centred_deviation(x, dim, correction, keepdim), x.mean(dim, keepdim=keepdim)


def both_extremes(x, dim=None, keepdim=False):
    """Two calls."""
    return paddle.amin(x, dim, keepdim), paddle.amax(x, dim, keepdim)


def lower_median(x, dim=-1, keepdim=False):
    """The lower of the two middle values, and its index."""
    return paddle.kthvalue(x, (x.shape[dim] + 1) // 2, dim, keepdim)


def both_sorted(x, dim=-1, descending=False):
    """Paddle's sort returns values only; those of argsort's places have the gradient too."""
    places = paddle.argsort(x, dim, descending)
    return paddle.take_along_axis(x, places, dim), places


def steps(x, dim=-1):
    """The difference of two slices."""
    count = x.shape[dim]
    later, earlier = (paddle.slice(x, [dim % x.ndim], [i], [count - 1 + i]) for i in (1, 0))
    return later - earlier


def area(x):
    """Half of the sums of neighbours."""
    return (x[..., 1:] + x[..., :-1]).sum(-1) / 2


def shortened(x, p, dim, maxnorm):
    """Slices longer than the norm are scaled, with PyTorch's 1e-7 in the dtype of x."""
    axes = [axis for axis in range(x.ndim) if axis != dim]
    norms = ((x.abs() ** p).sum(axes, keepdim=True)) ** paddle.full([], 1 / p, x.dtype)
    scale = maxnorm / (norms + paddle.full([], 1e-7, x.dtype))
    return x * paddle.where(norms > maxnorm, scale, paddle.ones_like(norms))


def summed_norm(x, p=2.0, dim=None, keepdim=False):
    """By its formula, with the exponent 1/p in the dtype of x."""
    return (x.abs() ** p).sum(dim, keepdim=keepdim) ** paddle.full([], 1 / p, x.dtype)


def vector_norm(x, ord=2, dim=None):
    """By its formula, with the exponent 1/p in the dtype of x."""
    return summed_norm(x, ord, dim)


def distance(x, y, p=2.0):
    """By its formula, with the exponent 1/p in the dtype of x."""
    return summed_norm(x - y, p)


def product(x, dim=None, keepdim=False):
    """One factor after the other, whose gradient is right at zeros too."""
    result = 1.0
    for factor in paddle.unbind(x.flatten() if dim is None else x, 0 if dim is None else dim):
        result = factor * result
    return result


def _axes(dim):
    return dim if isinstance(dim, tuple) else (dim,)


def _spread(rng):
    """Ordinary shapes and edges, and a map on which float32 accumulates badly."""
    large = Sample("(1,64,65536)", (values(rng, LARGE),), edge=True, single=True)
    return [*PLAIN(rng), large]


def _counted(rng):
    return [("(7,)", [rng.integers(0, 5, 7)]), ("empty", [np.zeros(0, int)], {}, True)]


def _booleans(rng):
    return [("booleans", [rng.random((3, 4)) < 0.7]), ("empty", [np.zeros((0, 4), bool)], {}, True)]


def _many_ties(rng):
    found = [("(3,4,5)", [values(rng, (3, 4, 5))]), ("(6,3,2)", [values(rng, (6, 3, 2))])]
    return [*found, ("ties", [ties(rng, (3, 8, 5))], {}, True), ("NaN", [_with_nan(rng)], {}, True)]


def _with_nan(rng):
    drawn = values(rng, (3, 4, 5))
    drawn[0, 1] = np.nan
    return drawn


EXTREMES = fixed(_many_ties)
SPREAD = ({"dim": (1, 2)}, {"dim": 1}, {"dim": (0, 2), "keepdim": True})
TABLE = [
    *[Entry(name, name, inputs=PLAIN, uses=AXES) for name in ("sum", "mean", "nansum", "nanmean", "amax", "amin")],
    Entry("logsumexp", "logsumexp", inputs=PLAIN, uses=({"dim": 1}, {"dim": (0, 2), "keepdim": True})),
    Entry("prod", "prod", inputs=PLAIN, uses=({}, {"dim": 1}), recipe=product),
    Entry(
        "var",
        "var",
        inputs=_spread,
        uses=({"dim": (1, 2)}, {"dim": (0, 1, 2), "keepdim": True}),
        recipe=centred_variance,
        own="`layers/norm.py`: the mean square of the centred maps",
    ),
    Entry("std", "std", inputs=_spread, uses=({"dim": (1, 2)}, {"dim": 1}), recipe=centred_deviation),
    Entry("var_mean", "", inputs=PLAIN, uses=SPREAD, recipe=variance_and_mean),
    Entry("std_mean", "", inputs=PLAIN, uses=SPREAD, recipe=deviation_and_mean),
    Entry(
        "max",
        "max",
        inputs=EXTREMES,
        uses=AXIS,
        recipe=first_of_ties,
        own="`losses` and the class activation map take what PyTorch takes; ties are tested",
    ),
    Entry("min", "min", inputs=EXTREMES, uses=AXIS, recipe=last_of_ties),
    Entry("aminmax", "", inputs=EXTREMES, uses=({"dim": 1},), recipe=both_extremes),
    *[Entry(name, name, inputs=EXTREMES, uses=({}, *AXIS)) for name in ("argmax", "argmin")],
    Entry("median", "median", inputs=EXTREMES, uses=({"dim": 1},), recipe=lower_median),
    Entry("nanmedian", "nanmedian", inputs=EXTREMES, uses=({"dim": 1},)),
    Entry("quantile", "quantile", inputs=EXTREMES, uses=({"q": 0.3, "dim": 1}, {"q": 0.5})),
    Entry("nanquantile", "nanquantile", inputs=EXTREMES, uses=({"q": 0.3, "dim": 1},)),
    Entry("mode", "mode", inputs=EXTREMES, uses=({"dim": 1},)),
    Entry("kthvalue", "kthvalue", inputs=EXTREMES, uses=({"k": 2, "dim": 1},)),
    Entry("topk", "topk", inputs=EXTREMES, uses=({"k": 2, "dim": 1}, {"k": 2, "dim": 1, "largest": False})),
    Entry("sort", "sort", inputs=EXTREMES, uses=({"dim": 1}, {"dim": 1, "descending": True}), recipe=both_sorted),
    Entry("argsort", "argsort", inputs=EXTREMES, uses=({"dim": 1}, {"dim": 1, "descending": True})),
    *[Entry(name, name, inputs=PLAIN, uses=({"dim": 1},)) for name in ("cumsum", "cumprod", "logcumsumexp")],
    *[Entry(name, name, inputs=EXTREMES, uses=({"dim": 1},)) for name in ("cummax", "cummin")],
    Entry("norm", "norm", inputs=PLAIN, uses=({}, {"p": 3, "dim": 1}), recipe=summed_norm),
    Entry(
        "linalg.vector_norm",
        "linalg.vector_norm",
        inputs=PLAIN,
        uses=({}, {"ord": 3, "dim": 1}),
        names={"ord": "p"},
        recipe=vector_norm,
    ),
    Entry("count_nonzero", "count_nonzero", inputs=EXTREMES, uses=({}, {"dim": 1})),
    Entry("all", "all", inputs=fixed(_booleans), uses=({}, {"dim": 1})),
    Entry("any", "any", inputs=fixed(_booleans), uses=({}, {"dim": 1})),
    Entry("bincount", "bincount", inputs=fixed(_counted)),
    Entry("histc", "histogram", inputs=shaped((20,), edges=False), uses=({"bins": 5, "min": -1, "max": 1},)),
    Entry("diff", "diff", inputs=PLAIN, uses=({}, {"dim": 1}), recipe=steps),
    Entry("trapezoid", "trapezoid", inputs=PLAIN, recipe=area),
    Entry(
        "renorm",
        "renorm",
        inputs=shaped((3, 4, 5)),
        uses=({"p": 2, "dim": 1, "maxnorm": 1.0},),
        names={"maxnorm": "max_norm"},
        recipe=shortened,
    ),
    Entry(
        "dist",
        "dist",
        inputs=fixed(lambda rng: [("(4,6)", [values(rng, (4, 6)), values(rng, (4, 6))])]),
        uses=({}, {"p": 3}),
        recipe=distance,
    ),
    Entry("cov", "linalg.cov", inputs=shaped((3, 8), empty=False)),
    Entry("corrcoef", "linalg.corrcoef", inputs=shaped((3, 8), edges=False, empty=False)),
    Entry("unique", "unique", inputs=fixed(lambda rng: [("(12,)", [ties(rng, (12,))])])),
]
