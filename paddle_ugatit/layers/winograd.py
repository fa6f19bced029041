"""A 3x3 convolution with a quarter of the multiplications (Winograd), for CPUs; forward and backward.

Contents: winograd_conv. The padded map is cut into tiles of 6x6 that overlap by 2, each of which gives 4x4 pixels of
the output, Y = A^T [sum over channels of (G w G^T) * (B^T x B)] A (Lavin and Gray, CVPR 2016, arXiv 1509.09308): 36
products where the sum as it is written takes 144. In exact arithmetic that is the convolution; in float64 it agrees to
1e-15.

Written as few large products of matrices: B^T x B of all tiles at once is one product with the Kronecker square of B^T,
likewise the other two transforms; the sum over channels is 36 products of (out, in) and (in, tiles). The backward pass
takes the same road with the matrices transposed.

In float32 the running sums over channels weigh most, since A^T magnifies their rounding: each takes RUN channels at
most, and the next transform, a product too, adds them up.
"""

from functools import lru_cache

import numpy as np
import paddle
import paddle.nn.functional as F

from paddle_ugatit.compat import copied_transpose

TILE, STEP = 6, 4  # pixels of a tile and its distance to the next, along each axis
# Where polynomials are evaluated, infinity aside. In float32 these lose least: half a digit, 0, 1, -1, 2, -2 one and a
# half.
POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)
RUN = 64


def winograd_conv(x, weight):
    """Convolution of stride 1 without padding: (B,in,H+2,W+2), (out,in,3,3) -> (B,out,H,W); 4 divides H and W."""
    return _WinogradConv.apply(x, weight)


def transforms():
    """B^T (6,6), G (6,3) and A^T (4,6) by Toom and Cook: a convolution is a product of polynomials.

    Row i of G evaluates a kernel at point i, divided by what row i of B^T, the polynomial with all other points as its
    roots, is there; the last rows stand for infinity. A^T is the evaluation of an output, transposed.
    """
    b, g, a = np.zeros((TILE, TILE)), np.zeros((TILE, 3)), np.zeros((STEP, TILE))
    for i, point in enumerate(POINTS):
        others = POINTS[:i] + POINTS[i + 1 :]
        b[i, :-1] = np.poly(others)[::-1]
        g[i] = point ** np.arange(3) / np.prod(point - np.array(others))
        a[:, i] = point ** np.arange(STEP)
    b[-1] = np.poly(POINTS)[::-1]
    g[-1, -1] = a[-1, -1] = 1
    return b, g, a


@lru_cache
def _squares(dtype):
    """Kronecker squares of B^T (36,36), G (36,9) and A^T (16,36)."""
    return [paddle.to_tensor(np.kron(matrix, matrix), dtype, paddle.CPUPlace()) for matrix in transforms()]


def _tiles(x, b):
    """B^T x B of every tile: (B,C,H+2,W+2) -> (36,C,B*tiles)."""
    batch, channels = x.shape[:2]
    cut = F.unfold(x, TILE, STEP).reshape([batch, channels, TILE**2, -1])
    cut = copied_transpose(cut, [2, 1, 0, 3]).reshape([TILE**2, -1])
    return paddle.matmul(b, cut).reshape([TILE**2, channels, -1])


def _untiled(tiles, b, shape):
    """The gradient of `_tiles`: (36*runs,C*B*tiles) -> (B,C,H+2,W+2), overlaps added."""
    batch, channels, *size = shape
    cut = paddle.matmul(b, tiles)
    cut = copied_transpose(cut.reshape([TILE**2, channels, batch, -1]), [2, 1, 0, 3])
    return F.fold(cut.reshape([batch, channels * TILE**2, -1]), size, TILE, STEP)


def _kernels(weight, g):
    """G w G^T of every kernel: (p,q,3,3) -> (36,p,q)."""
    return paddle.matmul(g, weight.reshape([-1, 9]), transpose_y=True).reshape([TILE**2, *weight.shape[:2]])


def _summed(kernels, tiles, following):
    """Sums over p, of at most RUN terms each: (36,p,q), (36,p,tiles) -> (36*runs,q*tiles).

    Also `following`, the matrix of the next transform (n,36), as the one that adds the runs up: (n,36*runs).
    """
    runs = next(n for n in range(-(-tiles.shape[1] // RUN), tiles.shape[1] + 1) if tiles.shape[1] % n == 0)
    kernels, tiles = (t.reshape([TILE**2, runs, t.shape[1] // runs, t.shape[2]]) for t in (kernels, tiles))
    sums = paddle.matmul(kernels, tiles, transpose_x=True)
    return sums.reshape([TILE**2 * runs, -1]), following.repeat_interleave(runs, 1)


class _WinogradConv(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.wanted, ctx.shape = (not x.stop_gradient, not weight.stop_gradient), x.shape
        b, g, a = _squares(x.dtype)
        tiles = _tiles(x, b)
        ctx.save_for_backward(weight, *([] if weight.stop_gradient else [tiles]))  # two maps, instead of x
        batch, channels = x.shape[0], weight.shape[0]
        rows, columns = (x.shape[2] - 2) // STEP, (x.shape[3] - 2) // STEP
        products, a = _summed(_kernels(copied_transpose(weight, [1, 0, 2, 3]), g), tiles, a)
        pixels = paddle.matmul(a, products).reshape([STEP, STEP, channels, batch, rows, columns])
        out = copied_transpose(pixels, [3, 2, 4, 0, 5, 1])  # (B,out,rows,4,columns,4)
        return out.reshape([batch, channels, STEP * rows, STEP * columns])

    @staticmethod
    def backward(ctx, grad):
        weight, *tiles = ctx.saved_tensor()
        want_x, want_weight = ctx.wanted
        b, g, a = _squares(weight.dtype)
        batch, channels, height, width = grad.shape
        pixels = grad.reshape([batch, channels, height // STEP, STEP, width // STEP, STEP])
        pixels = copied_transpose(pixels, [3, 5, 1, 0, 2, 4]).reshape([STEP**2, -1])
        products = paddle.matmul(a, pixels, transpose_x=True).reshape([TILE**2, channels, -1])
        grad_x = grad_weight = None
        if want_weight:
            kernels = paddle.matmul(products, *tiles, transpose_y=True).reshape([TILE**2, -1])
            grad_weight = paddle.matmul(kernels, g, transpose_x=True).reshape(weight.shape)
        if want_x:
            grad_tiles, b = _summed(_kernels(weight, g), products, b.t())
            grad_x = _untiled(grad_tiles, b, ctx.shape)
        return grad_x, grad_weight
