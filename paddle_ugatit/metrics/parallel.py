"""Extraction of features shared by several processes, started with `python -m paddle.distributed.launch`."""

import os

import numpy as np
import paddle

AT_ONCE = 2048  # rows of each process that are sent together: all of them would take three times the memory


def place() -> tuple[int, int]:
    """Return (rank, number of processes), (0, 1) for a single process."""
    return int(os.environ.get("PADDLE_TRAINER_ID", 0)), int(os.environ.get("PADDLE_TRAINERS_NUM", 1))


def start() -> None:
    """Join the other processes, on CPUs through gloo. Does nothing in a single process."""
    if place()[1] > 1 and not paddle.distributed.is_initialized():
        os.environ.setdefault("PADDLE_DISTRI_BACKEND", "gloo" if paddle.get_device() == "cpu" else "auto")
        paddle.distributed.init_parallel_env()


def _gathered(array: np.ndarray) -> list[np.ndarray]:
    tensors: list[paddle.Tensor] = []
    paddle.distributed.all_gather(tensors, paddle.to_tensor(array))
    return [tensor.numpy() for tensor in tensors]


def all_agree(yes: bool) -> bool:
    """Return whether `yes` is true in every process."""
    return bool(yes) if place()[1] == 1 else bool(np.all(_gathered(np.array([yes], np.float32))))


def interleaved(mine: np.ndarray, total: int) -> np.ndarray:
    """Gather the rows of all processes, where process r holds rows r, r + world, ...: float32 (n,d) -> (total,d)."""
    _, world = place()
    if world == 1:
        return mine
    rows = np.empty((total, mine.shape[1]), np.float32)
    sent = np.zeros((min(AT_ONCE, -(-total // world)), mine.shape[1]), np.float32)  # beyond its own rows it is not read
    for start in range(0, -(-total // world), len(sent)):
        own = mine[start : start + len(sent)]
        sent[: len(own)] = own
        for rank, theirs in enumerate(_gathered(sent)):
            places = rows[start * world + rank : (start + len(sent)) * world : world]
            places[:] = theirs[: len(places)]
    return rows
