"""Three ways to run a model of either framework, two of which watch every call of every leaf layer.

propagated: the model runs freely, so errors propagate.
isolated: each leaf layer is cut out of the graph. It receives the reference's inputs and output gradients and passes
the reference's output on. So the code between layers, too, is checked on the reference's values: its result is the
input of the next layer (backward, the output gradient of the previous one).
whole: nothing is watched in between, so that layers which the port can fuse do run fused
(paddle_ugatit/layers/sequential.py).

A sink is called as `sink(key, array or None)`; None means that the side has no such tensor. It may have a method
`wants(key)`, so that tensors it ignores are not copied. Output gradients (`cotangents`) are, per call of the model,
slot -> array or None.

Where a layer overwrites its input, it is given a copy, whose new values are then written to the original tensor: so the
model computes what it would unwatched, and what was recorded stays as it was.
"""

from collections import Counter
from contextlib import contextmanager
from typing import NamedTuple

from align.compare.structures import parts_of


class Key(NamedTuple):
    """One tensor of a run: `what` of the `call`-th call (from 0) of the layer at `layer` ("" is the model)."""

    what: str  # input, output, grad_output, grad_input, grad_param, state
    layer: str
    call: int
    slot: str  # number among inputs, place in the output, or the parameter's name


@contextmanager
def tapped(side, model, tap):
    """Within the block, each leaf's forward runs as `tap(path, number of the call, Call)`."""
    calls, leaves = Counter(), side.leaves(model)

    def wrap(path, leaf, forward):
        def tapped_forward(*arguments, **options):
            calls[path] += 1
            try:
                return tap(path, calls[path] - 1, side.call_of(leaf, forward, arguments, options))
            except Exception as error:
                error.layer_path = getattr(error, "layer_path", path)  # the innermost, for raised.described
                raise

        return tapped_forward

    own = {path: vars(leaf).get("forward") for path, leaf in leaves.items()}  # some are replaced on the instance
    for path, leaf in leaves.items():
        leaf.forward = wrap(path, leaf, leaf.forward)
    try:
        with side.layer_by_layer():
            yield
    finally:
        for path, leaf in leaves.items():
            if own[path] is None:
                del leaf.forward  # back to the class's own
            else:
                leaf.forward = own[path]


class _Run:
    """What the three ways share: the inputs of each call, and the model's outputs by slot."""

    def __init__(self, side, model, sink):
        self.side, self.model, self.sink = side, model, sink
        self.roots = []  # the inputs of each call

    def call(self, arrays, grad):
        """Run the model once, on tensors that it may overwrite; returns the Parts of its result."""
        self.roots.append([self.side.tensor(array, grad=grad) for array in arrays])
        result = self.side.call_model(self.model, [self.side.free(root) for root in self.roots[-1]])
        return parts_of(result, self.side.is_tensor, numbers=True)

    def finish(self, with_inputs=True):
        """Pass on the gradients of inputs and parameters."""
        if with_inputs:
            for call, arguments in enumerate(self.roots):
                for i, argument in enumerate(arguments):
                    self.sink(Key("grad_input", "", call, str(i)), self.side.gradient(argument))
        for name, array in self.side.parameter_gradients(self.model).items():
            layer, _, leaf = name.rpartition(".")
            self.sink(Key("grad_param", layer, 0, leaf), array)
        self.side.clear_gradients(self.model)


class Propagated(_Run):
    """One free run of `model` over `inputs` (per call of the model, a list of arrays).

    With `cotangents` it runs backward too. With `inputs_too` the sink also receives every leaf's inputs and their
    gradients. `kinks` maps (path, call) to a distance: inputs of that layer that are closer to zero change sign, so
    that their gradient takes the other branch, as it may after rounding.
    """

    def __init__(self, side, model, sink, inputs_too=False, kinks=None):
        super().__init__(side, model, sink)
        self.inputs_too, self.kinks = inputs_too, kinks or {}
        self.pending = set()  # gradients requested but not received yet

    def run(self, inputs, cotangents=None):
        """Run all calls, and backward if there are `cotangents`."""
        side, single = self.side, "" in self.side.leaves(self.model)
        ends, gradients = [], []
        self.backward = cotangents is not None
        with side.in_use():
            with tapped(side, self.model, self._tap):
                for call, arrays in enumerate(inputs):
                    outputs = self.call(arrays, self.backward)
                    if self.backward:
                        ends += outputs.tensors
                        gradients += [cotangents[call].get(slot) for slot in outputs.slots]
                    if not single:
                        emit(side, self.sink, Key("output", "", call, ""), outputs)
            if self.backward:
                side.backward(ends, gradients)
                for key in sorted(self.pending):
                    self.sink(key, None)
                self.finish(not (single and self.inputs_too))  # otherwise the only leaf has reported its inputs
            _state(side, self.model, self.sink)

    def _tap(self, path, number, call):
        side, arguments = self.side, call.tensors
        if self.inputs_too:
            arguments = [side.branch(argument) for argument in arguments]
            emit_inputs(side, self.sink, path, number, arguments)
            self._watch(Key("grad_input", path, number, ""), map(str, range(len(arguments))), arguments)
        if (path, number) in self.kinks:
            arguments = [side.cross_zero(a, self.kinks[path, number]) for a in arguments]
        before = [side.changes(argument) for argument in arguments]
        result = call.run(arguments)
        parts = call.parts(result)
        emit(side, self.sink, Key("output", path, number, ""), parts)
        # Only what is outside may use the tensors that are watched: a cell's new state, for one, is used inside too.
        watched = [side.joint(tensor) for tensor in parts.tensors] if self.backward else parts.tensors
        self._watch(Key("grad_output", path, number, ""), parts.slots, watched)
        handed = [side.free(tensor) for tensor in watched] if self.backward else watched
        for given, argument, changes in zip(call.tensors, arguments, before, strict=True):
            if argument is not given and side.changes(argument) != changes:
                places = [i for i, made in enumerate(parts.tensors) if made is argument]
                side.overwrite(given, watched[places[0]] if places else argument)
                handed = [given if made is argument else h for h, made in zip(handed, parts.tensors, strict=True)]
        return parts.rebuild(handed)

    def _watch(self, key, slots, tensors):
        if not self.backward:
            return
        for slot, tensor in zip(slots, tensors, strict=True):
            mine = key._replace(slot=slot)
            self.pending.add(mine)
            self.side.watch_gradient(tensor, lambda array, mine=mine: self._receive(mine, array))

    def _receive(self, key, array):
        self.pending.discard(key)
        self.sink(key, array)


class Whole(_Run):
    """One free run of `model`; the sink receives its outputs and the gradients of inputs and parameters."""

    def run(self, inputs, cotangents):
        """Run all calls forward and backward."""
        side, ends, gradients = self.side, [], []
        with side.in_use():
            for call, arrays in enumerate(inputs):
                outputs = self.call(arrays, True)
                emit(side, self.sink, Key("output", "", call, ""), outputs)
                ends += outputs.tensors
                gradients += [cotangents[call].get(slot) for slot in outputs.slots]
            side.backward(ends, gradients)
            self.finish()


class Isolated(_Run):
    """One run of `model` with every leaf cut out and fed from `reference`, which maps Key to array."""

    def __init__(self, side, model, sink, reference):
        super().__init__(side, model, sink)
        self.reference = reference

    def run(self, inputs, cotangents=None):
        """Run all calls, and backward if there are `cotangents`."""
        side, single = self.side, "" in self.side.leaves(self.model)
        self.backward = cotangents is not None
        # Where the code between layers ends: tensors, and the reference's gradients there.
        self.joints, self.joint_gradients = [], []
        self.handed_on = []  # (key of its gradient, tensor) for each replaced output of a leaf
        with side.in_use():
            with tapped(side, self.model, self._tap):
                for call, arrays in enumerate(inputs):
                    outputs = self.call(arrays, self.backward)
                    if single:
                        continue
                    emit(side, self.sink, Key("output", "", call, ""), outputs)
                    if self.backward:
                        self.joints += outputs.tensors
                        self.joint_gradients += [cotangents[call].get(slot) for slot in outputs.slots]
            if not self.backward:
                return
            if not single:
                side.backward(self.joints, self.joint_gradients)
                for key, tensor in self.handed_on:
                    self.sink(key, side.gradient(tensor))
            self.finish(not single)

    def _tap(self, path, number, call):
        side, reference, arguments = self.side, self.reference, call.tensors
        inputs = [Key("input", path, number, str(i)) for i in range(len(arguments))]
        emit_inputs(side, self.sink, path, number, arguments)
        if any(key not in reference for key in inputs):
            return call.run(arguments)  # a call that the reference never made, which the judge has failed
        pairs = zip(inputs, arguments, strict=True)
        if self.backward and any(reference[key].shape != tuple(argument.shape) for key, argument in pairs):
            return call.run(arguments)  # no gradient fits inputs of another shape, which the forward check reports
        fed = [
            side.tensor(reference[key], grad=self.backward and side.takes_gradient(argument), like=argument)
            for key, argument in zip(inputs, arguments, strict=True)
        ]
        given = [side.free(tensor) for tensor in fed]
        before = [side.changes(tensor) for tensor in given]
        parts = call.parts(call.run(given))
        emit(side, self.sink, Key("output", path, number, ""), parts)
        keys = [Key("output", path, number, slot) for slot in parts.slots]
        if any(key not in reference for key in keys):
            return parts.rebuild(parts.tensors)  # more than the reference's, which has failed
        if self.backward:
            self._backward_of_leaf(inputs, arguments, fed, keys, parts.tensors)
        handed = self._replaced(keys, parts.tensors)
        for argument, tensor, changes in zip(arguments, given, before, strict=True):
            if side.changes(tensor) != changes:  # the layer overwrites its input, which the code outside sees
                places = [i for i, made in enumerate(parts.tensors) if made is tensor]
                side.overwrite(argument, handed[places[0]] if places else side.tensor(side.array(tensor), like=tensor))
                handed = [argument if i in places else h for i, h in enumerate(handed)]
        return parts.rebuild(handed)

    def _backward_of_leaf(self, inputs, arguments, fed, keys, outputs):
        side, reference = self.side, self.reference
        gradients = [reference.tensors.get(key._replace(what="grad_output")) for key in keys]
        side.backward(outputs, gradients, keep=True)  # the code outside may share a normalised weight's graph
        for key, tensor in zip(inputs, fed, strict=True):
            self.sink(key._replace(what="grad_input"), side.gradient(tensor))
        self.joints += [side.joint(argument) for argument in arguments]
        self.joint_gradients += [reference.tensors.get(key._replace(what="grad_input")) for key in inputs]

    def _replaced(self, keys, outputs):
        """The reference's values of a leaf's outputs, as tensors that the code outside may overwrite."""
        side, handed = self.side, []
        for key, output in zip(keys, outputs, strict=True):
            grad = self.backward and side.takes_gradient(output)
            tensor = side.tensor(self.reference[key], grad=grad, like=output)
            self.handed_on.append((key._replace(what="grad_output"), tensor))
            handed.append(side.free(tensor))
        return handed


def emit(side, sink, key, parts):
    """Pass the sink each tensor of a result that it wants, under the key of its slot."""
    for slot, tensor in zip(parts.slots, parts.tensors, strict=True):
        _pass(side, sink, key._replace(slot=slot), tensor)


def emit_inputs(side, sink, path, number, tensors):
    """Pass the sink each input of a call that it wants."""
    for i, tensor in enumerate(tensors):
        _pass(side, sink, Key("input", path, number, str(i)), tensor)


def _pass(side, sink, key, tensor):
    wants = getattr(sink, "wants", None)
    if wants is None or wants(key):
        sink(key, side.array(tensor))


def _state(side, model, sink):
    for name, array in side.buffers(model).items():
        layer, _, leaf = name.rpartition(".")
        sink(Key("state", layer, 0, leaf), array)


def as_list(outputs):
    """Return one output or a tuple of them as a list."""
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs]
