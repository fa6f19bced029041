"""Training that outlives the cell of a notebook, and even its browser: `train`, `watch` and `stop`.

    from paddle_ugatit.cli import background

    background.train("work/outputs/run", "demo", "work/outputs/faces")
    background.watch("work/outputs/run")

The run is a process of its own, the same as `tools/train.py`. A cell with these lines may be run again at any time,
after a lost connection or a restart of the kernel: a run that goes on is only watched, one that has stopped is resumed.
"""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.formats import atomic
from paddle_ugatit.training import lock
from paddle_ugatit.training.checkpoints import Checkpoints
from paddle_ugatit.training.stopping import STOPPING

CONSOLE = "console.txt"  # what the process prints, in the run's folder
_ROOT = Path(__file__).resolve().parents[2]
_DEAF = 10.0  # seconds after which a process is asked again to end: one that is just starting may not hear it
_START = 120.0  # seconds within which a process takes the folder
_WIDTH, _HEIGHT, _MARGIN = 640, 200, 12  # of the curves, pixels
_COLOURS = {"g_loss": (180, 90, 30), "d_loss": (40, 40, 200), "loss": (180, 90, 30)}  # blue, green, red
_processes: dict[str, subprocess.Popen] = {}  # by folder; those of an earlier kernel are known by their lock alone


def train(out: Path | str, config: str, data: Path | str, options: str = "", resume: bool = True) -> None:
    """Begin a run in the background, or go on with the one in the folder `out`, and return at once.

    `config` is a file of options or the name of one that ships, `options` more of them, "KEY=VALUE KEY=VALUE". With
    `resume`, a run in the folder is continued; a run that is training already is left alone. Raises InputError if the
    process ends at once, with its last line.
    """
    out = Path(out)
    if (there := lock.living(out)) is not None:
        print(f"{out}: process {there.pid} trains here since {there.since}; watch(...) shows it")
        return
    words = ["train", "--config", config, "--data", str(data), "--out", str(out)]
    if resume and Checkpoints(out / "checkpoints").steps():
        words.append("--resume")
    code = "import sys; from paddle_ugatit_command import main; sys.exit(main())"
    paths = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    out.mkdir(parents=True, exist_ok=True)
    with open(out / CONSOLE, "ab") as console:
        _processes[str(out)] = subprocess.Popen(
            [sys.executable, "-c", code, *words, *options.split()],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env=os.environ | {"PYTHONPATH": paths},
            start_new_session=True,  # so that the stop button of a notebook does not reach it
        )
    _await_start(out)


def _await_start(out: Path) -> None:
    process, end = _processes[str(out)], time.monotonic() + _START
    while lock.living(out) is None and time.monotonic() < end:
        if process.poll() is not None:
            if process.returncode:
                raise InputError(_last_line(out / CONSOLE))
            return
        time.sleep(0.2)
    print(f"{out}: process {process.pid} trains in the background; watch(...) shows it, stop(...) ends it")


def watch(out: Path | str, seconds: float = 10.0, show: Callable[[list[Any]], None] | None = None) -> None:
    """Show the newest losses and sample sheet of a run, again and again until it ends.

    Ctrl-C, or the stop button of a notebook, ends the watching only. `show` is given a line and the PNG files of curves
    and sheet; by default they are shown in the notebook.
    """
    out, show = Path(out), show or _in_the_notebook
    try:
        while _runs(out):
            show(_news(out))
            time.sleep(seconds)
        show(_news(out))
    except KeyboardInterrupt:
        print(f"{out}: the run goes on; watch(...) shows it again, stop(...) ends it with a checkpoint")


def stop(out: Path | str) -> None:
    """End a run with a checkpoint, and wait for it; `train` goes on from there."""
    there = lock.living(Path(out))
    if there is None:
        print(f"{out}: nobody trains here")
        return
    log, asked = Path(out) / "log.txt", 0.0
    before = log.read_text(encoding="utf-8").count(STOPPING)
    while _runs(Path(out)):
        heard = log.read_text(encoding="utf-8").count(STOPPING) > before  # to ask twice would end it at once
        if not heard and time.monotonic() - asked > _DEAF:
            os.kill(there.pid, signal.SIGINT)
            asked = time.monotonic()
        time.sleep(0.2)
    print(_last_line(log))


def _runs(out: Path) -> bool:
    process = _processes.get(str(out))
    if process is not None:
        return process.poll() is None
    return lock.living(out) is not None


def _news(out: Path) -> list[Any]:
    """The newest line, the curves and the newest sheets, as far as there are any."""
    found: list[Any] = [_last_line(out / CONSOLE)]
    if curves := _curves(out / "losses.csv"):
        found.append(curves)
    sheets = sorted((out / "samples").glob("*.png"))
    newest = sheets[-1].name.partition("_")[0] if sheets else ""
    return found + [sheet for sheet in sheets if sheet.name.startswith(newest)]


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "no output yet"


def _curves(path: Path) -> Path | None:
    """Draw the losses of a run as a picture beside them; None if there are too few."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        losses = {name: [float(row[name]) for row in rows] for name in _COLOURS if rows and name in rows[0]}
    except (OSError, ValueError, TypeError):
        return None  # a row that is just being written
    if len(rows) < 2:
        return None
    picture = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
    for number, (name, values) in enumerate(losses.items()):
        low, high = min(values), max(values)
        x = np.linspace(_MARGIN, _WIDTH - _MARGIN, len(values))
        y = _HEIGHT - _MARGIN - (np.array(values) - low) / (high - low or 1) * (_HEIGHT - 2 * _MARGIN - 24)
        points = np.stack([x, y], 1).round().astype(np.int32)
        cv2.polylines(picture, [points], False, _COLOURS[name], 1, cv2.LINE_AA)
        text = f"{name} {values[-1]:.3g} ({low:.3g} to {high:.3g})"
        cv2.putText(
            picture, text, (_MARGIN + 310 * number, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _COLOURS[name], 1, cv2.LINE_AA
        )
    target = path.with_name("losses.png")
    with atomic.replacing(target) as file:
        file.write(cv2.imencode(".png", picture)[1].tobytes())
    return target


def _in_the_notebook(news: list[Any]) -> None:
    from IPython.display import Image, clear_output, display  # a notebook brings it

    clear_output(wait=True)
    line, *pictures = news
    print(line)
    for picture in pictures:
        display(Image(str(picture)))
