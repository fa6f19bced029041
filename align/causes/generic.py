"""Mistakes in layers and functions of any model: numbers of groups, padding, pooling, activations, masks, scales.

`layer_mistakes` yields (name, plant) for a layer; `call_mistakes` (name, patches) for functions, wherever the model
calls them.
"""

import math
from functools import wraps
from inspect import signature

import torch
import torch.nn.functional as F
from torch import nn

from align.planting import put, run

_EPS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-12, 0.0)
_SLOPES = (0.01, 0.02, 0.1, 0.2, 0.3)


def layer_mistakes(leaf, arguments):
    """Yield mistakes in the numbers of a layer, given the shapes of its arguments."""
    if isinstance(leaf, nn.GroupNorm):
        for groups in _divisors(leaf.num_channels):
            if groups != leaf.num_groups:
                yield f"{groups} groups for {leaf.num_groups}", put(num_groups=groups)
    if isinstance(leaf, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        for mode in ("zeros", "reflect", "replicate", "circular"):
            if mode != leaf.padding_mode and not isinstance(leaf.padding, str) and any(leaf.padding):
                yield f"padding mode {mode} for {leaf.padding_mode}", _padded(mode)
    if isinstance(leaf, nn.MultiheadAttention):
        for heads in _divisors(leaf.embed_dim):
            if heads != leaf.num_heads:
                yield f"{heads} heads for {leaf.num_heads}", put(num_heads=heads, head_dim=leaf.embed_dim // heads)
    if isinstance(leaf, nn.Softmax | nn.LogSoftmax):
        for axis in range(-len(arguments[0]), 0) if arguments else ():
            yield f"softmax over axis {axis}", put(dim=axis)
    if isinstance(leaf, nn.Embedding):
        yield "scaled by the root of its size", run(lambda own, layer, x: own(x) * math.sqrt(layer.embedding_dim))
    if isinstance(leaf, nn.Softplus | nn.ELU | nn.CELU | nn.Hardtanh | nn.Softshrink | nn.Hardshrink):
        for name in ("alpha", "beta", "lambd"):
            for value in (0.1, 0.2, 0.5, 1.0, 2.0):
                if getattr(leaf, name, value) != value:
                    yield f"{name} {value:g} for {getattr(leaf, name):g}", put(**{name: value})


def _divisors(count):
    return [n for n in range(1, count + 1) if count % n == 0]


def _padded(mode):
    def plant(layer):
        layer.padding_mode = mode
        layer._reversed_padding_repeated_twice = [n for n in reversed(layer.padding) for _ in range(2)]

    return plant


def call_mistakes():
    """Yield mistakes in functions that are called between layers."""
    for name, owners, options in _CALLS:
        for option, values in options.items():
            for value in values:
                patches = tuple(
                    (owner, name, _with(getattr(owner, name), option, value))
                    for owner in owners
                    if hasattr(owner, name)
                )
                yield f"{name} with {option}={value}", patches
    for first, second in _EXCHANGES:
        yield (
            f"{second} for {first}",
            tuple(
                (owner, first, _instead(function))
                for owner in (F, torch, torch.Tensor)
                if hasattr(owner, first)
                for function in [ACTIVATIONS[second]]
            ),
        )
    yield "attention without its scale", ((F, "scaled_dot_product_attention", _dot),)
    yield "not scaled by math.sqrt", ((math, "sqrt", lambda _: 1.0),)
    for name in ("masked_fill", "masked_fill_"):
        yield f"{name} left out", ((torch.Tensor, name, lambda x, *_, **__: x),)
        yield f"{name} with the mask inverted", ((torch.Tensor, name, _inverted(getattr(torch.Tensor, name))),)
    for name in ("dropout", "dropout2d"):
        yield f"{name} scales in evaluation", ((F, name, lambda x, p=0.5, *_, **__: x * (1 - p)),)


def _with(function, option, value):
    """The function with one argument replaced, however it is given; others are as called."""
    try:
        place = list(signature(function).parameters).index(option)
    except ValueError:  # a builtin, without names
        place = _PLACES.get(option)

    @wraps(function)
    def changed(*arguments, **options):
        if place is not None and place < len(arguments):
            return function(*arguments[:place], value, *arguments[place + 1 :], **options)
        return function(*arguments, **{**options, option: value})

    return changed


def _inverted(function):
    return lambda x, mask, value: function(x, ~mask, value)


def _instead(function):
    return lambda x, *_, **__: function(x)


_PLACES = {"dim": 1, "eps": 4}
_ONES, _TWO = (F,), (F, torch)
_CALLS = [
    ("gelu", _ONES, {"approximate": ("none", "tanh")}),
    ("leaky_relu", _ONES, {"negative_slope": _SLOPES}),
    ("elu", _ONES, {"alpha": (0.5, 1.0)}),
    (
        "interpolate",
        _ONES,
        {"align_corners": (True, False), "mode": ("nearest", "nearest-exact", "bilinear", "bicubic")},
    ),
    ("pad", _ONES, {"mode": ("constant", "reflect", "replicate", "circular")}),
    ("avg_pool1d", _ONES, {"count_include_pad": (False, True), "ceil_mode": (False, True)}),
    ("avg_pool2d", _ONES, {"count_include_pad": (False, True), "ceil_mode": (False, True)}),
    ("max_pool2d", _ONES, {"ceil_mode": (False, True)}),
    ("layer_norm", _ONES, {"eps": _EPS}),
    ("batch_norm", _ONES, {"eps": _EPS}),
    ("group_norm", _ONES, {"eps": _EPS, "num_groups": (1, 2, 4, 8, 16, 32)}),
    ("instance_norm", _ONES, {"eps": _EPS}),
    ("normalize", _ONES, {"dim": (-1, 0, 1, 2), "p": (1.0, 2.0)}),
    ("grid_sample", _ONES, {"align_corners": (True, False), "padding_mode": ("zeros", "border", "reflection")}),
    ("log_softmax", _TWO, {"dim": (-1, -2, 0, 1)}),
    ("cross_entropy", _ONES, {"reduction": ("mean", "sum", "none"), "label_smoothing": (0.0, 0.1)}),
    ("mse_loss", _ONES, {"reduction": ("mean", "sum", "none")}),
    ("l1_loss", _ONES, {"reduction": ("mean", "sum", "none")}),
    ("smooth_l1_loss", _ONES, {"beta": (0.5, 1.0)}),
    ("flip", (torch, torch.Tensor), {"dims": ((-1,), (-2,), (1,))}),
    ("cumsum", (torch, torch.Tensor), {"dim": (-1, 0, 1)}),
    ("var", (torch, torch.Tensor), {"correction": (0, 1)}),
    ("std", (torch, torch.Tensor), {"correction": (0, 1)}),
]
ACTIVATIONS = {
    "identity": lambda x: x * 1,
    "relu": F.relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "softplus": F.softplus,
    "relu6": F.relu6,
}
_EXCHANGES = [(one, other) for one in list(ACTIVATIONS)[1:] for other in ACTIVATIONS if one != other]


def _dot(query, key, value, mask=None, dropout=0.0, causal=False, **_):
    scores = query @ key.transpose(-1, -2)
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -math.inf)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
    return torch.softmax(scores, -1) @ value
