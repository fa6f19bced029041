"""PyTorch's side of a pair of models from a user's file. Twin: align/compare/pair_paddle.py.

Nothing of the model is changed. It is given copies of everything, since it may overwrite what it is given, and what is
recorded of it are copies of the moment.
"""

from contextlib import contextmanager, nullcontext
from itertools import count

import numpy as np
import torch
from torch import nn

from align.cases.pair import Pair, PairError
from align.compare import constants, stock_torch
from align.compare.pair_names import COUNT, beside, covers, renamed
from align.compare.structures import NUMBERS
from align.compare.torch_side import TorchSide

_DRAWS = count(1)  # so that no two runs draw the same random numbers, and dropout does not seem to repeat itself
_WIDE = {"float64": torch.complex128, "float32": torch.complex64}


class TorchPairSide(TorchSide):
    """PyTorch without batch counts, which Paddle lacks; fused arrays are under the names of their pieces."""

    def __init__(self, pair: Pair, dtype: str, jitter: np.random.Generator | None = None, units: int = 1):
        super().__init__(dtype, jitter, units)
        self.wide = None  # a Wide, in whose block models are run
        self.pair, self.mutates = pair, pair.facts.get("mutates", False)

    def build(self, build, seed):
        """Build a freshly initialised model, all of whose floating-point arrays have this side's dtype."""
        model = super().build(build, seed)
        if not isinstance(model, nn.Module):
            raise PairError(
                f"{self.pair.file}: torch_model() must return a torch.nn.Module, got {type(model).__name__}"
            )
        for tensor in [*model.parameters(), *model.buffers()]:
            if tensor.is_complex():
                tensor.data = tensor.data.to(_WIDE[self.dtype])
            elif tensor.is_floating_point():
                tensor.data = tensor.data.to(getattr(torch, self.dtype))
        torch.manual_seed(next(_DRAWS))
        return model

    @contextmanager
    def in_use(self):
        """Within the block new tensors have this side's dtype, and attention is not fused, which rounds otherwise."""
        keep = torch.autograd.graph.allow_mutation_on_saved_tensors
        default, fused = torch.get_default_dtype(), torch.backends.mha.get_fastpath_enabled()
        torch.set_default_dtype(getattr(torch, self.dtype))
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            with (
                keep() if self.mutates else nullcontext(),
                self.wide or nullcontext(),
                constants.in_force(self.pair.arithmetic),
            ):
                yield
        finally:
            torch.set_default_dtype(default)
            torch.backends.mha.set_fastpath_enabled(fused)

    def call_model(self, model, tensors):
        arguments, options = self.pair.arguments(tensors)
        return model(*arguments, **options)

    def call_of(self, leaf, forward, arguments, options):
        stock = stock_torch.call_of(leaf, forward, arguments, options, self.is_tensor)
        return stock or super().call_of(leaf, forward, arguments, options)

    def leaves(self, model):
        found, inside = {}, []
        for path, layer in model.named_modules():
            if covers(inside, path) or covers(self.pair.ignore, path):
                continue
            children = [name for name, _ in layer.named_children() if name != "parametrizations"]
            if not children or stock_torch.is_unit(layer):
                found[path] = layer
                inside.append(path)
        wanted = self.pair.layers
        return {path: layer for path, layer in found.items() if wanted is None or path in wanted}

    def facts(self, model):
        """Return what matching the names needs: leaves, all paths, tied arrays, and those that no checkpoint holds."""
        saved, arrays = model.state_dict().keys(), self._arrays(model)
        tied = self._tied(model)
        unsaved = [name for key in arrays if key not in saved for name in self._pieces(model).get(key, [key])]
        return {
            "leaves": list(self.leaves(model)),
            "paths": sorted({*dict(model.named_modules(remove_duplicate=False)), *arrays, *tied}),
            "tied": tied | dict(self.pair.tie),
            "unsaved": unsaved,
            "parameters": [name for key, _ in model.named_parameters() for name in self._names(model, key)],
        }

    def _arrays(self, model):
        """Key -> tensor of every parameter and buffer, each under its first name."""
        own = [*model.named_parameters(), *model.named_buffers()]
        return {key: tensor for key, tensor in own if not key.endswith(COUNT) and not covers(self.pair.ignore, key)}

    def _tied(self, model):
        """Other name of an array -> its first name."""
        every = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
        first = {id(tensor): key for key, tensor in reversed(every)}
        return {key: first[id(tensor)] for key, tensor in every if first[id(tensor)] != key}

    def _pieces(self, model):
        """Key of a fused array -> the names of its pieces, by a stock rule or by SPLIT."""
        pieces = stock_torch.split_arrays(model)
        for key in self._arrays(model):
            if given := beside(key, self.pair.split):
                pieces[key] = [renamed(self.pair.names, name) for name in given]
        return pieces

    def _names(self, model, key):
        return self._pieces(model).get(key, [key])

    def _split(self, model, arrays):
        """Arrays by key -> by the names of their pieces."""
        pieces, found = self._pieces(model), {}
        for key, array in arrays.items():
            names = pieces.get(key, [key])
            if array is not None and array.shape[:1] and array.shape[0] % len(names):
                raise PairError(f"SPLIT: {key} has {array.shape[0]} rows, which are not {len(names)} equal pieces")
            parts = (
                [None] * len(names) if array is None else [array] if len(names) == 1 else np.split(array, len(names))
            )
            found |= dict(zip(names, parts, strict=True))
        return found

    def state(self, model):
        return self._split(model, {key: self.array(tensor) for key, tensor in self._arrays(model).items()})

    def learned(self, model, state):
        keys = {name for key, _ in model.named_parameters() for name in self._names(model, key)}
        return {key: state[key] for key in state if key in keys or key.rpartition(".")[2].startswith("running_")}

    def load(self, model, state):
        saved, pieces = model.state_dict().keys(), self._pieces(model)
        with torch.no_grad():
            for key, tensor in self._arrays(model).items():
                names = pieces.get(key, [key])
                if key in saved and all(name in state for name in names):
                    parts = [np.asarray(state[name]) for name in names]
                    array = parts[0] if len(parts) == 1 else np.concatenate(parts)
                    tensor.copy_(torch.from_numpy(np.array(array)).reshape(tensor.shape))

    def again(self, model, state, build):
        return build()

    def buffers(self, model):
        kept = self._arrays(model)
        return {key: self.array(buffer) for key, buffer in model.named_buffers() if key in kept}

    def set_buffers(self, model, state):
        with torch.no_grad():
            for key, buffer in model.named_buffers():
                if key in state:
                    buffer.copy_(torch.from_numpy(np.array(state[key])))

    def parameter_gradients(self, model):
        own = self._arrays(model)
        return self._split(model, {key: self.array(p.grad) for key, p in model.named_parameters() if key in own})

    def tensor(self, array, grad=False, like=None):
        kind = array.dtype.kind
        tensor = torch.from_numpy(np.array(self._jittered(array) if kind == "f" else array, order="C"))
        if like is not None:
            tensor = tensor.to(like.dtype)
        elif kind in "fc":
            tensor = tensor.to(getattr(torch, self.dtype) if kind == "f" else _WIDE[self.dtype])
        return tensor.requires_grad_(grad and (tensor.is_floating_point() or tensor.is_complex()))

    def array(self, tensor):
        """Return a copy of a tensor's values, or of a number as an array; None for None."""
        if tensor is None or isinstance(tensor, NUMBERS):
            return None if tensor is None else np.array(tensor)
        tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
        if tensor.dtype in (torch.bfloat16, torch.float16):
            tensor = tensor.float()
        return (tensor.to_dense() if tensor.layout != torch.strided else tensor).numpy().copy()

    def branch(self, tensor):
        return tensor.clone()

    def free(self, tensor):
        """Return a copy that the model may overwrite, on the same graph."""
        return tensor.clone() if self.is_tensor(tensor) else tensor

    def joint(self, tensor):
        """Return the tensor as it is now, on the same graph, for a gradient that is to be passed to it later."""
        return tensor.clone()

    def changes(self, tensor):
        """Return how often the tensor was overwritten."""
        return tensor._version

    def overwrite(self, tensor, other):
        """Write the values of `other` into the tensor, as the layer would have, with their gradient."""
        tensor.copy_(other)

    def cross_zero(self, tensor, distance):
        return super().cross_zero(tensor, distance) if tensor.is_floating_point() else tensor
