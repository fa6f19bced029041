"""Several processes that share the extraction of features, started by `python -m paddle.distributed.launch`."""

import os

import numpy as np
import paddle


def place():
    """(rank, number of processes); (0, 1) for a process on its own."""
    return int(os.environ.get("PADDLE_TRAINER_ID", 0)), int(os.environ.get("PADDLE_TRAINERS_NUM", 1))


def start():
    """Join the other processes, by gloo on CPUs; nothing for a process on its own."""
    if place()[1] > 1 and not paddle.distributed.is_initialized():
        os.environ.setdefault("PADDLE_DISTRI_BACKEND", "gloo" if paddle.get_device() == "cpu" else "auto")
        paddle.distributed.init_parallel_env()


def _gathered(array):
    tensors = []
    paddle.distributed.all_gather(tensors, paddle.to_tensor(array))
    return [tensor.numpy() for tensor in tensors]


def all_agree(yes) -> bool:
    """Whether every process says yes."""
    return bool(yes) if place()[1] == 1 else all(a.min() > 0 for a in _gathered(np.array([yes], np.float32)))


def interleaved(mine, total):
    """Rows of all processes, of which process r has rows r, r + world, ...: (n,d) float32 -> (total,d)."""
    _, world = place()
    if world == 1:
        return mine
    most = -(-total // world)
    width = mine.shape[1]
    padded = np.zeros((most, width), np.float32)
    padded[: len(mine)] = mine
    rows = np.empty((total, width), np.float32)
    for rank, theirs in enumerate(_gathered(padded)):
        places = range(rank, total, world)
        rows[rank::world] = theirs[: len(places)]
    return rows
