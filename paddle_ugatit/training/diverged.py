"""The end of a training run that cannot be saved any more: losses or weights that are NaN or infinite."""

import math

import numpy as np

from paddle_ugatit.backend.errors import InputError


class DivergedError(InputError):
    """A loss or a weight that is no number: at which iteration, and which."""


def require_finite(losses, total, iteration):
    """Raise DivergedError if losses[total] is NaN or infinite; to be called before its backward pass.

    Not only to save the weights: from a NaN Paddle's max pooling takes an index of -1, and its backward pass then
    writes outside of its memory.
    """
    if math.isfinite(losses[total].item()):
        return
    values = {name: loss.item() for name, loss in losses.items()}
    bad = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
    raise DivergedError(f"training diverged at iteration {iteration}: {', '.join(bad)}")


def require_finite_weights(networks, iteration):
    """Raise DivergedError where a weight is NaN or infinite, which a loss need not show: Paddle's relu(NaN) is 0."""
    for name, network in networks.items():
        for key, tensor in network.state_dict().items():
            if not np.isfinite(tensor.numpy()).all():
                raise DivergedError(f"training diverged by iteration {iteration}: {name}.{key} is no longer finite")
