"""What differs between Paddle 2.6 and 3.3, in one place."""

import paddle


def constant(value, like):
    """`value` as a tensor without axes, in the dtype of `like`.

    Paddle 2.6 rounds a Python number that is added to a float64 tensor to float32: an eps off by 2.5e-8.
    """
    return paddle.full([], value, like.dtype)
