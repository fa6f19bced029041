"""Constants that Paddle's kernels keep in float32 whatever the dtype of the tensors, as replacements in PyTorch.

A WAY is one of them: with its `patches` in force PyTorch computes with the same rounded constant. So a difference that
comes from it can be told from a fault of the port: it is gone, up to the limit, when exactly that is done in PyTorch.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F

_avg_pools = {n: getattr(F, f"avg_pool{n}d") for n in (1, 2, 3)}
_interpolate, _batch_norm, _own_softshrink = F.interpolate, F.batch_norm, F.softshrink
_own_softplus, _own_rrelu = F.softplus, F.rrelu


def single(value: float) -> float:
    """Return a number as Paddle keeps it, rounded to float32."""
    return float(np.float32(value))


def _rounded(function: Callable, *names: str) -> Callable:
    """The function with these arguments rounded to float32."""
    known = signature(function)

    @wraps(function)
    def with_rounded(*arguments, **options):
        bound = known.bind(*arguments, **options)
        bound.apply_defaults()
        for name in names:
            if isinstance(bound.arguments[name], float):
                bound.arguments[name] = single(bound.arguments[name])
        return function(*bound.args, **bound.kwargs)

    return with_rounded


def _with_momentum(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    kept = 1 - single(1 - momentum)
    return _batch_norm(input, running_mean, running_var, weight, bias, training, kept, eps)


def _softshrink(input, lambd=0.5):
    return _own_softshrink(input, single(lambd))


def _softplus(input, beta=1.0, threshold=20.0):
    return _own_softplus(input, single(beta), single(threshold))


def _rrelu(input, lower=1 / 8, upper=1 / 3, training=False, inplace=False):
    if training:
        return _own_rrelu(input, lower, upper, training)
    return torch.where(input >= 0, input, input * single((single(lower) + single(upper)) / 2))


def _selu(input, inplace=False):
    alpha, scale = single(1.6732632423543772), single(1.0507009873554805)
    out = torch.where(input > 0, input, alpha * torch.expm1(input.clamp(max=0))) * scale
    # The gradient at negative values is out + alpha * scale, with this product in float32 too.
    rest = single(alpha * scale) - alpha * scale
    return out + (input > 0).logical_not() * (input - input.detach()) * rest


def _hardsigmoid(input, inplace=False):
    return (input * single(0.1666667) + 0.5).clamp(0, 1)


def _share(out: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """A mean over `counts` values whose gradient is multiplied by 1 / counts in float32."""
    factor = (1 / counts).float().to(out.dtype) * counts
    return out * factor + (out * (1 - factor)).detach()


def _avg_pool(n: int) -> Callable:
    own = _avg_pools[n]

    def avg_pool(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, *divisor):
        arguments = kernel_size, stride, padding, ceil_mode, count_include_pad
        out = own(input, *arguments, *divisor)
        if divisor and divisor[0]:
            return out
        cells = torch.ones_like(input, requires_grad=False)
        whole = float(np.prod(kernel_size if isinstance(kernel_size, tuple | list) else (kernel_size,) * n))
        counts = own(cells, kernel_size, stride, padding, ceil_mode, True) * whole  # of cells inside the input
        return _share(out, torch.full_like(counts, whole) if count_include_pad else counts.round())

    return avg_pool


def _adaptive(n: int) -> Callable:
    own = getattr(F, f"adaptive_avg_pool{n}d")

    def adaptive_avg_pool(input, output_size):
        out = own(input, output_size)
        sides = []
        for length, size in zip(input.shape[-n:], out.shape[-n:], strict=True):
            ends = [(-(-(i + 1) * length // size)) - i * length // size for i in range(size)]
            sides.append(torch.tensor(ends, dtype=out.dtype))
        counts = sides[0]
        for side in sides[1:]:
            counts = counts[..., None] * side
        return _share(out, counts.expand_as(out))

    return adaptive_avg_pool


def _grid(length: int, size: int, corners: bool, like: torch.Tensor, fused: bool) -> torch.Tensor:
    """Weights (size, length) of linear interpolation whose places are computed in float32.

    `fused` tells whether a product and a difference are rounded once, as compilers may do, or each by itself.
    """
    if corners:
        ratio = np.float32((length - 1) / (size - 1)) if size > 1 else np.float32(0)
        place = ratio * np.arange(size, dtype=np.float32)
    elif fused:
        place = np.maximum(float(np.float32(length / size)) * (np.arange(size) + 0.5) - 0.5, 0)
    else:
        ratio = np.float32(length / size)
        place = np.maximum(ratio * (np.arange(size, dtype=np.float32) + np.float32(0.5)) - np.float32(0.5), 0)
    place = place.astype(np.float32)
    first = np.minimum(place.astype(int), length - 1)
    share = place - first.astype(np.float32)
    weights = np.zeros((size, length))
    weights[np.arange(size), first] += np.float32(1) - share
    weights[np.arange(size), np.minimum(first + 1, length - 1)] += share
    return torch.from_numpy(weights).to(like)


def _linear(fused: bool) -> Callable:
    def interpolate(input, size=None, scale_factor=None, mode="nearest", align_corners=None, *more, **options):
        out = _interpolate(input, size, scale_factor, mode, align_corners, *more, **options)
        if mode not in ("linear", "bilinear", "trilinear"):
            return out
        plain = _interpolated(input, out.shape, bool(align_corners), False)
        if not fused:
            return plain
        return plain + (_interpolated(input, out.shape, bool(align_corners), True) - plain).detach()

    return interpolate


def _interpolated(x: torch.Tensor, shape: Iterable[int], corners: bool, fused: bool) -> torch.Tensor:
    for axis, size in list(enumerate(shape))[2:]:
        # Paddle 3.3 has the places along the first axis fused, in the forward pass only.
        weights = _grid(x.shape[axis], size, corners, x, fused and axis == 2)
        x = torch.tensordot(x, weights, dims=([axis], [1])).movedim(-1, axis)
    return x


def _of_number(name: str, change: Callable = single) -> Callable:
    """An operator of tensors that rounds a Python number to float32."""
    own = getattr(torch.Tensor, name)

    def operator(self, other):
        return own(self, change(other) if type(other) in (int, float) and self.dtype == torch.float64 else other)

    return operator


def _divided(self, other):
    if type(other) in (int, float) and self.dtype == torch.float64:
        return self * single(1 / other)
    return _true_divide(self, other)


_true_divide = torch.Tensor.__truediv__


@dataclass(frozen=True)
class Way:
    """A constant that Paddle rounds, in words, and PyTorch's functions as they are with it: (owner, name, function)."""

    text: str
    patches: tuple


def _of_functional(**functions: Callable) -> tuple:
    return tuple((F, name, function) for name, function in functions.items())


_NORMS = ("layer_norm", "batch_norm", "instance_norm", "group_norm")
_SLOPES = {"elu": "alpha", "celu": "alpha", "leaky_relu": "negative_slope", "huber_loss": "delta"}
WAYS = {
    "eps": Way("eps of a norm", _of_functional(**{name: _rounded(getattr(F, name), "eps") for name in _NORMS[:3]})),
    "eps of groups": Way("eps of a group norm", _of_functional(group_norm=_rounded(F.group_norm, "eps"))),
    "momentum": Way("momentum of a batch norm", _of_functional(batch_norm=_with_momentum)),
    **{
        name: Way(f"the parameter of {name}", _of_functional(**{name: _rounded(getattr(F, name), parameter)}))
        for name, parameter in _SLOPES.items()
    },
    "softplus": Way("beta and threshold of softplus", _of_functional(softplus=_softplus)),
    "softshrink": Way("the threshold of softshrink", _of_functional(softshrink=_softshrink)),
    "rrelu": Way("the slope of rrelu", _of_functional(rrelu=_rrelu)),
    "selu": Way("alpha and scale of selu", _of_functional(selu=_selu)),
    "hardsigmoid": Way("the slope 1/6 of hardsigmoid (0.1666667)", _of_functional(hardsigmoid=_hardsigmoid)),
    "pool": Way(
        "1/k of an average pool's gradient",
        _of_functional(
            **{f"avg_pool{n}d": _avg_pool(n) for n in (1, 2, 3)},
            **{f"adaptive_avg_pool{n}d": _adaptive(n) for n in (1, 2, 3)},
        ),
    ),
    "grid": Way("the grid of a linear interpolation", _of_functional(interpolate=_linear(False))),
    "fused grid": Way("the grid of a linear interpolation", _of_functional(interpolate=_linear(True))),
    "sums": Way(
        "a number added to a tensor",
        tuple((torch.Tensor, name, _of_number(name)) for name in ("__add__", "__radd__", "__sub__", "__rsub__")),
    ),
    "products": Way(
        "a number that a tensor is multiplied with or divided by",
        (
            *((torch.Tensor, name, _of_number(name)) for name in ("__mul__", "__rmul__")),
            (torch.Tensor, "__truediv__", _divided),
        ),
    ),
}


@contextmanager
def in_force(names: Iterable[str]) -> Iterator[None]:
    """Within the block PyTorch computes with these constants rounded; a function may have several."""
    with ExitStack() as stack:
        names = list(names)
        if "eps" in names and "momentum" in names:  # both are of batch_norm
            stack.enter_context(patch(f"{__name__}._batch_norm", _rounded(_batch_norm, "eps")))
            names = [name for name in names if name != "momentum"] + ["momentum"]
        for name in names:
            for owner, attribute, function in WAYS[name].patches:
                stack.enter_context(patch.object(owner, attribute, function))
        yield


@contextmanager
def noted(found: set[str]) -> Iterator[None]:
    """Within the block the names of the WAYS whose functions are called are added to `found`."""

    def noting(name: str, function: Callable) -> Callable:
        @wraps(function)
        def call(*arguments, **options):
            found.add(name)
            return function(*arguments, **options)

        return call

    with ExitStack() as stack:
        for (owner, attribute), names in _by_function().items():
            function = getattr(owner, attribute)
            for name in names:
                function = noting(name, function)
            stack.enter_context(patch.object(owner, attribute, function))
        yield


def _by_function() -> dict[tuple, list[str]]:
    found: dict[tuple, list[str]] = {}
    for name, way in WAYS.items():
        for owner, attribute, _ in way.patches:
            found.setdefault((owner, attribute), []).append(name)
    return found
