"""Paddle's side of a pair of models from a user's file. Twin: align/compare/pair_torch.py.

Layers and arrays are under PyTorch's names, arrays in its layout: the same unless stock_paddle.RULES or the file says
otherwise.
"""

from itertools import count

import numpy as np
import paddle
from paddle import nn
from paddle.nn.layer.rnn import RNNBase

from align.cases.pair import Pair, PairError
from align.compare import stock_paddle
from align.compare.paddle_side import PaddleSide
from align.compare.pair_names import Place, beside, covers, joined, renamed
from align.compare.structures import NUMBERS
from paddle_ugatit.backend.compat import default_dtype
from paddle_ugatit.weights import WeightError

_DRAWS = count(1)  # so that no two runs draw the same random numbers, and dropout does not seem to repeat itself
_FLOATS = (paddle.float32, paddle.float64)
_COMPLEX = {"float64": "complex128", "float32": "complex64"}


class PaddlePairSide(PaddleSide):
    """Paddle with layers and arrays under PyTorch's names."""

    def __init__(self, pair: Pair, dtype: str):
        super().__init__(dtype)
        self.pair, self.rules = pair, {**pair.rules, **stock_paddle.RULES} | pair.rules
        self.shapes = pair.facts.get("shapes", {})

    def build(self, build, seed):
        """Build a freshly initialised model, all of whose floating-point arrays have this side's dtype."""
        model = super().build(build, seed)
        if not isinstance(model, nn.Layer):
            raise PairError(
                f"{self.pair.file}: paddle_model() must return a paddle.nn.Layer, got {type(model).__name__}"
            )
        tensors = [*model.parameters(), *model.buffers()]
        if any(tensor.dtype in _FLOATS and tensor.dtype != getattr(paddle, self.dtype) for tensor in tensors):
            model._to_impl(dtype=self.dtype, floating_only=True)
        paddle.seed(next(_DRAWS))
        return model

    def in_use(self):
        """Return a context in which new tensors have this side's dtype."""
        return default_dtype(self.dtype)

    def call_model(self, model, tensors):
        for layer in model.sublayers(include_self=True):
            if isinstance(layer, RNNBase) and (layer.num_layers == 1 or not layer.dropout):
                layer.training = True  # the same values; in evaluation mode Paddle cannot run these backward
        arguments, options = self.pair.arguments(tensors)
        return model(*arguments, **options)

    def call_of(self, leaf, forward, arguments, options):
        stock = stock_paddle.call_of(leaf, forward, arguments, options, self.is_tensor)
        return stock or super().call_of(leaf, forward, arguments, options)

    def nodes(self, model):
        """Path in PyTorch -> (path in Paddle, layer), also for layers that stand under several names."""
        return {self._renamed(model, path): (path, layer) for path, layer in _walk(model, "", ())}

    def leaves(self, model):
        nodes = self.nodes(model)
        if self.pair.layers is not None:
            return {path: nodes[path][1] for path in self.pair.layers if path in nodes}
        return {path: layer for path, (_, layer) in nodes.items() if not list(layer.children())}

    def layer_types(self, model):
        return {path: type(layer).__name__ for path, (_, layer) in self.nodes(model).items()}

    def _renamed(self, model, path):
        names = dict(self.pair.names)
        for kind, children in stock_paddle.CHILDREN.items():
            for place, layer in _walk(model, "", ()):
                for ours, theirs in children.items() if isinstance(layer, kind) else ():
                    names.setdefault(joined(place, ours), joined(renamed(self.pair.names, place), theirs))
        return renamed(names, path)

    def places(self, model, every=False):
        """Return the Place of every parameter and buffer; arrays under several names by one that PyTorch has.

        Of several arrays that stand for one of PyTorch's only the first is returned, unless `every` is set.
        """
        tied = self.pair.facts.get("tied", {})
        known, groups = set(self.shapes), {}
        for path, owner in _walk(model, "", ()):
            mine = self._renamed(model, path)
            for leaf, tensor in [*owner._parameters.items(), *owner._buffers.items()]:
                key = joined(path, leaf)
                if tensor is None or covers(self.pair.ignore, key):
                    continue
                name, transposed = self._rule(owner, leaf)
                name = renamed(self.pair.names, key) if key in self.pair.names else joined(mine, name)
                pieces = beside(key, self.pair.join) or [name]
                pieces = tuple(tied.get(piece, piece) if piece not in known else piece for piece in pieces)
                if not covers(self.pair.ignore, pieces[0]):
                    groups.setdefault(id(tensor), []).append(Place(key, tensor, pieces, transposed))
        chosen = [place for group in groups.values() for place in _chosen(group, known)]
        return chosen if every else list({place.names: place for place in reversed(chosen)}.values())[::-1]

    def _rule(self, owner, leaf):
        for kind, leaves in self.rules.items():
            if isinstance(owner, kind) and leaf in leaves:
                return leaves[leaf]
        return leaf, False

    def load(self, model, state):
        self.load_matching(model, state)
        wanted = {name for place in self.places(model) for name in place.names}
        if strange := sorted(wanted ^ state.keys()):
            raise WeightError(f"only one side has {', '.join(strange[:3])}")
        for place in self.places(model):
            if place.to_paddle(state, self.pair.reshape) is None:
                raise WeightError(f"{place.names[0]!r} does not have Paddle's shape {list(place.tensor.shape)}")

    def load_matching(self, model, state, names=None):
        unsaved, back = set(self.pair.facts.get("unsaved", ())), names or {}
        for place in self.places(model, every=True):
            given = {name: state[back.get(name, name)] for name in place.names if back.get(name, name) in state}
            array = place.to_paddle(given, self.pair.reshape)
            if array is not None and not unsaved & set(place.names):
                place.tensor.set_value(
                    np.ascontiguousarray(np.asarray(array, place.tensor.numpy().dtype)).reshape(array.shape)
                )

    def state(self, model):
        return self._of_torch((place, place.tensor.numpy()) for place in self.places(model))

    def _of_torch(self, arrays):
        free = self.pair.reshape
        return {name: a for place, array in arrays for name, a in place.to_torch(array, self.shapes, free).items()}

    def buffers(self, model):
        return self._of_torch((place, place.tensor.numpy()) for place in self.state_places(model))

    def set_buffers(self, model, state):
        for place in self.state_places(model):
            array = place.to_paddle(state)
            if array is not None:
                place.tensor.set_value(np.asarray(array, place.tensor.numpy().dtype))

    def state_places(self, model):
        """Return the places of buffers, and of the statistics that Paddle's batch norm keeps as parameters."""
        parameters = {id(parameter) for parameter in model.parameters()}
        return [
            place
            for place in self.places(model)
            if id(place.tensor) not in parameters or place.names[0].rpartition(".")[2].startswith("running_")
        ]

    def again(self, model, state, build):
        return build()

    def parameter_gradients(self, model):
        state = {place.names for place in self.state_places(model)}
        places = [place for place in self.places(model) if place.names not in state]
        return self._of_torch((place, self.array(place.tensor.grad)) for place in places)

    def tensor(self, array, grad=False, like=None):
        kind = array.dtype.kind
        if like is not None:
            tensor = paddle.to_tensor(np.array(array)).astype(like.dtype)
        else:
            wanted = {"f": self.dtype, "c": _COMPLEX[self.dtype]}.get(kind)
            tensor = paddle.to_tensor(np.array(array, wanted))
        tensor.stop_gradient = not (grad and kind in "fc")
        return tensor

    def array(self, tensor):
        """Return a copy of a tensor's values, or of a number as an array; None for None."""
        if tensor is None or isinstance(tensor, NUMBERS):
            return None if tensor is None else np.array(tensor)
        if tensor.dtype in (paddle.bfloat16, paddle.float16):
            tensor = tensor.astype("float32")
        return np.array(tensor.numpy())

    def free(self, tensor):
        """Return a copy that the model may overwrite, on the same graph."""
        return tensor.clone() if self.is_tensor(tensor) else tensor

    def joint(self, tensor):
        """Return the tensor as it is now, on the same graph, for a gradient that is to be passed to it later."""
        return tensor.clone()

    def changes(self, tensor):
        """Return how often the tensor was overwritten."""
        return tensor.inplace_version

    def overwrite(self, tensor, other):
        """Write the values of `other` into the tensor, as the layer would have, with their gradient."""
        paddle.assign(other, output=tensor)

    def _product(self, tensor, gradient):
        if paddle.is_complex(tensor):
            return (tensor * gradient.conj()).real().sum().astype(self.dtype)
        return (tensor * gradient).sum().astype(self.dtype)


def _walk(layer, path, above):
    """Yield (path, layer) for every layer, also for one that stands under several names."""
    yield path, layer
    for name, child in layer._sub_layers.items():
        if child is not None and all(child is not other for other in above):
            yield from _walk(child, joined(path, name), (*above, layer))


def _chosen(places, known):
    """The places of one array: those under names that PyTorch has, or the first."""
    with_partner = [place for place in places if all(name in known for name in place.names)]
    return with_partner or places[:1]
