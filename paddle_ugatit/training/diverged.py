"""Checks for losses and weights that are NaN or infinite, which end a training run."""

import math

import numpy as np
import paddle
from paddle import nn

from paddle_ugatit.backend.errors import InputError


class DivergedError(InputError):
    """A loss or a weight is not finite; the message names it and the iteration."""


def require_finite(losses: dict[str, paddle.Tensor], total: str, iteration: int) -> None:
    """Raise DivergedError if losses[total] is NaN or infinite; to be called before its backward pass.

    This protects more than the weights: Paddle's max pooling returns the index -1 for a NaN, and its backward pass then
    writes outside its memory.
    """
    if math.isfinite(losses[total].item()):
        return
    values = {name: loss.item() for name, loss in losses.items()}
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
