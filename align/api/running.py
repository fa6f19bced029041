"""One call on one side: outputs, gradients and state of a function or a layer as arrays: `called`, `Models`."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import paddle
import torch
from paddle.nn.layer.rnn import RNNBase

from align.api.entry import Entry, Sample
from align.cases.case import randomise
from align.cases.pair import Pair
from align.compare.pair_paddle import PaddlePairSide
from align.compare.pair_torch import TorchPairSide
from align.compare.structures import parts_of
from paddle_ugatit.weights import WeightError

NO_PAIR = Pair("function", lambda layers: None, [], "", "", "")


def turned(side: Any, tensor: Any) -> Any:
    """A view of the tensor with its last two axes exchanged."""
    axes = [*range(tensor.ndim - 2), tensor.ndim - 1, tensor.ndim - 2]
    return tensor.permute(axes) if side.name == "torch" else tensor.transpose(axes)


def called(side: Any, entry: Entry, function: Callable, given: Sample, options: Mapping, names: Mapping) -> Any:
    """Call a function or layer; returns its Parts and the tensors that were given, which may have gradients."""
    arrays = [*given.arrays, *given.named.values()]
    leaves = [side.tensor(np.asarray(array), grad=True) for array in arrays]
    tensors = [turned(side, leaf) if given.turned else leaf for leaf in leaves]
    count = len(given.arrays)
    positional = [tensors[:count]] if entry.listed else tensors[:count]
    named = {names.get(name, name): tensor for name, tensor in zip(given.named, tensors[count:], strict=True)}
    is_layer = isinstance(function, torch.nn.Module | paddle.nn.Layer)
    call = side.call_of(function, function.forward, tuple(positional), named) if is_layer else None
    with side.in_use():
        if call is None:
            parts = parts_of(function(*positional, **named, **options), side.is_tensor, numbers=True)
        else:
            parts = call.parts(call.run(call.tensors))
    return parts, leaves


def results(side: Any, model: Any, parts: Any, leaves: list, cotangents: list | None) -> dict[str, Any]:
    """Return what can be compared: outputs and, with `cotangents`, gradients of inputs and parameters, and buffers."""
    found = {f"output {i}": side.array(one) for i, one in enumerate(parts.tensors)}
    if model is not None:
        found |= {f"state {name}": array for name, array in side.buffers(model).items()}
    if cotangents is None:
        return found
    if len(parts.tensors) != len(cotangents):
        raise ValueError(f"returns {len(parts.tensors)} tensors, PyTorch {len(cotangents)}")
    with side.in_use():
        takes = [side.takes_gradient(one) for one in parts.tensors]
        if not any(takes):
            return found
        side.backward(parts.tensors, cotangents)
    for i, leaf in enumerate(leaves):
        if side.takes_gradient(leaf):
            found[f"gradient of input {i}"] = zero_for_none(side.gradient(leaf), leaf)
    if model is not None:
        gradients = side.parameter_gradients(model)
        found |= {f"gradient of {name}": array for name, array in gradients.items() if array is not None}
    return found


def zero_for_none(gradient: np.ndarray | None, leaf: Any) -> np.ndarray:
    """The gradient, where none stands for zeros: a table of values does not tell them apart."""
    return np.zeros(tuple(leaf.shape)) if gradient is None else gradient


def cotangents_of(arrays: Mapping[str, np.ndarray], seed: int) -> list:
    """Draw the gradient of each output, with values exact in float32; None for one that takes none."""
    rng = np.random.default_rng([seed, 1])
    outputs = [np.asarray(array) for name, array in arrays.items() if name.startswith("output")]
    return [_cotangent(array, rng) for array in outputs]


def _cotangent(array, rng):
    if array.dtype.kind not in "fc":
        return None
    drawn = rng.standard_normal(array.shape).astype("float32").astype("float64")
    return np.asarray(drawn if array.dtype.kind == "f" else drawn + 1j * drawn)


class Models:
    """Both sides of a layer with the same weights: `torch(dtype)` and `paddle(dtype, make)` build and load it."""

    def __init__(self, entry: Entry, make: Callable, seed: int) -> None:
        self.entry, self.make, self.seed = entry, make, seed
        self.pair = Pair(entry.torch, self._built, [], "", "", "", training=entry.training)
        side = TorchPairSide(self.pair, "float32")
        model = side.build(self._built, seed)
        self.weights = side.state(model)
        randomise(side.learned(model, self.weights), seed)
        shapes = {name: array.shape for name, array in self.weights.items()}
        self.pair.facts.update(side.facts(model), shapes=shapes)

    def _built(self, layers: Any) -> Any:
        return self.make() if layers.framework == "torch" else self._other()

    def torch(self, dtype: str) -> tuple[Any, Any]:
        """Return PyTorch's side and layer."""
        return self._loaded(TorchPairSide(self.pair, dtype))

    def paddle(self, dtype: str, make: Callable) -> tuple[Any, Any]:
        """Return Paddle's side and layer. Raises WeightError if the weights do not fit."""
        self._other = make
        return self._loaded(PaddlePairSide(self.pair, dtype))

    def _loaded(self, side: Any) -> tuple[Any, Any]:
        model = side.build(self._built, self.seed)
        try:
            side.load(model, self.weights)
        except WeightError:  # such as a buffer that only Paddle has: all of PyTorch's must fit
            side.load_matching(model, self.weights)
            if lacking := [name for name in self.weights if not _fits(self.weights[name], side.state(model).get(name))]:
                raise WeightError(f"Paddle has no {', '.join(lacking)} of this shape") from None
        model.train() if self.entry.training else model.eval()
        for layer in model.sublayers(include_self=True) if side.name == "paddle" else ():
            if isinstance(layer, RNNBase):
                layer.training = True  # without dropout the same; in evaluation mode Paddle cannot run these backward
        return side, model


def _fits(array: np.ndarray, other: np.ndarray | None) -> bool:
    return other is not None and array.shape == other.shape and np.allclose(array, other)


def sides_of_function(dtype: str) -> tuple[Any, Any]:
    """Return both sides without a model."""
    return TorchPairSide(NO_PAIR, dtype), PaddlePairSide(NO_PAIR, dtype)
