"""Sums over the Gram matrix of two sets of features, in one blocked pass that all estimates share; NumPy only.

Contents: gram_sums (the pass), GramSums (its result), unbiased and all_pairs (MMD^2 from it), mmd2 (MMD^2 alone).
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from paddle_ugatit.metrics.workers import in_order

Sums = TypeVar("Sums", float, np.ndarray)
_Pair = tuple[tuple[int, int], tuple[int, int]]  # (begin, end) of the rows and of the columns of a block
DEGREE, COEF0 = 3, 1.0  # the kernel is (gamma x.y + 1)^3
_FIRST = 512  # samples of each set whose mean is near enough to that of all


@dataclass(frozen=True)
class GramSums:
    """Sums of the kernel k minus a constant, which cancels in an unbiased estimate; without the diagonals of XX, YY."""

    n: int
    m: int
    columns: np.ndarray  # (3, T): c^T K c over XX, YY and XY, for every given column c
    rows_xx: np.ndarray  # (n,) over x' of k(x, x')
    rows_yy: np.ndarray  # (m,)
    rows_xy: np.ndarray  # (n,) over y of k(x, y)
    columns_xy: np.ndarray  # (m,) over x of k(x, y)
    squares: np.ndarray  # (3,): over XX, YY and XY of k^2


def gram_sums(
    x: np.ndarray,
    y: np.ndarray,
    columns: np.ndarray | None = None,
    progress: Callable[[int], object] | None = None,
) -> GramSums:
    """Pass once over all pairs of [x; y], block by block: (n,d), (m,d), (n + m, T) -> GramSums.

    Every block of the kernel is computed once and serves all columns by one further product; of XX and YY only half is
    computed. Blocks are shared out to threads, and added up in order. `progress(1)` is called after every block.
    """
    n, m = len(x), len(y)
    columns = np.zeros((n + m, 0), x.dtype) if columns is None else columns.astype(x.dtype, copy=False)
    rows = np.zeros((2, n + m))  # to samples of the first set, to samples of the second
    quadratic, squares = np.zeros((3, columns.shape[1])), np.zeros(3)
    size = block_size(n, m)
    blocks = [(start, min(start + size, n)) for start in range(0, n, size)]
    blocks += [(start, min(start + size, n + m)) for start in range(n, n + m, size)]
    pairs = [(first, second) for i, first in enumerate(blocks) for second in blocks[i:]]
    centre, rooms = _centre(x, y), threading.local()

    def of_block(pair: _Pair) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        (top, bottom), (begin, end) = pair
        if not hasattr(rooms, "room"):
            rooms.room = np.empty_like(x, shape=(2, size * size))
        left = _rows(x, y, top, bottom) * x.dtype.type(gamma(x.shape[1]))
        kernel = _kernel(left, _rows(x, y, begin, end), centre, rooms.room)
        if top == begin:
            np.fill_diagonal(kernel, 0)
        sums = np.einsum("it,it->t", kernel @ columns[begin:end], columns[top:bottom], dtype=np.float64)
        ones = np.ones(size, x.dtype)
        square = float(np.einsum("ij,ij->i", kernel, kernel).sum(dtype=np.float64))
        return sums, kernel @ ones[: end - begin], ones[: bottom - top] @ kernel, square

    for ((top, bottom), (begin, end)), found in zip(pairs, in_order(of_block, pairs), strict=True):
        sums, of_rows, of_columns, square = found
        part = 0 if end <= n else 1 if top >= n else 2
        twice = 1 if top == begin or part == 2 else 2  # the block mirrored at the diagonal is the same
        quadratic[part] += twice * sums
        squares[part] += twice * square
        rows[int(begin >= n), top:bottom] += of_rows
        if top != begin:
            rows[int(top >= n), begin:end] += of_columns
        if progress:
            progress(1)
    return GramSums(n, m, quadratic, rows[0, :n], rows[1, n:], rows[1, :n], rows[0, n:], squares)


def block_size(n: int, m: int) -> int:
    """Return the number of rows and columns of a block of the Gram matrix.

    Larger products are a sixth faster, but in a small matrix too much would lie in blocks on the diagonal, whose two
    halves are the same.
    """
    return 512 if n + m < 8000 else 1024


def passes(n: int, m: int) -> int:
    """Return how often `gram_sums` calls `progress(1)`."""
    size = block_size(n, m)
    count = -(-n // size) - (-m // size)
    return count * (count + 1) // 2


def mmd2(x: np.ndarray, y: np.ndarray) -> float:
    """Compute MMD^2 from every pair, for sets whose three Gram matrices fit in memory: (n,d), (m,d).

    sum (a + q)^3 = N a^3 + 3 a^2 sum q + 3 a sum q^2 + sum q^3, where a^3 cancels in the unbiased estimate.
    """
    centre = _centre(x, y)
    a, sums = COEF0 + centre, []
    for left, right in ((x, x), (y, y), (x, y)):
        q = left @ right.T  # NumPy computes one half of a product of a matrix with itself
        q *= x.dtype.type(gamma(x.shape[1]))
        q -= x.dtype.type(centre)
        if left is right:
            np.fill_diagonal(q, 0)
        squares = q * q
        powers = (q.sum(1), squares.sum(1), np.einsum("ij,ij->i", squares, q))
        first, second, third = (power.sum(dtype=np.float64) for power in powers)
        sums.append(3 * a * a * first + 3 * a * second + third)
    return float(unbiased(*sums, len(x), len(y)))


def _centre(x: np.ndarray, y: np.ndarray) -> float:
    """The mean of gamma x.y over the first samples, which is close enough to that of all."""
    return float(x[:_FIRST].mean(0, dtype=np.float64) @ y[:_FIRST].mean(0, dtype=np.float64)) * gamma(x.shape[1])


def _rows(x: np.ndarray, y: np.ndarray, begin: int, end: int) -> np.ndarray:
    return x[begin:end] if end <= len(x) else y[begin - len(x) : end - len(x)]


def _kernel(left: np.ndarray, right: np.ndarray, centre: float, room: np.ndarray) -> np.ndarray:
    """(1 + left right^T)^3 minus a constant, computed within `room`.

    With p = centre + q it is a^3 + q (3 a^2 + q (3 a + q)), a = 1 + centre. Without a^3 the values lie around zero, so
    that float32 sums lose one digit less; and products are 6 times as fast as **3.
    """
    shape = len(left), len(right)
    q, out = (buffer[: shape[0] * shape[1]].reshape(shape) for buffer in room)
    a = COEF0 + centre
    np.matmul(left, right.T, out=q)
    q -= centre
    np.add(q, 3 * a, out=out)
    out *= q
    out += 3 * a * a
    out *= q
    return out


def all_pairs(sums: GramSums) -> float:
    """Return MMD^2 from every pair."""
    return float(unbiased(sums.rows_xx.sum(), sums.rows_yy.sum(), sums.rows_xy.sum(), sums.n, sums.m))


def unbiased(xx: Sums, yy: Sums, xy: Sums, n: int, m: int) -> Sums:
    """Return MMD^2 from sums of the kernel over XX and YY without their diagonals, and XY; n and m samples."""
    return xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)


def gamma(dimensions: int) -> float:
    """Return the kernel's factor of x.y."""
    return 1 / dimensions
