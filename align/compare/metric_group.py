"""A group of processes acted by one, to try what several processes share: `Group.run` calls a function as each of them.

What they send one another is replayed: each call runs on to the first exchange that is not known yet, and begins again
when all have reached it.
"""

import os
from unittest.mock import patch

import paddle

_MOST = 20  # exchanges


class _Sent(Exception):
    """What a process sends, which the others are not known to have sent yet."""

    def __init__(self, array):
        super().__init__("sent")
        self.array = array


class Group:
    """So many processes; `joined` counts how often one joins."""

    def __init__(self, world):
        self.world, self.joined = world, 0
        self._known, self._at = [], 0

    def run(self, function):
        """Return function(rank) of every process. Raises RuntimeError if only some of them take part in an exchange."""
        while len(self._known) < _MOST:
            results, sent = [], []
            for rank in range(self.world):
                self._at = 0
                try:
                    with self._as(rank):
                        results.append(function(rank))
                except _Sent as stopped:
                    sent.append(stopped.array)
            if not sent:
                return results
            if results:
                raise RuntimeError(f"{len(sent)} of {self.world} processes wait for the others")
            self._known.append(sent)
        raise RuntimeError(f"more than {_MOST} exchanges")

    def _as(self, rank):
        names = {"PADDLE_TRAINER_ID": str(rank), "PADDLE_TRAINERS_NUM": str(self.world)}
        return _Patched(
            patch.dict(os.environ, names),
            patch.object(paddle.distributed, "all_gather", self._gather),
            patch.object(paddle.distributed, "is_initialized", lambda: False),
            patch.object(paddle.distributed, "init_parallel_env", self._join),
        )

    def _join(self):
        self.joined += os.environ.get("PADDLE_DISTRI_BACKEND") == "gloo" or paddle.get_device() != "cpu"

    def _gather(self, tensors, tensor):
        if self._at == len(self._known):
            raise _Sent(tensor.numpy())
        tensors.extend(paddle.to_tensor(array) for array in self._known[self._at])
        self._at += 1


class _Patched:
    def __init__(self, *patches):
        self._patches = patches

    def __enter__(self):
        for each in self._patches:
            each.start()

    def __exit__(self, *error):
        for each in reversed(self._patches):
            each.stop()
