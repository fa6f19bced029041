"""A training run as a process: killed at random moments, interrupted; resumed, it ends as if nothing had happened."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.training.test_run import SCRIPT, assert_same, faces, options_file, state_of  # noqa: F401  (faces is a fixture)


def command(*arguments):
    """tools/train.py in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    line = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True)


def newest(folder):
    """The iteration of the newest checkpoint, 0 for none."""
    return max((int(path.name) for path in (folder / "checkpoints").glob("0*")), default=0)


@pytest.mark.slow
def test_killed_at_random_moments(faces, tmp_path):  # noqa: F811
    """SIGKILL, again and again; what comes out in the end is what an unbroken run makes."""
    options = options_file(tmp_path, iteration=60, save_freq=3, keep=2)
    whole = command("--config", options, "--data", faces, "--out", tmp_path / "whole")
    folder, killed = tmp_path / "broken", []
    while len(killed) < 4:
        before = newest(folder)
        process = command("--config", options, "--data", faces, "--out", folder, *["--resume"] * bool(before))
        while len(killed) < 3 and process.poll() is None and newest(folder) == before:
            time.sleep(0.005)
        if len(killed) < 3:
            time.sleep(random.uniform(0, 0.4))
            process.kill()
        killed.append(process.wait() == -signal.SIGKILL)
    assert killed == [True, True, True, False] and process.returncode == 0, process.stderr.read()
    assert whole.wait() == 0, whole.stderr.read()
    assert_same(state_of(folder / "checkpoints/0000060"), state_of(tmp_path / "whole/checkpoints/0000060"))
    assert (folder / "losses.csv").read_text() == (tmp_path / "whole/losses.csv").read_text()
    assert not list((folder / "checkpoints").glob(".*.unfinished"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_run_saves_and_goes_on(faces, tmp_path, number):  # noqa: F811
    options = options_file(tmp_path, iteration=100_000, save_freq=100_000)
    process = command("--config", options, "--data", faces, "--out", tmp_path / "run")
    while process.poll() is None and not (tmp_path / "run" / "losses.csv").exists():
        time.sleep(0.02)
    process.send_signal(number)
    told = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == 130 and told[-1].startswith("train: interrupted; --resume continues")
    assert newest(tmp_path / "run") == int((tmp_path / "run/losses.csv").read_text().splitlines()[-1].split(",")[0])


# Runs a command on a terminal of its own, which it closes as soon as a file exists; exits with the command's code.
CLOSED_TERMINAL = """
import os, pty, select, sys, time
path, *line = sys.argv[1:]
process, terminal = pty.fork()
if not process:
    os.execv(line[0], line)
end = time.monotonic() + 60
while time.monotonic() < end and not os.path.exists(path):
    if select.select([terminal], [], [], 0.05)[0]:
        os.read(terminal, 1 << 16)  # a terminal that nobody reads would hold the command up
os.close(terminal)
while time.monotonic() < end:
    ended, status = os.waitpid(process, os.WNOHANG)
    if ended:
        sys.exit(os.waitstatus_to_exitcode(status))
    time.sleep(0.05)
os.kill(process, 9)
sys.exit("hangs")
"""


def test_a_closed_terminal_saves_too(faces, tmp_path):  # noqa: F811
    """As when a laptop is closed over ssh: the terminal is gone, and writing to it is an error."""
    options = options_file(tmp_path, iteration=100_000, save_freq=100_000)
    losses = tmp_path / "run/losses.csv"
    line = [sys.executable, SCRIPT, "--config", options, "--data", faces, "--out", tmp_path / "run"]
    whole = [sys.executable, "-c", CLOSED_TERMINAL, losses, *line]
    done = subprocess.run(list(map(str, whole)), capture_output=True, text=True, timeout=90)
    assert done.returncode == 130, done.stderr
    assert newest(tmp_path / "run") == int(losses.read_text().splitlines()[-1].split(",")[0])
