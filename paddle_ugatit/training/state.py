"""The whole state of a system as arrays under lasting names, and back.

Paddle names optimiser moments after a counter of the process ("conv2d_17.w_0_moment1_0"), which another process need
not reproduce. Here they are named after network and key, like the weights.
"""

import paddle

from paddle_ugatit import weights
from paddle_ugatit.formats import Checkpoint, CheckpointError, cast

ACCUMULATORS = ("moment1", "moment2", "beta1_pow_acc", "beta2_pow_acc")  # of Paddle's Adam


def weights_checkpoint(networks, model, where):
    """The networks as a file that every tool of the project takes: a copy of every parameter and buffer."""
    arrays = {name: {key: value.numpy() for key, value in net.state_dict().items()} for name, net in networks.items()}
    return weights.convert(Checkpoint(arrays, "paddle", {}), "paddle", where, model)[0]


def fill(network, arrays, where):
    """Give a network its arrays, in Paddle's layout. CheckpointError unless keys and shapes are its own."""
    own = network.state_dict()
    _require_names(own, arrays, where)
    for key, tensor in own.items():
        if list(arrays[key].shape) != list(tensor.shape):
            shapes = f"{tuple(arrays[key].shape)}, the configuration's network has {tuple(tensor.shape)}"
            raise CheckpointError(f"{where}.{key} has the shape {shapes}")
        tensor.set_value(cast(arrays[key], str(tensor.dtype).rpartition(".")[2]))


def fill_all(networks, arrays, where):
    """`fill` every network: name -> key -> array; CheckpointError unless they are the same networks."""
    _require_names(networks, arrays, where)
    for name, network in networks.items():
        fill(network, arrays[name], f"{where}: {name}")


def optimizer_arrays(optimizer, parameters):
    """Name of a parameter and accumulator -> array; `parameters` are (lasting name, parameter). {} before any step."""
    found = {key: tensor for key, tensor in optimizer.state_dict().items() if hasattr(tensor, "numpy")}
    names = {
        f"{parameter.name}_{accumulator}_0": f"{name}.{accumulator}"
        for name, parameter in parameters
        for accumulator in ACCUMULATORS
    }
    if strange := sorted(set(found) - set(names)):
        raise AssertionError(f"the optimiser has state that would be lost: {', '.join(strange[:3])}")
    return {names[key]: tensor.numpy() for key, tensor in found.items()}


def fill_optimizer(optimizer, parameters, arrays, where):
    """The way back, into an optimiser that has made no step yet. CheckpointError unless every array is there."""
    state = {}
    for name, parameter in parameters:
        for accumulator in ACCUMULATORS:
            key = f"{name}.{accumulator}"
            if key not in arrays:
                raise CheckpointError(f"{where}: lacks {key}")
            if accumulator.startswith("moment") and list(arrays[key].shape) != list(parameter.shape):
                raise CheckpointError(f"{where}: {key} has the shape {arrays[key].shape}, not {parameter.shape}")
            state[f"{parameter.name}_{accumulator}_0"] = paddle.to_tensor(arrays[key])
    optimizer.set_state_dict(state)


def _require_names(wanted, found, where):
    if missing := [name for name in wanted if name not in found]:
        raise CheckpointError(f"{where}: lacks {', '.join(missing[:3])}: built with other options?")
    if extra := [name for name in found if name not in wanted]:
        raise CheckpointError(f"{where}: has {', '.join(extra[:3])}, which the run does not: built with other options?")
