"""Both trainers in lockstep: the same weights and images, and a comparison of the whole state after each step."""

import sys
from dataclasses import asdict, fields

import numpy as np

from align.cases import randomise, representable
from align.compare.raised import NotComparable, on_side
from align.compare.verdict import Row
from paddle_ugatit import weights
from paddle_ugatit.weights import WeightError

LIMIT = 1e-9  # relative to each tensor's largest value
SHARE = 1e-4  # of a layer's largest moment; times LIMIT it is 1e-13, the rounding error of a long sum


def torch_state(trainer, losses):
    """Return (network, what, name) -> array for everything that a step of torch_ref's trainer leaves behind."""
    state = {("losses", "loss", name): loss.numpy() for name, loss in losses.items()}
    for kind, optimizer in trainer.optimizers.items():
        state[kind, "learning rate", "lr"] = np.float64(optimizer.param_groups[0]["lr"])
    moments = {parameter: saved for adam in trainer.optimizers.values() for parameter, saved in adam.state.items()}
    for name, net in trainer.networks.items():
        for key, parameter in net.named_parameters():
            state[name, "parameter", key] = parameter.detach().numpy().copy()
            saved = moments.get(parameter) or {}  # empty if it never had a gradient
            for order, key_ in (("moment1", "exp_avg"), ("moment2", "exp_avg_sq")):
                state[name, order, key] = saved[key_].numpy().copy() if saved else np.zeros(parameter.shape)
        for key, buffer in net.named_buffers():
            state[name, "state", key] = buffer.numpy().copy()
    return state


def paddle_state(trainer, losses):
    """Return the same for paddle_ugatit's trainer, in PyTorch's layout."""
    state = {("losses", "loss", name): loss.numpy() for name, loss in losses.items()}
    for kind, optimizer in trainer.optimizers.items():
        state[kind, "learning rate", "lr"] = np.float64(optimizer.get_lr())
    saved = {key: value for adam in trainer.optimizers.values() for key, value in adam.state_dict().items()}
    moments = {key: value.numpy() for key, value in saved.items() if "_moment" in key}
    for name, net in trainer.networks.items():
        rules = weights.layout(net)
        for key, parameter in net.named_parameters():
            turn = np.transpose if rules[key].transpose else np.asarray
            state[name, "parameter", key] = turn(parameter.numpy())
            for order in ("moment1", "moment2"):
                moment = moments.get(f"{parameter.name}_{order}_0")
                state[name, order, key] = turn(np.zeros(parameter.shape) if moment is None else moment)
        for key, buffer in net.named_buffers():
            state[name, "state", key] = buffer.numpy()
    return state


def twin_config(trainer, config):
    """Return the configuration for PyTorch's `trainer`: the twin's own, with what differs from our defaults changed.

    A twin without a Config of its own is given ours.
    """
    kind = getattr(sys.modules[trainer.__module__], "Config", None)
    if kind is None or isinstance(config, kind):
        return config
    known, ours = {field.name for field in fields(kind)}, type(config)()
    changed = {field.name: getattr(config, field.name) for field in fields(config)}
    return kind(**{name: x for name, x in changed.items() if name in known and x != getattr(ours, name)})


def started(config, seed, trainers, sides, moved=lambda name, state: None):
    """Build both trainers and give them the same weights, moved away from initial values that could hide a fault.

    `trainers` and `sides` are (PyTorch's, Paddle's); `moved(name, state)` changes the weights of a network further, in
    place. Returns (PyTorch's trainer, Paddle's). Raises NotComparable if one of them raises, or if their networks
    differ in structure.
    """
    with on_side("PyTorch"):
        theirs = sides[0].build(lambda _: trainers[0](twin_config(trainers[0], config)), seed)
    with on_side("Paddle"):
        ours = sides[1].build(lambda _: trainers[1](config), seed)
    for number, (name, net) in enumerate(theirs.networks.items()):
        state = {key: representable(array) for key, array in sides[0].state(net).items()}
        moved(name, randomise(state, [seed, number]))
        sides[0].load(net, state)
        try:
            sides[1].load(ours.networks[name], state)
        except WeightError as error:
            raise NotComparable(
                f"the structures of {name} differ, see check_forward: PyTorch's state {error}"
            ) from error
    return theirs, ours


def one_step(trainer, side, batch, random):
    """Make one step on a batch and the given random arrays, if any; returns the losses."""
    tensors = [side.tensor(array) for array in batch]
    if not random:
        return trainer.step(*tensors)
    return trainer.step(*tensors, random={name: side.tensor(array) for name, array in random.items()})


def compared(torch_numbers, paddle_numbers, step, limit=LIMIT, limits=None, afterwards=()):
    """Return a Row for every array of the state after a step, in the order in which the step computes them.

    Those of the losses that are named in `afterwards` are values of after the step, so they come last.
    """
    rows, layers = [], _largest_moments(torch_numbers)

    def order(place):
        late = place[0] == "losses" and place[2] in afterwards
        return late or place[0].startswith(("ema", "kid")), _order(place)

    for place in sorted(torch_numbers.keys() | paddle_numbers.keys(), key=order):
        network, what, name = place
        truth, found = torch_numbers.get(place), paddle_numbers.get(place)
        shape = [] if found is None else list(found.shape)
        error, note = None, ""
        if truth is None or found is None:
            note = f"{'PyTorch' if truth is None else 'Paddle'} has none"
        elif truth.shape != found.shape:
            note = f"shape {shape}, PyTorch's is {list(truth.shape)}"
        elif not np.isfinite(found).all():
            note = "NaN or infinite"
        else:
            scale = scale_of(what, np.abs(truth).max(), layers.get(_layer_of(place), 0.0))
            error = float(np.abs(truth - found).max() / scale)
        allowed = (limits or {}).get((network, what), limit)
        verdict = "pass" if error is not None and error <= allowed else "fail"
        layer, _, leaf = name.rpartition(".")
        where = f"{network}.{layer}" if layer else network
        rows.append(Row(where, "", step, what, leaf, "state", "float64", shape, error, None, allowed, verdict, note))
    return rows


def _layer_of(place):
    network, what, name = place
    return network, what, name.rpartition(".")[0]


def _largest_moments(numbers):
    """(network, moment, layer) -> the largest value of that moment in the layer."""
    largest = {}
    for place, array in numbers.items():
        if place[1] in ("moment1", "moment2"):
            layer = _layer_of(place)
            largest[layer] = max(largest.get(layer, 0.0), np.abs(array).max())
    return largest


def scale_of(what, own, layer):
    """The value that an error is relative to: the tensor's largest, or a share of the layer's for its moments.

    A gradient that is zero analytically (a bias before a norm, the bias of a key) is the rounding error of sums as
    large as the layer's other gradients, on both sides, to which weight decay adds. With an error of SHARE * layer in
    the gradient, moment2, its square, errs by twice the product of both.
    """
    if what == "moment1":
        own = max(own, SHARE * layer)
    elif what == "moment2":
        own = max(own, 2 * SHARE * np.sqrt(own * layer), SHARE**2 * layer)
    return own or 1.0


def _order(place):
    """Sort key in the order of a step: rates, the discriminators' half, then the generators' (gen, G, S)."""
    network, what, name = place
    generators = name.startswith("g_") if network == "losses" else network[0] in "gGS"
    kinds = ("loss", "moment1", "moment2", "parameter", "state")
    return what != "learning rate", generators, kinds.index(what) if what in kinds else 0, network, name


def first_difference(rows, step):
    """Return the first row that fails and a message about it, as a report blames it; None if none fails."""
    first = next((row for row in rows if row.verdict == "fail"), None)
    if first is None:
        return None
    size = first.note or f"error {first.error:.1e}, limit {first.limit:.1e}"
    return {**asdict(first), "message": f"step {step}: {first.what} {first.slot} of {first.layer} differs: {size}"}
