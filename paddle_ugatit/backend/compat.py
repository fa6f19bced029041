"""What differs between Paddle 2.6 and 3.3, or is slow in both."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import paddle


def constant(value: float, like: paddle.Tensor) -> paddle.Tensor:
    """Return `value` as a 0-d tensor with the dtype of `like`.

    Paddle 2.6 rounds a Python number that is added to a float64 tensor to float32, which makes an eps wrong by 2.5e-8.
    """
    return paddle.full([], value, like.dtype)


@contextmanager
def copying() -> Iterator[None]:
    """Make slices and transposes within the block copy, by Paddle's older kernels, instead of returning views.

    On a CPU this is 5 to 100 times as fast as a view that is made contiguous later. Results are the same. Tensors from
    outside the block must be contiguous: these kernels end with an error at others (see `contiguous`).
    """
    flag = "FLAGS_use_stride_kernel"
    before = paddle.get_flags(flag)
    paddle.set_flags({flag: False})
    try:
        yield
    finally:
        paddle.set_flags(before)


@contextmanager
def default_dtype(name: str) -> Iterator[None]:
    """Give new layers within the block the dtype `name`, "float32" or "float64"."""
    before = paddle.get_default_dtype()
    paddle.set_default_dtype(name)
    try:
        yield
    finally:
        paddle.set_default_dtype(before)


def contiguous(x: paddle.Tensor) -> paddle.Tensor:
    """Return x, or a contiguous copy of it if it is a view with strides, such as a transpose or a crop."""
    # Not by x.contiguous(), which changes x itself and so ends its aliasing with the tensor that it is a view of.
    return x if x.is_contiguous() else x.clone()


def copied_transpose(x: paddle.Tensor, axes: Sequence[int]) -> paddle.Tensor:
    """Return a copy of x with its axes permuted."""
    x = contiguous(x)
    with copying():
        return x.transpose(axes)
