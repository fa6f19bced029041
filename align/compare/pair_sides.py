"""The two sides of a pair of models from a user's file (align/cases/pair.py).

Arrays have the same name and layout in both models, except where STOCK or the file's RULES say otherwise.
"""

import numpy as np
import paddle
import torch
from paddle import nn

from align.cases.pair import Pair
from align.compare.paddle_side import PaddleSide
from align.compare.torch_side import TorchSide
from paddle_ugatit.weights import WeightError

# Layers of Paddle's whose arrays have another name or layout in PyTorch: type -> array -> (PyTorch's name, transposed).
# Convolutions, transposed convolutions, embeddings, layer and group norms agree.
_BATCH_NORM = {"_mean": ("running_mean", False), "_variance": ("running_var", False)}
STOCK = {
    nn.Linear: {"weight": ("weight", True)},
    nn.BatchNorm1D: _BATCH_NORM,
    nn.BatchNorm2D: _BATCH_NORM,
    nn.BatchNorm3D: _BATCH_NORM,
    nn.InstanceNorm1D: {"scale": ("weight", False)},
    nn.InstanceNorm2D: {"scale": ("weight", False)},
    nn.InstanceNorm3D: {"scale": ("weight", False)},
    nn.PReLU: {"_weight": ("weight", False)},
}
_COUNT = "num_batches_tracked"  # PyTorch's batch norms count batches; Paddle's do not, and nothing is computed from it


class TorchPairSide(TorchSide):
    """PyTorch without batch counts, which Paddle lacks, and without in-place layers, which overwrite records."""

    def build(self, build, seed):
        model = super().build(build, seed)
        for module in model.modules():
            if getattr(module, "inplace", False):
                module.inplace = False
        return model.to(getattr(torch, self.dtype))

    def load(self, model, state):
        counts = {key: value for key, value in super().state(model).items() if key.endswith(_COUNT)}
        super().load(model, {**state, **counts})

    def state(self, model):
        return _uncounted(super().state(model))

    def buffers(self, model):
        return _uncounted(super().buffers(model))

    def set_buffers(self, model, state):
        counts = {key: value for key, value in super().buffers(model).items() if key.endswith(_COUNT)}
        super().set_buffers(model, {**state, **counts})

    def tensor(self, array, grad=False):
        return torch.from_numpy(array) if array.dtype.kind == "i" else super().tensor(array, grad)


def _uncounted(state):
    return {key: value for key, value in state.items() if not key.endswith(_COUNT)}


class PaddlePairSide(PaddleSide):
    """Paddle with layers and arrays under PyTorch's names."""

    def __init__(self, pair: Pair, dtype: str):
        super().__init__(dtype)
        self.names, self.rules = pair.names, {**STOCK, **pair.rules}

    def build(self, build, seed):
        model = super().build(build, seed)
        model.to(dtype=self.dtype)
        return model

    def leaves(self, model):
        return {self._renamed(path): layer for path, layer in super().leaves(model).items()}

    def layer_types(self, model):
        return {self._renamed(path): name for path, name in super().layer_types(model).items()}

    def load(self, model, state):
        places, own = self._places(model), model.state_dict()
        wanted = {places[key][0]: (own[key], places[key][1]) for key in own}
        strange = sorted(wanted.keys() ^ state.keys())
        if strange:
            raise WeightError(f"only one side has {', '.join(strange[:3])}")
        for key, (tensor, transposed) in wanted.items():
            array = np.asarray(state[key].T if transposed else state[key], self.dtype)
            if list(array.shape) != tensor.shape:
                raise WeightError(f"{key!r} has the shape {list(array.shape)}, Paddle's is {tensor.shape}")
            tensor.set_value(array)

    def buffers(self, model):
        return {key: tensor.numpy() for key, tensor in self._state_tensors(model).items()}

    def set_buffers(self, model, state):
        for key, tensor in self._state_tensors(model).items():
            tensor.set_value(np.asarray(state[key], tensor.numpy().dtype))

    def parameter_gradients(self, model):
        state = self._state_tensors(model)
        return {key: array for key, array in super().parameter_gradients(model).items() if key not in state}

    def _state_tensors(self, model):
        """PyTorch's key -> tensor, for buffers and for the statistics that Paddle's batch norm keeps as parameters."""
        places = self._places(model)
        tensors = {places[name][0]: buffer for name, buffer in model.named_buffers()}
        running = {places[name][0]: parameter for name, parameter in model.named_parameters()}
        return tensors | {key: running[key] for key in running if key.rpartition(".")[2].startswith("running_")}

    def tensor(self, array, grad=False):
        return paddle.to_tensor(array) if array.dtype.kind == "i" else super().tensor(array, grad)

    def _in_torch_layout(self, model, arrays):
        places = self._places(model)
        turned = {places[key][0]: (array, places[key][1]) for key, array in arrays.items()}
        return {key: a.T if transposed and a is not None else a for key, (a, transposed) in turned.items()}

    def _places(self, model):
        """Key of each parameter and buffer -> (PyTorch's key, whether the array is transposed)."""
        places = {}
        for path, owner in model.named_sublayers(include_self=True):
            for leaf, _ in [*owner.named_parameters("", False), *owner.named_buffers("", False)]:
                name, transposed = self._rule(owner, leaf)
                mine = self._renamed(path)
                places[f"{path}.{leaf}" if path else leaf] = (f"{mine}.{name}" if mine else name, transposed)
        return places

    def _rule(self, owner, leaf):
        for kind, leaves in self.rules.items():
            if isinstance(owner, kind) and leaf in leaves:
                return leaves[leaf]
        return leaf, False

    def _renamed(self, path):
        """The path in PyTorch: the longest prefix listed in NAMES, replaced."""
        parts = path.split(".")
        for n in range(len(parts), 0, -1):
            if (start := ".".join(parts[:n])) in self.names:
                return ".".join(filter(None, [self.names[start], *parts[n:]]))
        return path
