"""A 3x3 convolution with a quarter of the multiplications (Winograd), for CPUs; forward and backward.

Contents: winograd_conv, bordered_winograd_conv. The padded map is cut into tiles of 6x6 that overlap by 2. Each tile
gives 4x4 pixels of the output, Y = A^T [sum over channels of (G w G^T) * (B^T x B)] A (Lavin and Gray, CVPR 2016, arXiv
1509.09308), with 36 products where the direct sum takes 144. In exact arithmetic this is the convolution; in float64 it
agrees to 1e-15.

It is written as a few large matrix products: B^T x B of all tiles is one product with the Kronecker square of B^T, and
likewise the other two transforms; the sum over channels is 36 products of (out,in) and (in,tiles). The backward pass is
the same with the matrices transposed. For small maps, cutting into tiles, the border and B^T are one matrix along each
axis, mostly of zeros: more multiplications, but fewer passes over memory and a fifth of the operations.

In float32 the running sums over channels matter most, since A^T magnifies their rounding error: each covers at most RUN
channels.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F

from paddle_ugatit.backend.compat import copied_transpose

TILE, STEP = 6, 4  # size of a tile and distance to the next, in pixels along each axis
# Where the polynomials are evaluated, besides infinity. In float32 these points lose least, half a digit; 0, 1, -1, 2,
# -2 lose one and a half.
POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)
RUN = 128  # channels in a running sum
DENSE = 64  # longer side up to which a map is cut by a matrix along each axis
# Size of a map up to which its tiles, 2.25 times as large, are kept for the backward pass. Those of a larger map are
# cut again, which takes a twentieth of an iteration and saves a tenth of its memory.
KEPT = 1 << 20
# Kind of border -> the row of a tile, counted from its edge, that the row at the edge repeats.
BORDERS = {"reflect": 2, "replicate": 1}


def winograd_conv(x: paddle.Tensor, weight: paddle.Tensor, stride: int = 1) -> paddle.Tensor:
    """Convolve without padding: (B,in,H+2,W+2), (out,in,3,3) -> (B,out,H,W).

    H and W must be multiples of 4, and the stride must be 1.
    """
    return _WinogradConv.apply(x, weight, None)


def bordered_winograd_conv(x: paddle.Tensor, weight: paddle.Tensor, border: str) -> paddle.Tensor:
    """Convolve a map with a border of one pixel: (B,in,H,W), (out,in,3,3) -> (B,out,H,W).

    `border` is "reflect" or "replicate"; H and W must be multiples of 4. Each pixel of the border lies in the same tile
    as the pixel that it is a copy of, so no padded map is made.
    """
    return _WinogradConv.apply(x, weight, BORDERS[border])


def transforms() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return B^T (6,6), G (6,3) and A^T (4,6) after Toom and Cook, who convolve by multiplying polynomials.

    Row i of B^T is the polynomial whose roots are all points but i. Row i of G evaluates a kernel at point i, divided
    by the value of that polynomial there. The last rows stand for infinity. A^T is the transposed evaluation of an
    output.
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
def _squares(dtype: Any) -> list[paddle.Tensor]:
    """Return the Kronecker squares of B^T (36,36), G (36,9) and A^T (16,36)."""
    return [paddle.to_tensor(np.kron(matrix, matrix), dtype, paddle.CPUPlace()) for matrix in transforms()]


@lru_cache
def _cutting(size: int, border: int | None, dtype: Any) -> paddle.Tensor:
    """Return the matrix (6*tiles,size) that cuts `size` pixels of an axis into tiles and multiplies them by B^T."""
    pad, tiles = _along(size, border)
    pixels = np.arange(-pad, size + pad)
    if border is not None:
        pixels[0], pixels[-1] = border - 1, size - border
    b, matrix = transforms()[0], np.zeros((TILE, tiles, size))
    for tile in range(tiles):
        for row, pixel in enumerate(pixels[STEP * tile : STEP * tile + TILE]):
            matrix[:, tile, pixel] += b[:, row]
    return paddle.to_tensor(matrix.reshape(-1, size), dtype, paddle.CPUPlace())


def _cuttings(shape: list[int], border: int | None, dtype: Any) -> list[paddle.Tensor] | None:
    """Return the matrices of both axes, or None for a large map."""
    return [_cutting(size, border, dtype) for size in shape[2:]] if max(shape[2:]) <= DENSE else None


def _tiles(x: paddle.Tensor, b: paddle.Tensor, border: int | None) -> paddle.Tensor:
    """Return B^T x B of every tile: (B,C,H,W) -> (36,C,B*tiles)."""
    batch, channels = x.shape[:2]
    pad, (rows, columns) = _grid(x.shape, border)
    if cuttings := _cuttings(x.shape, border, x.dtype):
        down, across = cuttings
        cut = paddle.matmul(down, x.reshape([-1, *x.shape[2:]])).reshape([-1, x.shape[3]])
        cut = paddle.matmul(cut, across, transpose_y=True).reshape([batch, channels, TILE, rows, TILE, columns])
        return copied_transpose(cut, [2, 4, 1, 0, 3, 5]).reshape([TILE**2, channels, -1])
    cut = F.unfold(x, TILE, STEP, pad).reshape([batch, channels, TILE**2, -1])
    cut = copied_transpose(cut, [2, 1, 0, 3])
    if border is not None:
        _fill_borders(cut.reshape([TILE, TILE, channels * batch, rows, columns]), border)
    return paddle.matmul(b, cut.reshape([TILE**2, -1])).reshape([TILE**2, channels, -1])


def _untiled(tiles: paddle.Tensor, b: paddle.Tensor, shape: list[int], border: int | None) -> paddle.Tensor:
    """Return the gradient of `_tiles`, with overlaps added: (36,C*B*tiles) -> (B,C,H,W)."""
    batch, channels, *size = shape
    pad, (rows, columns) = _grid(shape, border)
    if cuttings := _cuttings(shape, border, b.dtype):
        down, across = cuttings
        cut = copied_transpose(tiles.reshape([TILE, TILE, channels, batch, rows, columns]), [3, 2, 0, 4, 1, 5])
        cut = paddle.matmul(cut.reshape([-1, TILE * columns]), across).reshape([-1, TILE * rows, size[1]])
        return paddle.matmul(down, cut, transpose_x=True).reshape(shape)
    cut = paddle.matmul(b, tiles, transpose_x=True)
    if border is not None:
        _take_borders(cut.reshape([TILE, TILE, channels * batch, rows, columns]), border)
    cut = copied_transpose(cut.reshape([TILE**2, channels, batch, -1]), [2, 1, 0, 3])
    return F.fold(cut.reshape([batch, channels * TILE**2, -1]), size, TILE, STEP, pad)


def _grid(shape: list[int], border: int | None) -> tuple[int, list[int]]:
    """Return the width of the border that is to be filled, and the numbers of tiles down and across."""
    (pad, rows), (_, columns) = (_along(size, border) for size in shape[2:])
    return pad, [rows, columns]


def _along(size: int, border: int | None) -> tuple[int, int]:
    """Return the width of the border that is to be filled along an axis, and the number of tiles."""
    pad = 0 if border is None else 1
    return pad, (size + 2 * pad - TILE + STEP) // STEP


def _edges(border: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return (row of the border in a tile, row that it copies, row of the tile in the grid) for the first and last."""
    return (0, border, 0), (TILE - 1, TILE - 1 - border, -1)


def _fill_borders(cut: paddle.Tensor, border: int) -> None:
    """Fill the outermost rows and columns in place: (6,6,n,rows,columns)."""
    for pixel, source, tile in _edges(border):
        cut[pixel, :, :, tile] = cut[source, :, :, tile]
    for pixel, source, tile in _edges(border):
        cut[:, pixel, :, :, tile] = cut[:, source, :, :, tile]


def _take_borders(cut: paddle.Tensor, border: int) -> None:
    """Compute the gradient of `_fill_borders` in place: the border's is added to the pixels that it copies."""
    for pixel, source, tile in _edges(border):
        cut[:, source, :, :, tile] = cut[:, source, :, :, tile] + cut[:, pixel, :, :, tile]
    for pixel, source, tile in _edges(border):
        cut[source, :, :, tile] = cut[source, :, :, tile] + cut[pixel, :, :, tile]


def _kernels(weight: paddle.Tensor, g: paddle.Tensor) -> paddle.Tensor:
    """Return G w G^T of every kernel: (p,q,3,3) -> (36,p,q)."""
    return paddle.matmul(g, weight.reshape([-1, 9]), transpose_y=True).reshape([TILE**2, *weight.shape[:2]])


def run_count(terms: int) -> int:
    """Return how many runs a sum is made of: the fewest of equal length that is at most RUN."""
    return next(n for n in range(-(-terms // RUN), terms + 1) if terms % n == 0)


def _summed(kernels: paddle.Tensor, tiles: paddle.Tensor) -> paddle.Tensor:
    """Return the sums over p, in runs of at most RUN: (36,p,q), (36,p,tiles) -> (36,q*tiles)."""
    runs = run_count(tiles.shape[1])
    kernels, tiles = (t.reshape([TILE**2, runs, t.shape[1] // runs, t.shape[2]]) for t in (kernels, tiles))
    sums = paddle.matmul(kernels, tiles, transpose_x=True).reshape([TILE**2, runs, -1])
    if runs > 1:
        sums = paddle.matmul(paddle.ones([1, runs], sums.dtype), sums)  # 5 times as fast as Paddle's sum
    return sums.reshape([TILE**2, -1])


class _WinogradConv(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, weight: paddle.Tensor, border: int | None) -> paddle.Tensor:
        ctx.wanted = not x.stop_gradient, not weight.stop_gradient
        ctx.shape, ctx.border = x.shape, border
        b, g, a = _squares(x.dtype)
        tiles = _tiles(x, b, border)
        ctx.kept = x.size <= KEPT
        ctx.save_for_backward(weight, *([] if weight.stop_gradient else [tiles if ctx.kept else x]))
        products = _summed(_kernels(copied_transpose(weight, [1, 0, 2, 3]), g), tiles)
        batch, channels, (rows, columns) = x.shape[0], weight.shape[0], _grid(x.shape, border)[1]
        pixels = paddle.matmul(a, products).reshape([STEP, STEP, channels, batch, rows, columns])
        out = copied_transpose(pixels, [3, 2, 4, 0, 5, 1])  # (B,out,rows,4,columns,4)
        return out.reshape([batch, channels, STEP * rows, STEP * columns])

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor) -> tuple[paddle.Tensor | None, paddle.Tensor | None]:
        weight, *kept = ctx.saved_tensor()
        want_x, want_weight = ctx.wanted
        b, g, a = _squares(weight.dtype)
        batch, channels, height, width = grad.shape
        pixels = grad.reshape([batch, channels, height // STEP, STEP, width // STEP, STEP])
        pixels = copied_transpose(pixels, [3, 5, 1, 0, 2, 4]).reshape([STEP**2, -1])
        products = paddle.matmul(a, pixels, transpose_x=True).reshape([TILE**2, channels, -1])
        grad_x = grad_weight = None
        if want_weight:
            tiles = kept[0] if ctx.kept else _tiles(kept[0], b, ctx.border)
            kernels = paddle.matmul(products, tiles, transpose_y=True).reshape([TILE**2, -1])
            # A small copy: the product that gives (out*in,9) directly is four times as slow.
            grad_weight = copied_transpose(paddle.matmul(g, kernels, transpose_x=True), [1, 0]).reshape(weight.shape)
        if want_x:
            grad_x = _untiled(_summed(_kernels(weight, g), products), b, ctx.shape, ctx.border)
        return grad_x, grad_weight
