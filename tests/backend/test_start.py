"""The first seconds of a command, while Paddle is loaded: Ctrl-C, SIGTERM, and a Paddle that cannot be loaded."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# In the place of Paddle: swallows Ctrl-C as Paddle does while it is loaded, and says when it begins.
SLOW = """
import pathlib, signal, time
pathlib.Path(__file__).with_name("begun").touch()
try:
    time.sleep(1)
except BaseException:
    pass
signal.signal(signal.SIGTERM, lambda *_: print("C++ Traceback", flush=True))
"""


def planted(folder, source):
    """Put a module in the place of Paddle; return the environment in which it is found first."""
    (folder / "paddle").mkdir()
    (folder / "paddle/__init__.py").write_text(source)
    return {**os.environ, "PYTHONPATH": str(folder)}


def line(name="train"):
    return [sys.executable, str(ROOT / f"tools/{name}.py"), "--config", "demo", "--data", "absent", "--out", "absent"]


CHECK = [sys.executable, str(ROOT / "align/check_forward.py"), "adailn"]


@pytest.mark.parametrize(
    ("command", "number", "name"),
    [
        (line(), signal.SIGINT, "train"),
        (line(), signal.SIGTERM, "train"),
        (CHECK, signal.SIGINT, "check_forward"),
        (CHECK, signal.SIGTERM, "check_forward"),
    ],
)
def test_a_signal_while_paddle_is_loaded_is_one_line(tmp_path, command, number, name):
    process = subprocess.Popen(
        command,
        env=planted(tmp_path, SLOW),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # ignored in a background job
    )
    while process.poll() is None and not (tmp_path / "paddle/begun").exists():
        time.sleep(0.01)
    process.send_signal(number)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out, error) == (130, "", f"{name}: interrupted; nothing was begun\n")


@pytest.mark.parametrize(
    "error",
    [
        "ImportError('libmkl.so: cannot open', name='paddle.base')",
        "ModuleNotFoundError('No module named libmkl.so', name='libmkl.so')",
        "OSError('libmkl.so')",
    ],
)
@pytest.mark.parametrize(
    "command", [line(), [sys.executable, "-m", "paddle_ugatit_command", "sample", "--help"], CHECK]
)
def test_a_broken_paddle_says_its_own_error_once(tmp_path, error, command):
    done = subprocess.run(
        command, env=planted(tmp_path, f"raise {error}"), cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "Paddle cannot be loaded: " in done.stderr and done.stderr.count("libmkl.so") == 1


def test_the_packages_import_raises_it_too(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "import paddle_ugatit"],
        env=planted(tmp_path, "raise RuntimeError('numpy')"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and done.stderr.endswith("RuntimeError: numpy\n")


def test_without_paddle_the_package_is_imported():
    code = "import sys; sys.modules['paddle'] = None; import paddle_ugatit.formats"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0
