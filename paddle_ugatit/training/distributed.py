"""Training in several processes, started by `python -m paddle.distributed.launch`, with Paddle's own communication.

Every process computes its share of the batch with the same weights, and the gradients are averaged before each
optimiser's step. Since losses are means over the batch, this is the update of one process with the whole batch.
"""

import os
from collections.abc import Iterable

import numpy as np
import paddle
import paddle.distributed as dist
from numpy.typing import ArrayLike
from paddle import nn


def start() -> tuple[int, int]:
    """Join the other processes if there are any, and return this process's rank and the number of processes."""
    if int(os.environ.get("PADDLE_TRAINERS_NUM", "1")) < 2:
        return 0, 1
    dist.init_parallel_env()
    return dist.get_rank(), dist.get_world_size()


def world_size() -> int:
    """Return the number of processes that train together, which is 1 unless `start` found more."""
    return dist.get_world_size() if dist.is_initialized() else 1


def average_gradients(parameters: Iterable[paddle.Tensor]) -> None:
    """Replace every gradient by its mean over the processes."""
    if world_size() > 1:
        from paddle.distributed.fleet.utils.hybrid_parallel_util import fused_allreduce_gradients

        parameters = list(parameters)
        for gradient in (parameter.grad for parameter in parameters):
            # Paddle joins gradients by their memory: one with strides, as a transposed weight has, would be shuffled.
            if gradient is not None and not gradient.is_contiguous():
                gradient.contiguous()  # in place
        fused_allreduce_gradients(parameters, None)


def share_networks(networks: dict[str, nn.Layer]) -> None:
    """Copy the parameters and buffers of the first process to all others."""
    if world_size() > 1:
        for net in networks.values():
            for tensor in net.state_dict().values():
                dist.broadcast(tensor, 0)


def mean(values: ArrayLike) -> np.ndarray:
    """Return the mean of an array over the processes, float64; it is NaN where any process has NaN."""
    own = np.asarray(values, np.float64)
    if world_size() == 1:
        return own
    total = paddle.to_tensor(own)
    dist.all_reduce(total)
    return total.numpy() / world_size()


def any_process(flag: bool) -> bool:
    """Return whether `flag` is true in any process; all of them must call this at the same point."""
    return bool(mean([float(flag)])[0] > 0)
