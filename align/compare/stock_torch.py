"""PyTorch's own recurrent and attention layers in the form that both sides share: batch first, one tensor an input.

Twin: align/compare/stock_paddle.py.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from align.compare.structures import Call, Parts, parts_of

_ATTENTION = nn.MultiheadAttention
_TRANSFORMERS = (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
_STACKS = (nn.TransformerEncoder, nn.TransformerDecoder, nn.Transformer)


def is_unit(layer: nn.Module) -> bool:
    """Whether a layer with layers inside is compared as one: its inner ones are not called, or not batch first."""
    if isinstance(layer, _ATTENTION):
        return True
    return isinstance(layer, (*_TRANSFORMERS, *_STACKS)) and not _batch_first(layer)


def _batch_first(layer: nn.Module) -> bool:
    return all(module.batch_first for module in layer.modules() if isinstance(module, _ATTENTION))


def split_arrays(model: nn.Module) -> dict[str, list[str]]:
    """Array of PyTorch's attention -> the arrays of Paddle's that it holds, one below the other."""
    found = {}
    for path, layer in model.named_modules():
        if isinstance(layer, _ATTENTION):
            start = f"{path}." if path else ""
            for leaf, last in (("in_proj_weight", "weight"), ("in_proj_bias", "bias")):
                if getattr(layer, leaf, None) is not None:
                    found[start + leaf] = [f"{start}{letter}_proj.{last}" for letter in "qkv"]
            for letter in "qkv":
                if getattr(layer, f"{letter}_proj_weight", None) is not None:
                    found[f"{start}{letter}_proj_weight"] = [f"{start}{letter}_proj.weight"]
    return found


def call_of(leaf: nn.Module, forward: Callable, arguments: tuple, options: dict, is_tensor: Callable) -> Call | None:
    """Return the Call of a layer of these kinds; None for any other."""
    if isinstance(leaf, nn.RNNBase):
        return _call(leaf, forward, arguments, options, ("input",), leaf.batch_first, _recurrent_parts, is_tensor)
    if isinstance(leaf, _ATTENTION):
        names = "query", "key", "value"
        return _call(leaf, forward, arguments, options, names, leaf.batch_first, _first_part, is_tensor)
    if isinstance(leaf, (*_TRANSFORMERS, *_STACKS)):
        names = "src", "tgt", "memory"
        return _call(leaf, forward, arguments, options, names, _batch_first(leaf), _first_part, is_tensor)
    return None


def _call(leaf, forward, arguments, options, names, batch_first, parts, is_tensor):
    bound = inspect.signature(type(leaf).forward).bind(leaf, *arguments, **options)
    given = {name: bound.arguments[name] for name in names if is_tensor(bound.arguments.get(name))}
    states = parts_of(bound.arguments.get("hx"), is_tensor)
    turn = partial(_turned, batch_first)

    def run(tensors: list) -> Any:
        new = dict(bound.arguments) | dict(zip(given, map(turn, tensors), strict=False))
        if states.tensors:
            new["hx"] = states.rebuild(tensors[len(given) :])
        new.pop("self")
        return forward(**new)

    return Call([*map(turn, given.values()), *states.tensors], run, partial(parts, turn, is_tensor))


def _turned(batch_first: bool, x: torch.Tensor) -> torch.Tensor:
    """Time first to batch first, and back."""
    return x if batch_first or x.ndim < 3 else x.transpose(0, 1)


def _recurrent_parts(turn: Callable, is_tensor: Callable, result: Any) -> Parts:
    """The outputs, batch first, and the last states: slots "0", "1" or "1.0" and "1.1"."""
    plain = parts_of(result, is_tensor)

    def rebuild(tensors: list) -> Any:
        return plain.rebuild([turn(tensors[0]), *tensors[1:]])

    return Parts(plain.slots, [turn(plain.tensors[0]), *plain.tensors[1:]], rebuild)


def _first_part(turn: Callable, is_tensor: Callable, result: Any) -> Parts:
    """The first output alone: attention weights are averaged by PyTorch and not by Paddle."""
    if is_tensor(result):
        return Parts(["0"], [turn(result)], lambda tensors: turn(tensors[0]))
    return Parts(["0"], [turn(result[0])], lambda tensors: (turn(tensors[0]), *result[1:]))
