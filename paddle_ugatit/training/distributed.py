"""Several processes, started by `python -m paddle.distributed.launch`: Paddle's own engine, called in three places.

Every process computes its share of the batch on weights that are the same everywhere; the gradients are averaged before
each optimiser's step. Losses are means over the batch, so this is the update of one process with the whole batch.
"""

import os

import numpy as np
import paddle
import paddle.distributed as dist


def start():
    """Join the other processes, where there are any: (own rank, number of processes)."""
    if int(os.environ.get("PADDLE_TRAINERS_NUM", "1")) < 2:
        return 0, 1
    dist.init_parallel_env()
    return dist.get_rank(), dist.get_world_size()


def world_size():
    """Processes that train together; 1 unless `start` found more."""
    return dist.get_world_size() if dist.is_initialized() else 1


def average_gradients(parameters):
    """Replace every gradient by its mean over the processes."""
    if world_size() > 1:
        from paddle.distributed.fleet.utils.hybrid_parallel_util import fused_allreduce_gradients

        fused_allreduce_gradients(list(parameters), None)


def share_networks(networks):
    """Give every process the first one's parameters and buffers."""
    if world_size() > 1:
        for net in networks.values():
            for tensor in net.state_dict().values():
                dist.broadcast(tensor, 0)


def mean(values):
    """The mean of an array of numbers over the processes, float64; NaN where one has NaN."""
    values = np.asarray(values, np.float64)
    if world_size() == 1:
        return values
    total = paddle.to_tensor(values)
    dist.all_reduce(total)
    return total.numpy() / world_size()
