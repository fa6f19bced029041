"""What differs between Paddle 2.6 and 3.3, or is slow in both, in one place."""

from contextlib import contextmanager

import paddle


def constant(value, like):
    """`value` as a tensor without axes, in the dtype of `like`.

    Paddle 2.6 rounds a Python number that is added to a float64 tensor to float32: an eps off by 2.5e-8.
    """
    return paddle.full([], value, like.dtype)


@contextmanager
def copying():
    """Within the block slices and transposes are new tensors, made by Paddle's older kernels.

    On a CPU that is 5 to 100 times as fast as a view that is made contiguous later. Results are the same.
    """
    flag = "FLAGS_use_stride_kernel"
    before = paddle.get_flags(flag)
    paddle.set_flags({flag: False})
    try:
        yield
    finally:
        paddle.set_flags(before)


@contextmanager
def default_dtype(name):
    """Within the block new layers have this dtype, "float32" or "float64"."""
    before = paddle.get_default_dtype()
    paddle.set_default_dtype(name)
    try:
        yield
    finally:
        paddle.set_default_dtype(before)


def copied_transpose(x, axes):
    """x with its axes in another order, as a new tensor."""
    with copying():
        return x.transpose(axes)
