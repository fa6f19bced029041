"""Products of matrices, decompositions, solutions of systems, Fourier transforms."""

import numpy as np
import paddle

from align.api.entry import Entry
from align.api.inputs import fixed, several, shaped, values

SECTION = "Linear algebra, Fourier transforms"


def added_product(x, a, b, beta=1, alpha=1):
    """By its formula, with factors of the same dtype."""
    return beta * x + alpha * paddle.matmul(a, b)


def added_vector(x, a, b, beta=1, alpha=1):
    """By its formula."""
    return beta * x + alpha * paddle.mv(a, b)


def singular_values(x, full_matrices=False):
    """torch.svd returns V, both linalg.svd its conjugate transpose."""
    u, s, vh = paddle.linalg.svd(x, full_matrices)
    return u, s, vh


def chained(*matrices):
    """As one list."""
    return paddle.linalg.multi_dot(list(matrices))


def pairwise(x, y, p=2.0):
    """Differences of every pair, then their norm."""
    sums = ((x.unsqueeze(-2) - y.unsqueeze(-3)).abs() ** p).sum(-1)
    return sums ** paddle.full([], 1 / p, x.dtype)


def sign_and_logarithm(x):
    """Paddle stacks the two."""
    both = paddle.linalg.slogdet(x)
    return both[0], both[1]


def same_rank(x, y):
    """With as many axes on both sides, which Paddle's gradient needs where batches are broadcast."""
    while min(x.ndim, y.ndim) > 1 and x.ndim != y.ndim:
        x, y = (x.unsqueeze(0), y) if x.ndim < y.ndim else (x, y.unsqueeze(0))
    return paddle.matmul(x, y)


def one_by_one(x):
    """One matrix after the other: the gradient of several at once is wrong."""
    found = [paddle.linalg.eigh(matrix) for matrix in paddle.unbind(x)]
    return paddle.stack([values for values, _ in found]), paddle.stack([vectors for _, vectors in found])


def values_one_by_one(x):
    """One matrix after the other: the gradient of several at once is wrong."""
    return paddle.stack([paddle.linalg.eigvalsh(matrix) for matrix in paddle.unbind(x)])


def only_values(x):
    """By svd, in Paddle 2.6."""
    return paddle.linalg.svd(x)[1]


def _symmetric(rng):
    drawn = values(rng, (3, 4, 4))
    return [("(3,4,4)", [drawn @ drawn.swapaxes(1, 2) + 2 * np.eye(4)])]


def _square(rng):
    return [("(3,4,4)", [values(rng, (3, 4, 4)) + 3 * np.eye(4)])]


def _system(rng):
    return [("(4,4) (4,2)", [values(rng, (4, 4)) + 3 * np.eye(4), values(rng, (4, 2))])]


def _triangle(rng):
    return [("(4,4) (4,2)", [np.triu(values(rng, (4, 4))) + 3 * np.eye(4), values(rng, (4, 2))])]


def _products(rng):
    pairs = [
        ((3, 4), (4, 5)),
        ((2, 3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (3, 4, 2)),
        ((4,), (4, 3)),
        ((3, 4), (4,)),
        ((4,), (4,)),
    ]
    found = [(f"{a} {b}".replace(", ", ","), [values(rng, a), values(rng, b)]) for a, b in pairs]
    return [
        *found,
        ("empty", [np.zeros((0, 4)), values(rng, (4, 3))], {}, True),
        ("empty inside", [np.zeros((3, 0)), np.zeros((0, 2))], {}, True),
    ]


_TWICE = {"normal": several((3, 4), (4, 5)), "batched": several((2, 3, 4), (2, 4, 5))}
TABLE = [
    Entry("matmul", "matmul", inputs=fixed(_products), recipe=same_rank),
    Entry("mm", "mm", inputs=_TWICE["normal"]),
    Entry("bmm", "bmm", inputs=_TWICE["batched"]),
    Entry("mv", "mv", inputs=several((3, 4), (4,))),
    Entry("dot", "dot", inputs=several((4,), (4,))),
    Entry("inner", "inner", inputs=several((3, 4), (5, 4))),
    Entry("outer", "outer", inputs=several((3,), (4,))),
    Entry("cross", "cross", inputs=several((2, 3), (2, 3)), uses=({"dim": 1},)),
    Entry("kron", "kron", inputs=several((2, 3), (3, 2))),
    Entry(
        "addmm",
        "addmm",
        inputs=several((3, 5), (3, 4), (4, 5)),
        uses=({}, {"beta": 0.3, "alpha": 0.7}),
        recipe=added_product,
    ),
    Entry(
        "baddbmm",
        "baddbmm",
        inputs=several((2, 3, 5), (2, 3, 4), (2, 4, 5)),
        uses=({}, {"beta": 0.3}),
        recipe=added_product,
    ),
    Entry("addmv", "", inputs=several((3,), (3, 4), (4,)), uses=({"beta": 0.3},), recipe=added_vector),
    Entry("tensordot", "tensordot", inputs=several((2, 3, 4), (3, 4, 5)), uses=({"dims": 2},), names={"dims": "axes"}),
    Entry("chain_matmul", "", inputs=several((2, 3), (3, 4), (4, 2)), recipe=chained),
    Entry("trace", "trace", inputs=several((4, 5))),
    Entry(
        "cdist",
        "cdist",
        inputs=several((3, 4), (5, 4), edges=("ties",)),
        uses=({}, {"p": 3.0}),
        recipe=pairwise,
    ),
    Entry("inverse", "inverse", inputs=fixed(_square)),
    Entry("linalg.inv", "linalg.inv", inputs=fixed(_square)),
    Entry("linalg.pinv", "linalg.pinv", inputs=shaped((3, 5), edges=False, empty=False)),
    Entry("linalg.det", "linalg.det", inputs=fixed(_square)),
    Entry("linalg.slogdet", "linalg.slogdet", inputs=fixed(_square), recipe=sign_and_logarithm),
    Entry("linalg.cholesky", "linalg.cholesky", inputs=fixed(_symmetric)),
    Entry("linalg.qr", "linalg.qr", inputs=shaped((5, 3), edges=False, empty=False)),
    Entry(
        "linalg.svd",
        "linalg.svd",
        inputs=shaped((5, 3), edges=False, empty=False),
        uses=({"full_matrices": False},),
        recipe=singular_values,
        own="Fréchet distances use SciPy's roots of matrices",
    ),
    Entry("linalg.svdvals", "linalg.svdvals", inputs=shaped((5, 3), edges=False, empty=False), recipe=only_values),
    Entry("linalg.eigh", "linalg.eigh", inputs=fixed(_symmetric), recipe=one_by_one),
    Entry("linalg.eigvalsh", "linalg.eigvalsh", inputs=fixed(_symmetric), recipe=values_one_by_one),
    Entry("linalg.solve", "linalg.solve", inputs=fixed(_system)),
    Entry("linalg.solve_triangular", "linalg.triangular_solve", inputs=fixed(_triangle), uses=({"upper": True},)),
    Entry("linalg.matrix_power", "linalg.matrix_power", inputs=fixed(_square), uses=({"n": 3}, {"n": -1})),
    Entry("linalg.matrix_norm", "linalg.matrix_norm", inputs=fixed(_square), uses=({}, {"ord": 1}), names={"ord": "p"}),
    Entry("linalg.norm", "linalg.norm", inputs=fixed(_square), uses=({"dim": 1}, {}), names={"ord": "p"}),
    Entry("linalg.cond", "linalg.cond", inputs=fixed(_square)),
    Entry("linalg.matrix_rank", "linalg.matrix_rank", inputs=fixed(_square)),
    Entry("linalg.matrix_exp", "linalg.matrix_exp", inputs=fixed(_square)),
    Entry("linalg.householder_product", "linalg.householder_product", inputs=several((4, 3), (3,))),
    *[
        Entry(f"fft.{name}", f"fft.{name}", inputs=shaped((3, 8), edges=False), uses=({}, {"norm": "ortho"}))
        for name in ("fft", "ifft", "rfft", "fft2", "rfft2", "hfft")
    ],
    Entry("fft.fftshift", "fft.fftshift", inputs=shaped((3, 8), edges=False)),
]
