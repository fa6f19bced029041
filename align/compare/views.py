"""Three ways to run a model of either framework, two of which watch every call of every leaf layer.

propagated: the model runs freely, so errors propagate.
isolated: each leaf layer is cut out of the graph. It receives the reference's inputs and output gradients and passes
the reference's output on. So the code between layers, too, is checked on the reference's values: its result is the
input of the next layer (backward, the output gradient of the previous one).
whole: nothing is watched in between, so that layers which the port can fuse do run fused
(paddle_ugatit/layers/sequential.py).

A sink is called as `sink(key, array or None)`; None means that the side has no such tensor. It may have a method
`wants(key)`, so that tensors it ignores are not copied.
"""

from collections import Counter
from contextlib import contextmanager
from typing import NamedTuple


class Key(NamedTuple):
    """One tensor of a run: `what` of the `call`-th call (from 0) of the layer at `layer` ("" is the model)."""

    what: str  # input, output, grad_output, grad_input, grad_param, state
    layer: str
    call: int
    slot: str  # position among inputs or outputs, or the parameter's name


@contextmanager
def tapped(side, model, tap):
    """Within the block, each leaf's forward runs as `tap(path, call, forward, arguments)`."""
    calls, leaves = Counter(), side.leaves(model)

    def wrap(path, forward):
        def tapped_forward(*arguments, **options):
            calls[path] += 1
            tensors = [argument for argument in arguments if side.is_tensor(argument)]
            plain = len(tensors) == len(arguments) and not options
            function = forward if plain else _with_the_rest(side, forward, arguments, options)
            try:
                return tap(path, calls[path] - 1, function, arguments if plain else tensors)
            except Exception as error:
                error.layer_path = getattr(error, "layer_path", path)  # the innermost, for raised.described
                raise

        return tapped_forward

    for path, leaf in leaves.items():
        leaf.forward = wrap(path, leaf.forward)
    try:
        with side.layer_by_layer():
            yield
    finally:
        for leaf in leaves.values():
            del leaf.forward  # back to the class's own


def _with_the_rest(side, forward, arguments, options):
    """`forward` as a function of the positional tensors only; None, numbers and keywords stay as given."""

    def of_tensors(*tensors):
        left = iter(tensors)
        return forward(*(next(left) if side.is_tensor(argument) else argument for argument in arguments), **options)

    return of_tensors


class Propagated:
    """One free run of `model` over `inputs` (per call of the model, a list of arrays).

    With `cotangents` (the output gradients, in the same form) it runs backward too. With `inputs_too` the sink also
    receives every leaf's inputs and their gradients. `kinks` maps (path, call) to a distance: inputs of that layer that
    are closer to zero change sign, so that their gradient takes the other branch, as it may after rounding.
    """

    def __init__(self, side, model, sink, inputs_too=False, kinks=None):
        self.side, self.model, self.sink = side, model, sink
        self.inputs_too, self.kinks = inputs_too, kinks or {}
        self.pending = set()  # gradients requested but not received yet

    def run(self, inputs, cotangents=None):
        """Run all calls, and backward if there are `cotangents`."""
        side, single = self.side, "" in self.side.leaves(self.model)
        roots, ends = [], []
        self.backward = cotangents is not None
        with tapped(side, self.model, self._tap):
            for call, arrays in enumerate(inputs):
                roots.append([side.tensor(array, grad=self.backward) for array in arrays])
                outputs = as_list(self.model(*roots[-1]))
                ends += outputs
                if not single:
                    emit(side, self.sink, Key("output", "", call, ""), outputs)
        if self.backward:
            side.backward(ends, [array for arrays in cotangents for array in arrays])
            for key in sorted(self.pending):
                self.sink(key, None)
            if not (single and self.inputs_too):  # otherwise the only leaf has reported it
                _root_gradients(side, roots, self.sink)
            _parameter_gradients(side, self.model, self.sink)
        _state(side, self.model, self.sink)

    def _tap(self, path, call, forward, arguments):
        if self.inputs_too:
            arguments = [self.side.branch(argument) for argument in arguments]
            emit(self.side, self.sink, Key("input", path, call, ""), arguments)
            self._watch(Key("grad_input", path, call, ""), arguments)
        if (path, call) in self.kinks:
            arguments = [self.side.cross_zero(a, self.kinks[path, call]) for a in arguments]
        outputs = forward(*arguments)
        emit(self.side, self.sink, Key("output", path, call, ""), as_list(outputs))
        self._watch(Key("grad_output", path, call, ""), as_list(outputs))
        return outputs

    def _watch(self, key, tensors):
        if not self.backward:
            return
        for i, tensor in enumerate(tensors):
            mine = key._replace(slot=str(i))
            self.pending.add(mine)
            self.side.watch_gradient(tensor, lambda array, mine=mine: self._receive(mine, array))

    def _receive(self, key, array):
        self.pending.discard(key)
        self.sink(key, array)


class Whole:
    """One free run of `model`; the sink receives its outputs and the gradients of inputs and parameters."""

    def __init__(self, side, model, sink):
        self.side, self.model, self.sink = side, model, sink

    def run(self, inputs, cotangents):
        """Run all calls forward and backward."""
        side, roots, ends = self.side, [], []
        for call, arrays in enumerate(inputs):
            roots.append([side.tensor(array, grad=True) for array in arrays])
            outputs = as_list(self.model(*roots[-1]))
            emit(side, self.sink, Key("output", "", call, ""), outputs)
            ends += outputs
        side.backward(ends, [array for arrays in cotangents for array in arrays])
        _root_gradients(side, roots, self.sink)
        _parameter_gradients(side, self.model, self.sink)


class Isolated:
    """One run of `model` with every leaf cut out and fed from `reference`, which maps Key to array."""

    def __init__(self, side, model, sink, reference):
        self.side, self.model, self.sink, self.reference = side, model, sink, reference

    def run(self, inputs, cotangents=None):
        """Run all calls, and backward if there are `cotangents`."""
        side, single = self.side, "" in self.side.leaves(self.model)
        self.backward = cotangents is not None
        # Where the code between layers ends: tensors, and the reference's gradients there.
        self.joints, self.joint_gradients = [], []
        self.handed_on = []  # (key of its gradient, tensor) for each replaced output of a leaf
        roots = []
        with tapped(side, self.model, self._tap):
            for call, arrays in enumerate(inputs):
                roots.append([side.tensor(array, grad=self.backward) for array in arrays])
                outputs = as_list(self.model(*roots[-1]))
                if single:
                    continue
                emit(side, self.sink, Key("output", "", call, ""), outputs)
                if self.backward:
                    self.joints += outputs
                    self.joint_gradients += cotangents[call]
        if not self.backward:
            return
        if not single:
            side.backward(self.joints, self.joint_gradients)
            for key, tensor in self.handed_on:
                self.sink(key, side.gradient(tensor))
            _root_gradients(side, roots, self.sink)
        _parameter_gradients(side, self.model, self.sink)

    def _tap(self, path, call, forward, arguments):
        side, reference = self.side, self.reference
        inputs = [Key("input", path, call, str(i)) for i in range(len(arguments))]
        output = Key("output", path, call, "")
        emit(side, self.sink, output._replace(what="input"), arguments)
        if any(key not in reference for key in inputs):
            return forward(*arguments)  # a call that the reference never made, which the judge has failed
        pairs = zip(inputs, arguments, strict=True)
        if self.backward and any(reference[key].shape != tuple(argument.shape) for key, argument in pairs):
            return forward(*arguments)  # no gradient fits inputs of another shape, which the forward check reports
        fed = [side.tensor(reference[key], grad=self.backward) for key in inputs]
        outputs = as_list(forward(*fed))
        emit(side, self.sink, output, outputs)
        keys = [output._replace(slot=str(i)) for i in range(len(outputs))]
        if any(key not in reference for key in keys):
            return outputs[0] if len(outputs) == 1 else tuple(outputs)  # more than the reference's, which has failed
        if self.backward:
            gradients = [reference[key._replace(what="grad_output")] for key in keys]
            side.backward(outputs, gradients, keep=True)  # the code outside may share a normalised weight's graph
            for key, tensor in zip(inputs, fed, strict=True):
                self.sink(key._replace(what="grad_input"), side.gradient(tensor))
            self.joints += arguments
            self.joint_gradients += [reference[key._replace(what="grad_input")] for key in inputs]
        replaced = [side.tensor(reference[key], grad=self.backward) for key in keys]
        self.handed_on += [(k._replace(what="grad_output"), t) for k, t in zip(keys, replaced, strict=True)]
        return replaced[0] if len(replaced) == 1 else tuple(replaced)


def as_list(outputs):
    """Return one output or a tuple of them as a list."""
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs]


def emit(side, sink, key, tensors):
    """Pass the sink each tensor that it wants, under the key of its position."""
    wants = getattr(sink, "wants", None)
    for i, tensor in enumerate(tensors):
        mine = key._replace(slot=str(i))
        if wants is None or wants(mine):
            sink(mine, side.array(tensor))


def _root_gradients(side, roots, sink):
    for call, arguments in enumerate(roots):
        for i, argument in enumerate(arguments):
            sink(Key("grad_input", "", call, str(i)), side.gradient(argument))


def _parameter_gradients(side, model, sink):
    for name, array in side.parameter_gradients(model).items():
        layer, _, leaf = name.rpartition(".")
        sink(Key("grad_param", layer, 0, leaf), array)
    side.clear_gradients(model)


def _state(side, model, sink):
    for name, array in side.buffers(model).items():
        layer, _, leaf = name.rpartition(".")
        sink(Key("state", layer, 0, leaf), array)
