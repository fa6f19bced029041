"""Float32 where automatic mixed precision would compute in half precision: statistics, norms, losses, small sums.

Contents: autocasting, precision_of_now, full, in_float32, keeps_dtype. "Half" is float16 or bfloat16. Paddle's
`auto_cast` casts the operands of some operations to half, among them every matrix product, and leaves others in
whatever dtype arrives. So a formula that must not lose digits, or that overflows at 65504 in float16, is computed in
float32 explicitly. Functions with float32 or float64 arguments outside of `auto_cast` are called as they are.
"""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

import paddle
from paddle.base import core
from paddle.base.framework import _dygraph_tracer

HALF = (paddle.float16, paddle.bfloat16)

Function = TypeVar("Function", bound=Callable[..., Any])


def autocasting() -> bool:
    """Return whether operations are within Paddle's `auto_cast`, and on a device on which it has an effect."""
    if not paddle.in_dynamic_mode():
        return False
    tracer = _dygraph_tracer()
    return tracer is not None and tracer._amp_level != core.AmpLevel.O0


def precision_of_now() -> Callable[[], AbstractContextManager]:
    """Return what makes contexts in which operations compute in the mixed precision of now, or without any."""
    if not autocasting():
        return functools.partial(paddle.amp.auto_cast, enable=False)
    return functools.partial(paddle.amp.auto_cast, dtype=_dygraph_tracer()._amp_dtype)


def full(x: paddle.Tensor) -> paddle.Tensor:
    """Return x in float32 if it is in half precision, else x itself; any shape."""
    return x.astype("float32") if x.dtype in HALF else x


def _is_half(value: Any) -> bool:
    return isinstance(value, paddle.Tensor) and value.dtype in HALF


def _in_float32(function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    args = tuple(full(value) if _is_half(value) else value for value in args)
    options = {name: full(value) if _is_half(value) else value for name, value in options.items()}
    with paddle.amp.auto_cast(enable=False):
        return function(*args, **options)


def _as_it_is(args: tuple[Any, ...], options: dict[str, Any]) -> bool:
    return not (autocasting() or any(map(_is_half, args)) or any(map(_is_half, options.values())))


def in_float32(function: Function) -> Function:
    """Have a function compute in float32 within `auto_cast` or for half arguments; it then returns float32."""

    @functools.wraps(function)
    def computed(*args: Any, **options: Any) -> Any:
        return function(*args, **options) if _as_it_is(args, options) else _in_float32(function, args, options)

    return cast(Function, computed)


def keeps_dtype(function: Function) -> Function:
    """Have a function compute in float32 as `in_float32` does, and return the dtype of its first tensor argument."""

    @functools.wraps(function)
    def computed(*args: Any, **options: Any) -> Any:
        if _as_it_is(args, options):
            return function(*args, **options)
        first = next(value for value in args if isinstance(value, paddle.Tensor))
        return _in_float32(function, args, options).astype(first.dtype)

    return cast(Function, computed)
