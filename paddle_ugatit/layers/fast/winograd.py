"""A convolution of 3x3 or 4x4 taps with a quarter of the multiplications (Winograd), for CPUs; forward and backward.

Contents: winograd_conv, bordered_winograd_conv. The padded map is cut into tiles of 6x6 that overlap by 2 (3x3 taps) or
3 (4x4). Each tile gives 4x4 or 3x3 pixels of the output, Y = A^T [sum over channels of (G w G^T) * (B^T x B)] A (Lavin
and Gray, CVPR 2016, arXiv 1509.09308), with 36 products where the direct sum takes 144. In exact arithmetic this is the
convolution; in float64 it agrees to 1e-15.

It is written as a few large matrix products: B^T x B of all tiles is one product with the Kronecker square of B^T, and
likewise the other two transforms; the sum over channels is 36 products of (out,in) and (in,tiles). The backward pass is
the same with the matrices transposed. For small maps, cutting into tiles, the border and B^T are one matrix along each
axis, mostly of zeros: more multiplications, but fewer passes over memory and a fifth of the operations.

In float32 the running sums over channels matter most, since A^T magnifies their rounding error: each covers at most RUN
channels.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import paddle
import paddle.nn.functional as F

from paddle_ugatit.backend.compat import copied_transpose

TILE = 6  # pixels of a tile along each axis
# Where the polynomials are evaluated, besides infinity. In float32 these points lose least, half a digit; 0, 1, -1, 2,
# -2 lose one and a half.
POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)
RUN = 128  # channels in a running sum
DENSE = 64  # longer side up to which a map is cut by a matrix along each axis
# Size of a map up to which its tiles, 2.25 times as large, are kept for the backward pass. Those of a larger map are
# cut again, which takes little time beside their products and saves memory (docs/speed.md).
KEPT = 3 << 18
# Kind of border -> the row of a tile, counted from its edge, that the row at the edge repeats.
BORDERS = {"reflect": 2, "replicate": 1}


def step(kernel: int) -> int:
    """Return the distance from a tile to the next, and the pixels of output that it gives along each axis."""
    return TILE - kernel + 1


def winograd_conv(x: paddle.Tensor, weight: paddle.Tensor, stride: int) -> paddle.Tensor:
    """Convolve without padding: (B,in,H+k-1,W+k-1), (out,in,k,k) -> (B,out,H,W).

    k is 3 or 4, and the stride must be 1. Maps of more than DENSE pixels need H and W that are multiples of step(k).
    """
    return _WinogradConv.apply(x, weight, None)


def bordered_winograd_conv(x: paddle.Tensor, weight: paddle.Tensor, border: str) -> paddle.Tensor:
    """Convolve a map with a border of one pixel: (B,in,H,W), (out,in,3,3) -> (B,out,H,W).

    `border` is "reflect" or "replicate"; H and W must be multiples of 4. Each pixel of the border lies in the same tile
    as the pixel that it is a copy of, so no padded map is made.
    """
    return _WinogradConv.apply(x, weight, BORDERS[border])


def transforms(kernel: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return B^T (6,6), G (6,k) and A^T (7-k,6) after Toom and Cook, who convolve by multiplying polynomials.

    Row i of B^T is the polynomial whose roots are all points but i. Row i of G evaluates a kernel at point i, divided
    by the value of that polynomial there. The last rows stand for infinity. A^T is the transposed evaluation of an
    output.
    """
    b, g, a = np.zeros((TILE, TILE)), np.zeros((TILE, kernel)), np.zeros((step(kernel), TILE))
    for i, point in enumerate(POINTS):
        others = POINTS[:i] + POINTS[i + 1 :]
        b[i, :-1] = np.poly(others)[::-1]
        g[i] = point ** np.arange(kernel) / np.prod(point - np.array(others))
        a[:, i] = point ** np.arange(step(kernel))
    b[-1] = np.poly(POINTS)[::-1]
    g[-1, -1] = a[-1, -1] = 1
    return b, g, a


@lru_cache
def _squares(dtype: Any, kernel: int) -> list[paddle.Tensor]:
    """Return the Kronecker squares of B^T (36,36), G (36,9 or 16) and A^T (16 or 9,36)."""
    return [paddle.to_tensor(np.kron(matrix, matrix), dtype, paddle.CPUPlace()) for matrix in transforms(kernel)]


class _Cut(NamedTuple):
    """How maps are cut: for kernels of this size, with a border of one pixel (see BORDERS) or as they are."""

    kernel: int
    border: int | None

    @property
    def pad(self) -> int:
        return 0 if self.border is None else 1

    def tiles(self, size: int) -> int:
        """Return the number of tiles along an axis of so many pixels; the last may reach beyond its end."""
        return -(-(size + 2 * self.pad - self.kernel + 1) // step(self.kernel))


@lru_cache
def _cutting(size: int, cut: _Cut, dtype: Any) -> paddle.Tensor:
    """Return the matrix (6*tiles,size) that cuts `size` pixels of an axis into tiles and multiplies them by B^T."""
    tiles, each = cut.tiles(size), step(cut.kernel)
    pixels = np.arange(-cut.pad, size + cut.pad)
    if cut.border is not None:
        pixels[0], pixels[-1] = cut.border - 1, size - cut.border
    b, matrix = transforms()[0], np.zeros((TILE, tiles, size))
    for tile in range(tiles):
        for row, pixel in enumerate(pixels[each * tile : each * tile + TILE]):
            matrix[:, tile, pixel] += b[:, row]
    return paddle.to_tensor(matrix.reshape(-1, size), dtype, paddle.CPUPlace())


def _cuttings(shape: list[int], cut: _Cut, dtype: Any) -> list[paddle.Tensor] | None:
    """Return the matrices of both axes, or None for a large map."""
    return [_cutting(size, cut, dtype) for size in shape[2:]] if max(shape[2:]) <= DENSE else None


def _tiles(x: paddle.Tensor, b: paddle.Tensor, cut: _Cut) -> paddle.Tensor:
    """Return B^T x B of every tile: (B,C,H,W) -> (36,C,B*tiles)."""
    batch, channels, *size = x.shape
    rows, columns = map(cut.tiles, size)
    if cuttings := _cuttings(x.shape, cut, x.dtype):
        down, across = cuttings
        parts = paddle.matmul(down, x.reshape([-1, *size])).reshape([-1, size[1]])
        parts = paddle.matmul(parts, across, transpose_y=True).reshape([batch, channels, TILE, rows, TILE, columns])
        return copied_transpose(parts, [2, 4, 1, 0, 3, 5]).reshape([TILE**2, channels, -1])
    parts = F.unfold(x, TILE, step(cut.kernel), cut.pad).reshape([batch, channels, TILE**2, -1])
    parts = copied_transpose(parts, [2, 1, 0, 3])
    if cut.border is not None:
        _fill_borders(parts.reshape([TILE, TILE, channels * batch, rows, columns]), cut.border)
    return paddle.matmul(b, parts.reshape([TILE**2, -1])).reshape([TILE**2, channels, -1])


def _untiled(tiles: paddle.Tensor, b: paddle.Tensor, shape: list[int], cut: _Cut) -> paddle.Tensor:
    """Return the gradient of `_tiles`, with overlaps added: (36,C*B*tiles) -> (B,C,H,W)."""
    batch, channels, *size = shape
    rows, columns = map(cut.tiles, size)
    if cuttings := _cuttings(shape, cut, b.dtype):
        down, across = cuttings
        parts = copied_transpose(tiles.reshape([TILE, TILE, channels, batch, rows, columns]), [3, 2, 0, 4, 1, 5])
        parts = paddle.matmul(parts.reshape([-1, TILE * columns]), across).reshape([-1, TILE * rows, size[1]])
        return paddle.matmul(down, parts, transpose_x=True).reshape(shape)
    parts = paddle.matmul(b, tiles, transpose_x=True)
    if cut.border is not None:
        _take_borders(parts.reshape([TILE, TILE, channels * batch, rows, columns]), cut.border)
    parts = copied_transpose(parts.reshape([TILE**2, channels, batch, -1]), [2, 1, 0, 3])
    return F.fold(parts.reshape([batch, channels * TILE**2, -1]), size, TILE, step(cut.kernel), cut.pad)


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
    """Return G w G^T of every kernel, in runs of inputs: (out,in,k,k) -> (36,runs,out,in/runs)."""
    outputs, inputs = weight.shape[:2]
    runs = run_count(inputs)
    if runs > 1:
        weight = copied_transpose(weight.reshape([outputs, runs, -1]), [1, 0, 2])
    kernels = paddle.matmul(g, weight.reshape([-1, g.shape[1]]), transpose_y=True)
    return kernels.reshape([TILE**2, runs, outputs, -1])


def _kernels_back(weight: paddle.Tensor, g: paddle.Tensor) -> paddle.Tensor:
    """Return the same in runs of outputs, for the gradient: (out,in,k,k) -> (36,runs,out/runs,in)."""
    outputs, inputs = weight.shape[:2]
    kernels = paddle.matmul(g, weight.reshape([-1, g.shape[1]]), transpose_y=True)
    return kernels.reshape([TILE**2, run_count(outputs), -1, inputs])


def run_count(terms: int) -> int:
    """Return how many runs a sum is made of: the fewest of equal length that is at most RUN."""
    return next(n for n in range(-(-terms // RUN), terms + 1) if terms % n == 0)


def _summed(kernels: paddle.Tensor, tiles: paddle.Tensor, back: bool = False) -> paddle.Tensor:
    """Return the sums over p: (36,runs,q,p/runs), with `back` (36,runs,p/runs,q), and (36,p,n) -> (36,q*n)."""
    runs = kernels.shape[1]
    tiles = tiles.reshape([TILE**2, runs, -1, tiles.shape[2]])
    sums = paddle.matmul(kernels, tiles, transpose_x=back).reshape([TILE**2, runs, -1])
    if runs > 1:
        sums = paddle.matmul(paddle.ones([1, runs], sums.dtype), sums)  # 5 times as fast as Paddle's sum
    return sums.reshape([TILE**2, -1])


class _WinogradConv(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, weight: paddle.Tensor, border: int | None) -> paddle.Tensor:
        (batch, _, *size), (channels, _, kernel, _) = x.shape, weight.shape
        ctx.wanted = not x.stop_gradient, not weight.stop_gradient
        ctx.shape, ctx.cut = x.shape, _Cut(kernel, border)
        b, g, a = _squares(x.dtype, kernel)
        tiles = _tiles(x, b, ctx.cut)
        ctx.kept = x.size <= KEPT
        ctx.save_for_backward(weight, *([] if weight.stop_gradient else [tiles if ctx.kept else x]))
        products = _summed(_kernels(weight, g), tiles)
        grid, each = [ctx.cut.tiles(n) for n in size], step(kernel)
        pixels = paddle.matmul(a, products).reshape([each, each, channels, batch, *grid])
        out = copied_transpose(pixels, [3, 2, 4, 0, 5, 1])  # (B,out,rows,step,columns,step)
        out = out.reshape([batch, channels, *(each * n for n in grid)])
        height, width = (n + 2 * ctx.cut.pad - kernel + 1 for n in size)
        return out if out.shape[2:] == [height, width] else out[:, :, :height, :width]

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor) -> tuple[paddle.Tensor | None, paddle.Tensor | None]:
        weight, *kept = ctx.saved_tensor()
        want_x, want_weight = ctx.wanted
        b, g, a = _squares(weight.dtype, ctx.cut.kernel)
        batch, channels = grad.shape[:2]
        grid, each = [ctx.cut.tiles(n) for n in ctx.shape[2:]], step(ctx.cut.kernel)
        height, width = (each * n for n in grid)
        if grad.shape[2:] != [height, width]:
            grad = F.pad(grad, [0, width - grad.shape[3], 0, height - grad.shape[2]])
        pixels = copied_transpose(grad.reshape([batch, channels, grid[0], each, grid[1], each]), [3, 5, 1, 0, 2, 4])
        products = paddle.matmul(a, pixels.reshape([each**2, -1]), transpose_x=True).reshape([TILE**2, channels, -1])
        grad_x = grad_weight = None
        if want_weight:
            tiles = kept[0] if ctx.kept else _tiles(kept[0], b, ctx.cut)
            kernels = paddle.matmul(products, tiles, transpose_y=True).reshape([TILE**2, -1])
            # A small copy: the product that gives (out*in,k*k) directly is four times as slow.
            grad_weight = copied_transpose(paddle.matmul(g, kernels, transpose_x=True), [1, 0]).reshape(weight.shape)
        if want_x:
            grad_x = _untiled(_summed(_kernels_back(weight, g), products, back=True), b, ctx.shape, ctx.cut)
        return grad_x, grad_weight
