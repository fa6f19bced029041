"""PyTorch's automatic mixed precision as on a GPU, imitated on a CPU; the floor for what Paddle's may err.

The lists are those of torch.autocast on CUDA, as its documentation has them, of the functions that the twins call. An
operation in half precision is computed in float32 from the rounded operands, and its result is rounded.
"""

import torch
from torch.overrides import TorchFunctionMode

HALF = (torch.float16, torch.bfloat16)
TO_HALF = {"__matmul__", "addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "conv2d", "conv_transpose2d", "linear"}
TO_HALF |= {"matmul", "mm", "mv"}
TO_FLOAT32 = {"__pow__", "__rpow__", "exp", "log", "norm", "normalize", "pow", "prod", "rsqrt", "softmax", "sum"}
TO_WIDEST = {"dot", "tensordot", "addcmul", "addcdiv"}
TO_FLOAT32 |= {"binary_cross_entropy_with_logits", "l1_loss", "mse_loss", "cosine_similarity", "layer_norm"}


class TorchAutocast(TorchFunctionMode):
    """A context in which functions are computed in `dtype` or float32, as within torch.autocast("cuda", dtype)."""

    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name, kwargs = getattr(function, "__name__", ""), kwargs or {}
        if name in TO_HALF and "out" not in kwargs:
            rounded = _mapped(lambda x: x.to(self.dtype).to(torch.float32), (args, kwargs))
            return _mapped(lambda x: x.to(self.dtype), function(*rounded[0], **rounded[1]))
        if name in TO_FLOAT32 or name in TO_WIDEST and _has_float32(args):
            args, kwargs = _mapped(lambda x: x.to(torch.float32), (args, kwargs))
        return function(*args, **kwargs)


def _has_float32(args):
    return any(isinstance(arg, torch.Tensor) and arg.dtype == torch.float32 for arg in args)


def _mapped(change, value):
    """Apply `change` to every tensor of float32 or less in a value."""
    if isinstance(value, torch.Tensor):
        return change(value) if value.dtype in (*HALF, torch.float32) else value
    if isinstance(value, dict):
        return {key: _mapped(change, each) for key, each in value.items()}
    return type(value)(_mapped(change, each) for each in value) if type(value) in (list, tuple) else value
