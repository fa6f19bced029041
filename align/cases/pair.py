"""Another pair of models under the harness: a file says what they are, `load_pair` makes a case of it.

    def torch_model(): ...                 a torch.nn.Module, built as the harness finds it: no weights loaded
    def paddle_model(): ...                the paddle.nn.Layer that should equal it
    SHAPES = [(2, 3, 16, 16)]              shapes of the arguments of one call, or
    def inputs(rng): ...                   the arrays of one call; whole numbers stay whole numbers

and, where the defaults do not fit,

    NAMES = {"body.0": "conv1"}            path in Paddle -> path in PyTorch, for whatever lies below it too
    RULES = {MyLinear: {"w": ("weight", True)}}    Paddle type -> its name of an array -> PyTorch's, transposed or not
    TRAINING, CALLS, LIMIT = True, 2, 1e-9         mode (evaluation), calls in a row (1), float64 limit (1e-10)

Arrays have the same name and layout on both sides but for what STOCK and RULES say.
"""

import importlib.util
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import paddle
import torch
from paddle import nn

from align.cases import Case, representable
from align.compare.paddle_side import LAYERS, PaddleSide
from align.compare.torch_side import TorchSide
from paddle_ugatit.weights import WeightError

# Paddle's own layers, whose arrays PyTorch lays out or names otherwise. Convolutions, also transposed ones, embeddings,
# layer and group norms agree in both.
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
_COUNT = "num_batches_tracked"  # PyTorch counts batches beside its batch norms; nothing is computed from it


class PairError(ValueError):
    """A file that does not describe a pair; one line that names it."""


@dataclass(frozen=True)
class Pair(Case):
    """A case whose models come from a file, each under names of its own."""

    module: ModuleType | None = None

    def inputs(self, seed):
        rng = np.random.default_rng(seed)
        return [[_exact(array) for array in self._call(rng)] for _ in range(self.calls)]

    def _call(self, rng):
        if hasattr(self.module, "inputs"):
            return self.module.inputs(rng)
        return [rng.standard_normal(shape) for shape in self.shapes]

    @property
    def paddle_side(self):
        """What stands for align.compare.paddle_side.PaddleSide."""
        return partial(_PaddlePair, self.module)

    @property
    def torch_side(self):
        """What stands for align.compare.torch_side.TorchSide."""
        return _TorchPair

    @property
    def sources(self):
        """Both models stand in the one file."""
        return self.file, self.file


def _exact(array):
    array = np.asarray(array)
    return array.astype("int64") if array.dtype.kind in "iub" else representable(array)


def load_pair(path) -> Pair:
    """The case that a Python file describes; the file is run. PairError in one line."""
    path = Path(path)
    if not path.is_file():
        raise PairError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None:
        raise PairError(f"{path}: is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))  # so that it may import what lies beside it
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's own code raises
        raise PairError(f"{path}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.parent))
    if missing := [name for name in ("torch_model", "paddle_model") if not callable(getattr(module, name, None))]:
        raise PairError(f"{path}: has no function {' and no '.join(missing)}")
    if not hasattr(module, "inputs") and not hasattr(module, "SHAPES"):
        raise PairError(f"{path}: has neither SHAPES nor a function inputs")

    def build(layers):
        function = module.paddle_model if layers is LAYERS else module.torch_model
        try:
            return function()
        except Exception as error:
            raise PairError(f"{path}: {function.__name__}(): {type(error).__name__}: {error}") from error

    options = {"TRAINING": "training", "CALLS": "calls", "LIMIT": "limit"}
    given = {field: getattr(module, name) for name, field in options.items() if hasattr(module, name)}
    shapes = list(getattr(module, "SHAPES", []))
    about = (module.__doc__ or "").strip().partition("\n")[0]
    return Pair(path.stem, build, shapes, about, str(path), path.stem, **{"training": False} | given, module=module)


class _TorchPair(TorchSide):
    """PyTorch, without what has no counterpart: counts of batches, and operations that overwrite what is recorded."""

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


class _PaddlePair(PaddleSide):
    """Paddle, its layers and arrays under PyTorch's names."""

    def __init__(self, module, dtype):
        super().__init__(dtype)
        self.names, self.rules = getattr(module, "NAMES", {}), {**STOCK, **getattr(module, "RULES", {})}

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
        """PyTorch's key -> tensor, for buffers and for what Paddle's batch norm keeps among its parameters instead."""
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
        """Key of a parameter or buffer -> (PyTorch's key, whether it is transposed)."""
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
        """The path in PyTorch: the longest beginning that NAMES knows, replaced."""
        parts = path.split(".")
        for n in range(len(parts), 0, -1):
            if (start := ".".join(parts[:n])) in self.names:
                return ".".join(filter(None, [self.names[start], *parts[n:]]))
        return path
