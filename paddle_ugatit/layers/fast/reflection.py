"""Reflection padding by slices, and by products with a matrix for small maps."""

from functools import lru_cache
from typing import Any

import numpy as np
import paddle

from paddle_ugatit.backend.compat import contiguous, copying
from paddle_ugatit.layers.fast import dispatch


def reflection_pad(x: paddle.Tensor, padding: int) -> paddle.Tensor:
    """Reflect `padding` rows and columns at each border: (B,C,H,W) -> (B,C,H+2p,W+2p).

    On a CPU, concatenated slices are 5 to 10 times as fast as Paddle's pad, and a backward pass made of slices is three
    times as fast as the automatic one. For maps of up to dispatch.SMALL_MAP pixels a side, products with a matrix are
    faster still.
    """
    return _ReflectionPad.apply(x, padding)


def _part(x: paddle.Tensor, axis: int, start: int, stop: int) -> paddle.Tensor:
    return paddle.slice(x, [axis], [start], [stop])


def _reflect(x: paddle.Tensor, axis: int, pad: int) -> paddle.Tensor:
    """Reflect along one axis: (..,n,..) -> (..,n + 2 pad,..)."""
    n = x.shape[axis]
    before = [_part(x, axis, i, i + 1) for i in range(pad, 0, -1)]
    after = [_part(x, axis, n - 1 - i, n - i) for i in range(1, pad + 1)]
    return paddle.concat([*before, x, *after], axis)


def _reflect_back(grad: paddle.Tensor, axis: int, pad: int) -> paddle.Tensor:
    """Return the gradient of `_reflect`: the borders, mirrored, are added to the elements they are copies of."""
    n = grad.shape[axis] - 2 * pad
    # Copies of elements 1 to pad, and of elements n - 1 - pad to n - 2.
    before = [_part(grad, axis, i, i + 1) for i in range(pad - 1, -1, -1)]
    after = [_part(grad, axis, pad + n + i, pad + n + i + 1) for i in range(pad - 1, -1, -1)]
    before, after = (paddle.concat(strip, axis) if pad > 1 else strip[0] for strip in (before, after))
    grad = _part(grad, axis, pad, pad + n)
    if n < 2 * pad + 2:  # an element may be in both borders
        return _added(_added(grad, axis, (1, before)), axis, (n - 1 - pad, after))
    return _added(grad, axis, (1, before), (n - 1 - pad, after))


def _added(x: paddle.Tensor, axis: int, *strips: tuple[int, paddle.Tensor]) -> paddle.Tensor:
    """Return x with each strip added at its start; pairs (start, strip), in order and not overlapping."""
    pieces, done = [], 0
    for start, strip in strips:
        end = start + strip.shape[axis]
        pieces += [_part(x, axis, done, start)] if start > done else []
        pieces += [_part(x, axis, start, end) + strip]
        done = end
    return paddle.concat([*pieces, _part(x, axis, done, x.shape[axis])], axis)


@lru_cache
def _mirror(size: int, pad: int, dtype: Any) -> paddle.Tensor:
    """Return the 0/1 matrix (size + 2 pad,size) that reflects a column."""
    places = np.pad(np.arange(size), pad, "reflect")
    return paddle.to_tensor(np.eye(size)[places], dtype, paddle.CPUPlace())


class _ReflectionPad(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, pad: int) -> paddle.Tensor:
        ctx.pad = pad
        if dispatch.mirrored(*x.shape[2:]):
            down, across = (_mirror(size, pad, x.dtype) for size in x.shape[2:])
            x = paddle.matmul(x, across, transpose_y=True)
            return paddle.matmul(down, x)
        x = contiguous(x)
        with copying():
            return _reflect(_reflect(x, 2, pad), 3, pad)

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor) -> paddle.Tensor:
        height, width = (size - 2 * ctx.pad for size in grad.shape[2:])
        if dispatch.mirrored(height, width, 2):
            grad = paddle.matmul(_mirror(height, ctx.pad, grad.dtype), grad, transpose_x=True)
            return paddle.matmul(grad, _mirror(width, ctx.pad, grad.dtype))
        grad = contiguous(grad)
        with copying():
            return _reflect_back(_reflect_back(grad, 3, ctx.pad), 2, ctx.pad)
