"""What differs between Paddle 2.6 and 3.3, or is slow in both, in one place."""

import paddle


def constant(value, like):
    """`value` as a tensor without axes, in the dtype of `like`.

    Paddle 2.6 rounds a Python number that is added to a float64 tensor to float32: an eps off by 2.5e-8.
    """
    return paddle.full([], value, like.dtype)


def copied_transpose(x, axes):
    """x with its axes in another order, as a new tensor.

    On a CPU Paddle's older kernel, which copies, is 5 to 100 times as fast as making its view contiguous.
    """
    flag = "FLAGS_use_stride_kernel"
    before = paddle.get_flags(flag)
    paddle.set_flags({flag: False})
    try:
        return x.transpose(axes)
    finally:
        paddle.set_flags(before)
