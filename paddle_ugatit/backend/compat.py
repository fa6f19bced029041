"""What differs between Paddle 2.6 and 3.3, or is slow in both."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import paddle
from paddle import _C_ops
from paddle.base import core

_FLAGS, _STRIDED = core.globals(), "FLAGS_use_stride_kernel"  # paddle.set_flags takes 20 times as long


def constant(value: float, like: paddle.Tensor) -> paddle.Tensor:
    """Return `value` as a 0-d tensor with the dtype of `like`.

    Paddle 2.6 rounds a Python number that is added to a float64 tensor to float32, which makes an eps wrong by 2.5e-8.
    The tensor is kept for the next call, so it must not be changed.
    """
    if not paddle.in_dynamic_mode():
        return paddle.full([], value, like.dtype)
    return _kept_constant(value, like.dtype, paddle.get_device())


@lru_cache
def _kept_vector(value: float, dtype: Any, _device: str) -> paddle.Tensor:
    return paddle.full([1], value, dtype)


@lru_cache
def _kept_constant(value: float, dtype: Any, _device: str) -> paddle.Tensor:
    return paddle.full([], value, dtype)


def sloped(x: paddle.Tensor, slope: float) -> paddle.Tensor:
    """Return x where x > 0, else slope x, by a single kernel; the derivative at 0 is the slope; any shape.

    It is Paddle's operation for a learned slope: that for a number has the derivative 1 at 0.
    """
    return _C_ops.prelu(x, _kept_vector(slope, x.dtype, paddle.get_device()), "NCHW", "all")


def unit_vector(x: paddle.Tensor, eps: float) -> paddle.Tensor:
    """Return x / sqrt(|x|^2 + eps^2) by a single kernel: (n,) -> (n,).

    This is x / max(|x|, eps) up to a relative error of (eps / |x|)^2 / 2, and so to the last bit of float64 from a
    length of 1e8 eps on. It has no gradient.
    """
    with paddle.no_grad():
        return _C_ops.norm(x, 0, eps * eps, False)[0]


def assign(target: paddle.Tensor, value: paddle.Tensor) -> None:
    """Set a parameter or buffer to `value`, of the same shape and dtype, on its own device.

    Paddle 2.6's set_value copies by way of NumPy, for which a GPU is waited for. Raises ValueError if shapes or dtypes
    differ, which Paddle itself would let pass.
    """
    _require_alike(target, value)
    with paddle.no_grad():
        paddle.assign(value, output=target)


def replace_buffer(layer: paddle.nn.Layer, name: str, value: paddle.Tensor) -> None:
    """Make `value` the buffer `name` of a layer, without a copy. Raises ValueError if its shape or dtype is another."""
    _require_alike(getattr(layer, name), value)
    layer.register_buffer(name, value)


def _require_alike(target: paddle.Tensor, value: paddle.Tensor) -> None:
    if target.dtype != value.dtype or target.shape != value.shape:
        told = f"{value.dtype} {list(value.shape)}, not {target.dtype} {list(target.shape)}"
        raise ValueError(f"cannot assign a tensor of another kind: {told}")


def host_generator() -> np.random.Generator:
    """Return NumPy's generator of random numbers, which begins with a number that Paddle's generator of the CPU draws.

    So its numbers follow from paddle.seed, and no GPU is waited for, as for a number that Paddle draws there.
    """
    return np.random.default_rng(paddle.base.core.default_cpu_generator().random())


def loss_scaler(scale: float) -> paddle.amp.GradScaler:
    """Return Paddle's scaler of losses for float16, which begins with this scale."""
    scaler = paddle.amp.GradScaler(init_loss_scaling=scale)
    flatten_scale(scaler)
    return scaler


def flatten_scale(scaler: paddle.amp.GradScaler) -> None:
    """Make the scale of a scaler a 0-d tensor.

    Paddle 3.3 prints it as float(tensor) when gradients overflow, which NumPy 2.4 refuses for one of shape (1,).
    """
    if scaler.is_enable():
        scaler._scale = scaler._scale.reshape([])


@contextmanager
def copying() -> Iterator[None]:
    """Make slices and transposes within the block copy, by Paddle's older kernels, instead of returning views.

    On a CPU this is 5 to 100 times as fast as a view that is made contiguous later. Results are the same. Tensors from
    outside the block must be contiguous: these kernels end with an error at others (see `contiguous`).
    """
    before = _FLAGS[_STRIDED]
    _FLAGS[_STRIDED] = False
    try:
        yield
    finally:
        _FLAGS[_STRIDED] = before


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
