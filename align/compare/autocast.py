"""Paddle's automatic mixed precision as a GPU computes it, imitated on a CPU.

`autocasting_on_cpu()` has paddle.amp.auto_cast act on CPU tensors as the installed version's acts on a GPU's: the lists
are those that auto_cast itself hands to Paddle's tracer. An operation in half precision is computed in float32 from the
rounded operands and its result is rounded, forward and backward, as a GPU's kernels do; most have no CPU kernel for it.
What would be an error on a GPU is one here: operands of several dtypes where Paddle does not promote, and a
PyLayer whose backward pass returns another dtype than its forward took, which Paddle 2.6 refuses.
align/compare/torch_autocast.py does the same for PyTorch.
"""

import functools
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import numpy as np
import paddle
from paddle.base import core
from paddle.base.framework import _dygraph_tracer

HALF = (paddle.float16, paddle.bfloat16)
FLOATS = (*HALF, paddle.float32)
FLUID = {"sum": "reduce_sum", "mean": "reduce_mean", "prod": "reduce_prod", "matmul": "matmul_v2", "p_norm": "p_norm"}
PROMOTING = ("add", "subtract", "multiply", "divide")  # of which both versions promote mixed dtypes by themselves
# Copies and looks at dtypes are made natively; an in-place operation keeps the dtype of its target.
NATIVE = ("cast", "shape", "full_like", "ones_like", "zeros_like", "numel", "check_numerics")
DUNDERS = {
    "__add__": "add",
    "__radd__": "add",
    "__sub__": "subtract",
    "__rsub__": "subtract",
    "__mul__": "multiply",
    "__rmul__": "multiply",
    "__truediv__": "divide",
    "__div__": "divide",
    "__rtruediv__": "divide",
    "__rdiv__": "divide",
    "__pow__": "pow",
    "__rpow__": "pow",
    "__matmul__": "matmul",
    "__gt__": "greater_than",
    "__lt__": "less_than",
    "__ge__": "greater_equal",
    "__le__": "less_equal",
    "__eq__": "equal",
    "__ne__": "not_equal",
}


def _mapped(change, value):
    """Apply `change` to the floating-point tensors in an argument or result."""
    if isinstance(value, paddle.Tensor):
        return change(value) if value.dtype in FLOATS else value
    if isinstance(value, list | tuple):
        return type(value)(_mapped(change, each) for each in value)
    return value


def _float_dtypes(values):
    found = []
    for value in values:
        _mapped(lambda tensor: found.append(tensor.dtype), value)
    return found


def _wanted(name, found):
    """The dtype in which auto_cast has an operation compute, as the C++ of both versions decides; None: as it comes."""
    tracer = _dygraph_tracer()
    if tracer._amp_level == core.AmpLevel.O0:
        return None
    white, black = tracer._get_amp_op_list()
    names = {name, FLUID.get(name, name)}
    half = getattr(paddle, tracer._amp_dtype)
    if names & set(white):
        return half
    return paddle.float32 if names & set(black) or paddle.float32 in found else half


def nearest(array, dtype):
    """Round float32 values to the nearest that float16 or bfloat16 has, ties to even: as a GPU does, and torch."""
    if dtype == paddle.float16:
        with np.errstate(over="ignore"):
            return array.astype("float16").astype("float32")
    bits = np.ascontiguousarray(array, "float32").view("uint32").astype("uint64")
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype("uint32").view("float32")
    return np.where(np.isfinite(array), rounded, array).astype("float32")


class _Cast(paddle.autograd.PyLayer):
    """A cast to or from half precision that rounds to nearest; on a CPU, that of Paddle 2.6 rounds towards zero."""

    @staticmethod
    def forward(ctx, x, dtype, cast):
        ctx.cast, ctx.dtype = cast, x.dtype
        return _cast_values(x, dtype, cast)

    @staticmethod
    def backward(ctx, grad):
        return _cast_values(grad, ctx.dtype, ctx.cast)


def _cast_values(x, dtype, cast):
    if dtype in HALF:
        x = paddle.to_tensor(nearest((x if x.dtype == paddle.float32 else cast(x, paddle.float32)).numpy(), dtype))
    return cast(x, dtype)


class _Emulated:
    """An operation with a GPU's dtypes."""

    def __init__(self, name, function, cast, computed):
        self.name, self.function, self.cast, self.computed = name, function, cast, computed

    def __call__(self, *args, **options):
        found = _float_dtypes([*args, *options.values()])
        if not found:
            return self.function(*args, **options)
        wanted = _wanted(self.name, found)
        if wanted is None and not set(found) & set(HALF):
            return self.function(*args, **options)
        if wanted is None:
            wanted = self._promoted(found)
        self.computed[self.name, str(wanted).rpartition(".")[2]] += 1
        args, options = self._to(wanted, args), dict(zip(options, self._to(wanted, options.values()), strict=True))
        if wanted not in HALF:
            return self.function(*args, **options)
        args, options = (
            self._to(paddle.float32, args),
            dict(zip(options, self._to(paddle.float32, options.values()), strict=True)),
        )
        return _mapped(lambda x: self.cast(x, wanted), self.function(*args, **options))

    def _promoted(self, found):
        kinds = set(found)
        if len(kinds) == 1:
            return found[0]
        if self.name not in PROMOTING:
            raise TypeError(f"{self.name} of tensors of several dtypes: {sorted(map(str, kinds))}")
        return paddle.float32

    def _to(self, dtype, values):
        return tuple(_mapped(lambda x: x if x.dtype == dtype else self.cast(x, dtype), value) for value in values)


def _cast(native, x, dtype):
    """Paddle's cast, which rounds to nearest if it is from or to half precision."""
    if x.dtype == dtype or not (x.dtype in HALF or dtype in HALF) or x.dtype not in FLOATS:
        return native(x, dtype)
    return _Cast.apply(x, dtype, native)


def linear_of(matmul, add):
    """Paddle's linear, which in C++ is a product and a sum, each with its own dtype."""

    def linear(x, weight, bias=None, *rest):
        out = matmul(x, weight, False, False)
        return out if bias is None else add(out, bias)

    return linear


@contextmanager
def autocasting_on_cpu():
    """Within the block, paddle.amp.auto_cast and GradScaler act on CPU tensors as on a GPU's.

    Yields the counts of the operations to which that applied, (name, dtype) -> count.
    """
    operations, cast, computed = paddle._C_ops, paddle._C_ops.cast, Counter()
    with ExitStack() as stack:
        native = cast
        cast = lambda x, dtype: _cast(native, x, dtype)  # noqa: E731
        stack.enter_context(patch.object(operations, "cast", cast))
        for name in dir(core.eager.ops):
            function = getattr(operations, name)
            if callable(function) and not name.startswith("_") and not name.endswith("_") and name not in NATIVE:
                stack.enter_context(patch.object(operations, name, _Emulated(name, function, cast, computed)))
        for name in ("linear", "linear_v2"):
            if hasattr(operations, name):
                stack.enter_context(patch.object(operations, name, linear_of(operations.matmul, operations.add)))
        for method, name in DUNDERS.items():
            if function := getattr(paddle.Tensor, method, None):
                emulated = _Emulated(name, function, cast, computed)
                stack.enter_context(patch.object(paddle.Tensor, method, _bound(emulated)))
        for module in ("paddle.amp.auto_cast", "paddle.amp.grad_scaler"):
            stack.enter_context(patch.object(sys.modules[module], "_dygraph_tracer", _GPUTracer))
        for name in ("_is_gpu_float16_supported", "_is_gpu_bfloat16_supported"):
            stack.enter_context(patch.object(sys.modules["paddle.amp.auto_cast"], name, lambda: True))
        for kind in set(paddle.autograd.PyLayer.__subclasses__()) - {_Cast}:
            stack.enter_context(_strict(kind))
        yield computed


def _bound(emulated):
    return lambda self, *others: emulated(self, *others)


class _GPUTracer:
    """Paddle's tracer, which seems to compute on a GPU."""

    def __getattr__(self, name):
        return _GPUPlace if name == "_expected_place" else getattr(_dygraph_tracer(), name)

    def __setattr__(self, name, value):
        setattr(_dygraph_tracer(), name, value)


class _GPUPlace:
    is_gpu_place = staticmethod(lambda: True)
    is_xpu_place = is_custom_place = staticmethod(lambda: False)


@contextmanager
def _strict(kind):
    """Within the block, a PyLayer must return gradients of the dtypes that it was given, as Paddle 2.6 demands."""
    forward, backward = kind.forward, kind.backward

    @functools.wraps(forward)
    def recorded(ctx, *args):
        ctx.given = [arg.dtype for arg in args if isinstance(arg, paddle.Tensor)]
        return forward(ctx, *args)

    @functools.wraps(backward)
    def compared(ctx, *gradients):
        found = backward(ctx, *gradients)
        for dtype, gradient in zip(ctx.given, found if isinstance(found, tuple) else (found,), strict=True):
            if gradient is not None and gradient.dtype != dtype:
                raise TypeError(f"{kind.__name__} returned a gradient of {gradient.dtype} for an input of {dtype}")
        return found

    with patch.object(kind, "forward", staticmethod(recorded)), patch.object(kind, "backward", staticmethod(compared)):
        yield
