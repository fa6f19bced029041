"""Paddle's own recurrent and attention layers in the form that both sides share: batch first, one tensor an input.

Twin: align/compare/stock_torch.py.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import paddle
from paddle import nn
from paddle.nn.layer.rnn import RNNBase

from align.compare.structures import Call, Parts, parts_of

# Layers whose arrays have another name or layout in PyTorch: type -> array -> (PyTorch's name, transposed).
# Convolutions, transposed convolutions, embeddings, layer and group norms, recurrent layers agree.
_BATCH_NORM = {"_mean": ("running_mean", False), "_variance": ("running_var", False)}
RULES = {
    nn.Linear: {"weight": ("weight", True), "weight_v": ("weight_v", True), "weight_orig": ("weight_orig", True)},
    nn.BatchNorm1D: _BATCH_NORM,
    nn.BatchNorm2D: _BATCH_NORM,
    nn.BatchNorm3D: _BATCH_NORM,
    nn.SyncBatchNorm: _BATCH_NORM,
    nn.InstanceNorm1D: {"scale": ("weight", False)},
    nn.InstanceNorm2D: {"scale": ("weight", False)},
    nn.InstanceNorm3D: {"scale": ("weight", False)},
    nn.PReLU: {"_weight": ("weight", False)},
}
# Children that PyTorch's layer has under another name.
CHILDREN = {nn.TransformerDecoderLayer: {"cross_attn": "multihead_attn"}}

_CELLS = (nn.LSTMCell, nn.GRUCell, nn.SimpleRNNCell)
_TRANSFORMERS = (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer, nn.TransformerEncoder, nn.TransformerDecoder)


def call_of(leaf: nn.Layer, forward: Callable, arguments: tuple, options: dict, is_tensor: Callable) -> Call | None:
    """Return the Call of a layer of these kinds; None for any other."""
    if isinstance(leaf, _CELLS):
        return _call(leaf, forward, arguments, options, ("inputs",), "states", True, partial(_cell_parts, is_tensor))
    if isinstance(leaf, RNNBase | nn.RNN | nn.BiRNN):
        turn = partial(_turned, not leaf.time_major)
        parts = partial(_recurrent_parts, turn, isinstance(leaf, nn.RNN), is_tensor)
        return _call(leaf, forward, arguments, options, ("inputs",), "initial_states", not leaf.time_major, parts)
    if isinstance(leaf, nn.MultiHeadAttention):
        bound = inspect.signature(type(leaf).forward).bind(leaf, *arguments, **options).arguments
        query = bound["query"]  # which stands for a key or a value that is not given
        options = {name: value for name, value in bound.items() if name not in ("self", "query")}
        options["key"] = query if options.get("key") is None else options["key"]
        options["value"] = query if options.get("value") is None else options["value"]
        names = "query", "key", "value"
        return _call(leaf, forward, (query,), options, names, "", True, partial(_first_part, is_tensor))
    if isinstance(leaf, _TRANSFORMERS):
        return _call(
            leaf, forward, arguments, options, ("src", "tgt", "memory"), "", True, partial(_first_part, is_tensor)
        )
    return None


def _call(leaf, forward, arguments, options, names, states, batch_first, parts):
    bound = inspect.signature(type(leaf).forward).bind(leaf, *arguments, **options)
    given = {name: bound.arguments[name] for name in names if isinstance(bound.arguments.get(name), paddle.Tensor)}
    inside = parts_of(bound.arguments.get(states), lambda x: isinstance(x, paddle.Tensor))
    turn = partial(_turned, batch_first)

    def run(tensors: list) -> Any:
        new = dict(bound.arguments) | dict(zip(given, map(turn, tensors), strict=False))
        if inside.tensors:
            new[states] = inside.rebuild(tensors[len(given) :])
        new.pop("self")
        return forward(**new)

    return Call([*map(turn, given.values()), *inside.tensors], run, parts)


def _turned(batch_first: bool, x: paddle.Tensor) -> paddle.Tensor:
    """Time first to batch first, and back."""
    return x if batch_first or x.ndim < 3 else x.transpose([1, 0, *range(2, x.ndim)])


def _cell_parts(is_tensor: Callable, result: Any) -> Parts:
    """PyTorch's result of a cell: the new state alone, which Paddle's gives twice."""
    states = parts_of(result[1], is_tensor)
    return Parts(states.slots, states.tensors, lambda tensors: (tensors[0], states.rebuild(tensors)))


def _recurrent_parts(turn: Callable, of_cell: bool, is_tensor: Callable, result: Any) -> Parts:
    """The outputs, batch first, and the last states, which one wrapped cell gives without the axis of layers."""
    plain = parts_of(result, is_tensor)
    states = [x.unsqueeze(0) if of_cell else x for x in plain.tensors[1:]]

    def rebuild(tensors: list) -> Any:
        return plain.rebuild([turn(tensors[0]), *(x.squeeze(0) if of_cell else x for x in tensors[1:])])

    return Parts(plain.slots, [turn(plain.tensors[0]), *states], rebuild)


def _first_part(is_tensor: Callable, result: Any) -> Parts:
    """The first output alone: attention weights are averaged by PyTorch and not by Paddle."""
    if is_tensor(result):
        return Parts(["0"], [result], lambda tensors: tensors[0])
    return Parts(["0"], [result[0]], lambda tensors: (tensors[0], *result[1:]))
