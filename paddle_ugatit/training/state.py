"""The whole state of a system as arrays with permanent names, and back.

Paddle names optimiser moments after a counter of the process ("conv2d_17.w_0_moment1_0"), which may differ in another
process. Here they are named after network and key, like the weights.
"""

from collections.abc import Collection, Sequence

import numpy as np
import paddle
from paddle import nn

from paddle_ugatit import weights
from paddle_ugatit.formats import Checkpoint, CheckpointError, cast
from paddle_ugatit.formats.checkpoint import FilePath

Arrays = dict[str, np.ndarray]
Named = Sequence[tuple[str, paddle.Tensor]]  # (name, parameter)

ACCUMULATORS = ("moment1", "moment2", "beta1_pow_acc", "beta2_pow_acc")  # of Paddle's Adam


def weights_checkpoint(networks: dict[str, nn.Layer], model: str, where: str) -> Checkpoint:
    """Return a checkpoint that every tool of the project reads, with a copy of every parameter and buffer."""
    arrays = {name: {key: value.numpy() for key, value in net.state_dict().items()} for name, net in networks.items()}
    return weights.convert(Checkpoint(arrays, "paddle", {}), "paddle", where, model)[0]


def fill(network: nn.Layer, arrays: Arrays, where: FilePath) -> None:
    """Set every parameter and buffer of a network from arrays in Paddle's layout.

    Raises CheckpointError if keys or shapes differ from those of the network.
    """
    own = network.state_dict()
    _require_names(own, arrays, where)
    for key, tensor in own.items():
        if list(arrays[key].shape) != list(tensor.shape):
            shapes = f"{tuple(arrays[key].shape)}, the configuration's network has {tuple(tensor.shape)}"
            raise CheckpointError(f"{where}.{key} has the shape {shapes}")
        tensor.set_value(cast(arrays[key], str(tensor.dtype).rpartition(".")[2]))


def fill_all(networks: dict[str, nn.Layer], arrays: dict[str, Arrays], where: FilePath) -> None:
    """Set every network from arrays, name -> key -> array. Raises CheckpointError if they are not the same networks."""
    _require_names(networks, arrays, where)
    for name, network in networks.items():
        fill(network, arrays[name], f"{where}: {name}")


def optimizer_arrays(optimizer: paddle.optimizer.Optimizer, parameters: Named) -> Arrays:
    """Return the accumulators of an optimiser, "name.accumulator" -> array; empty before the first step.

    `parameters` holds (permanent name, parameter).
    """
    found = optimizer.state_dict()
    names = {
        f"{parameter.name}_{accumulator}_0": f"{name}.{accumulator}"
        for name, parameter in parameters
        for accumulator in ACCUMULATORS
    }
    if strange := sorted(set(found) - set(names)):
        raise AssertionError(f"the optimiser has state that would be lost: {', '.join(strange[:3])}")
    return {names[key]: tensor.numpy() for key, tensor in found.items()}


def fill_optimizer(optimizer: paddle.optimizer.Optimizer, parameters: Named, arrays: Arrays, where: FilePath) -> None:
    """Set the accumulators of an optimiser that has made no step yet; the inverse of `optimizer_arrays`.

    Raises CheckpointError if an array is missing or has another shape.
    """
    state = {}
    for name, parameter in parameters:
        for accumulator in ACCUMULATORS:
            key = f"{name}.{accumulator}"
            if key not in arrays:
                raise CheckpointError(f"{where}: lacks {key}")
            if accumulator.startswith("moment") and list(arrays[key].shape) != list(parameter.shape):
                raise CheckpointError(f"{where}: {key} has the shape {arrays[key].shape}, not {parameter.shape}")
            state[f"{parameter.name}_{accumulator}_0"] = arrays[key]
    optimizer.set_state_dict(state)


def _require_names(wanted: Collection[str], found: Collection[str], where: FilePath) -> None:
    if missing := [name for name in wanted if name not in found]:
        raise CheckpointError(f"{where}: lacks {', '.join(missing[:3])}: built with other options?")
    if extra := [name for name in found if name not in wanted]:
        raise CheckpointError(
            f"{where}: has {', '.join(extra[:3])}, which the run does not have: built with other options?"
        )
