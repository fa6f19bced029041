"""Checks for losses and weights that are NaN or infinite, which end a training run."""

import math

import numpy as np
import paddle
from paddle import nn

from paddle_ugatit.backend import device
from paddle_ugatit.backend.errors import InputError


class DivergedError(InputError):
    """A loss or a weight is not finite; the message names it and the iteration."""


def require_finite(losses: dict[str, paddle.Tensor], total: str, iteration: int) -> None:
    """Raise DivergedError if losses[total] is NaN or infinite; to be called before its backward pass.

    This protects more than the weights: on a CPU, Paddle's max pooling returns the index -1 for a NaN, and its backward
    pass then writes outside its memory. On a GPU nothing is done, since a look at a loss waits for all that was asked
    of the GPU: there `finite_values` looks at all of them once, at the end of the iteration.
    """
    if not device.on_cpu(losses[total]) or math.isfinite(losses[total].item()):
        return
    _refuse({name: loss.item() for name, loss in losses.items()}, iteration)


def finite_values(losses: dict[str, paddle.Tensor], iteration: int) -> dict[str, float]:
    """Return the losses of an iteration, () each, as numbers. Raises DivergedError if one is NaN or infinite.

    They are read together, since a GPU is waited for each time.
    """
    values = dict(zip(losses, paddle.stack(list(losses.values())).numpy().tolist(), strict=True))
    if not all(map(math.isfinite, values.values())):
        _refuse(values, iteration)
    return values


def _refuse(values: dict[str, float], iteration: int) -> None:
    bad = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
    raise DivergedError(f"training diverged at iteration {iteration}: {', '.join(bad)}")


def require_finite_weights(networks: dict[str, nn.Layer], iteration: int) -> None:
    """Raise DivergedError if a weight is NaN or infinite.

    A loss does not always show it, since relu(NaN) is 0 in Paddle.
    """
    for name, network in networks.items():
        for key, tensor in network.state_dict().items():
            if not np.isfinite(tensor.numpy()).all():
                raise DivergedError(f"training diverged by iteration {iteration}: {name}.{key} is no longer finite")
