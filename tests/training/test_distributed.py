"""Two processes of paddle.distributed.launch, on a CPU with gloo: the update of one process with both their batches."""

import os
import shutil
import subprocess
import sys

import numpy as np
import paddle
import pytest
from paddle.distributed.fleet.utils import hybrid_parallel_util

from paddle_ugatit.training import distributed
from tests.training.test_run import SCRIPT, faces, options_file, state_of  # noqa: F401  (faces is a fixture)

LIMIT = 1e-9  # relative to the largest value of an array, after 8 steps in float64


def run(options, data, out, *more, processes=1, **changes):
    """Train in float64, in one process or in several that know of one another."""
    launch = ["-m", "paddle.distributed.launch", "--nproc_per_node", str(processes)]
    launch += ["--log_dir", str(out) + "-log"]
    changed = [f"{name}={value}" for name, value in changes.items()]
    line = [SCRIPT, "--config", options, "--data", data, "--out", out, "--dtype", "float64", *more, *changed]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *(launch if processes > 1 else []), *map(str, line)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def largest_difference(one, other):
    assert one.keys() == other.keys() and len(one) > 100
    return max(np.abs(one[key] - other[key]).max() / (np.abs(one[key]).max() or 1) for key in one)


def test_gradients_are_contiguous_when_they_are_joined(monkeypatch):
    weight, factor = paddle.rand([2, 3]), paddle.rand([3, 2])
    weight.stop_gradient, joined = False, []
    (weight.t() * factor).sum().backward()
    assert not weight.grad.is_contiguous()  # as those of a convolution that turns its weight
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    monkeypatch.setattr(hybrid_parallel_util, "fused_allreduce_gradients", lambda given, _: joined.extend(given))
    distributed.average_gradients(iter([weight]))
    assert joined[0] is weight and weight.grad.is_contiguous()
    np.testing.assert_array_equal(weight.grad.numpy(), factor.numpy().T)


@pytest.mark.slow
def test_two_processes_equal_one_with_the_whole_batch(faces, tmp_path):  # noqa: F811
    options = options_file(tmp_path, save_freq=4)
    run(options, faces, tmp_path / "one", batch_size=2)
    run(options, faces, tmp_path / "two", processes=2, batch_size=1)
    alone = state_of(tmp_path / "one/checkpoints/0000008")
    assert largest_difference(alone, state_of(tmp_path / "two/checkpoints/0000008")) < LIMIT
    # Only the first process writes: each record stands there once.
    assert len((tmp_path / "two/losses.csv").read_text().splitlines()) == 9
    log = (tmp_path / "two/log.txt").read_text()
    assert log.count("done: 8 iterations") == 1
    assert log.count("the other processes wait while a checkpoint is written") == 1

    # Another number of processes goes on with the same batches.
    shutil.copytree(tmp_path / "one/checkpoints/0000004", tmp_path / "more/checkpoints/0000004")
    run(options, faces, tmp_path / "more", "--resume", processes=2, batch_size=1)
    assert largest_difference(alone, state_of(tmp_path / "more/checkpoints/0000008")) < LIMIT

    # The comparison sees what averaging changes: one process alone with half the batch ends elsewhere.
    run(options, faces, tmp_path / "half", batch_size=1)
    assert largest_difference(alone, state_of(tmp_path / "half/checkpoints/0000008")) > 1e-4
