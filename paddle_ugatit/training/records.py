"""The records of a run: log.txt, losses.csv, scores.csv (the KID), sample sheets, and VisualDL's log if installed."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from paddle import nn

from paddle_ugatit.backend.errors import InputError, one_line
from paddle_ugatit.backend.progress import Progress, to_stderr
from paddle_ugatit.data.images import write_image
from paddle_ugatit.formats import atomic
from paddle_ugatit.training.loss_file import LossFile
from paddle_ugatit.training.options import RunOptions, write_options
from paddle_ugatit.training.system import TrainedSystem


class Records:
    """Writes the records into the run's folder. With `silent`, in all processes but the first, it does nothing."""

    def __init__(self, folder: Path, silent: bool = False):
        self.folder, self.silent = folder, silent
        self._losses = LossFile(folder / "losses.csv", self.say)
        self._scores = LossFile(folder / "scores.csv", self.say)
        self._progress: Progress | None = None
        self._visual: Any = None  # VisualDL's writer, unless it is absent or has failed
        self._complained: set[str] = set()

    def start(self, config: RunOptions, resumed_at: int) -> None:
        """Write the configuration, and remove the losses of iterations that will be run again."""
        if self.silent:
            return
        with atomic.replacing(self.folder / "config.yaml", "w") as file:
            write_options(config, file)
        for name, records in {"losses.csv": self._losses, "scores.csv": self._scores}.items():
            with self._tolerant(name):
                records.forget(resumed_at)
        text = "  \n".join(f"{name}: {value}" for name, value in config.as_dict().items())
        with self._optional_visual():
            self._visual = _visualdl(self.folder / "vdl")
            self._visual.add_text("config", text, resumed_at)

    def close(self) -> None:
        """Flush and close VisualDL's log."""
        if self._visual:
            with self._optional_visual():
                self._visual.close()

    @contextlib.contextmanager
    def beside(self, progress: Progress) -> Iterator[None]:
        """Within the block, print lines without breaking the progress bar."""
        self._progress = progress
        try:
            yield
        finally:
            self._progress = None

    def say(self, line: str) -> None:
        """Print a line on stderr, and append it to log.txt with the time."""
        if self.silent:
            return
        line = one_line(line)  # names of files in it may hold anything
        if self._progress:
            self._progress.say(line)
        else:
            to_stderr(line)
        # A file's name may hold bytes that are no text.
        with (
            self._tolerant("log.txt"),
            open(self.folder / "log.txt", "a", encoding="utf-8", errors="backslashreplace") as file,
        ):
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")

    def losses(self, step: int, losses: dict[str, float], system: TrainedSystem) -> None:
        """Record the losses of an iteration and the learning rates, and in VisualDL the distribution of rho."""
        if self.silent:
            return
        rates = {f"lr_{kind}": optimizer.get_lr() for kind, optimizer in system.optimizers.items()}
        with self._tolerant("losses.csv"):
            self._losses.append(["iteration", *losses, *rates], [step, *losses.values(), *rates.values()])
        if self._visual:
            with self._optional_visual():
                for name, value in losses.items():
                    self._visual.add_scalar(f"loss/{name}", value, step)
                for name, value in rates.items():
                    self._visual.add_scalar(f"learning rate/{name}", value, step)
                for name, values in _rho(system.networks).items():
                    self._visual.add_histogram(f"rho/{name}", values, step, buckets=20)

    def scalars(self, step: int, group: str, values: dict[str, float]) -> None:
        """Record other numbers of an iteration, such as the KID: in scores.csv, and in VisualDL under `group`."""
        if self.silent:
            return
        with self._tolerant("scores.csv"):
            self._scores.append(["iteration", *values], [step, *values.values()])
        if self._visual:
            with self._optional_visual():
                for name, value in values.items():
                    self._visual.add_scalar(f"{group}/{name}", value, step)

    def picture(self, step: int, name: str, pixels: np.ndarray) -> None:
        """Write a sample sheet, uint8 (H,W,3), to samples/<iteration>_<name>.png."""
        if self.silent:
            return
        with self._tolerant("a sample sheet"):
            (self.folder / "samples").mkdir(exist_ok=True)
            write_image(self.folder / "samples" / f"{step:07}_{name}.png", pixels)
        if self._visual:
            with self._optional_visual():
                self._visual.add_image(f"samples/{name}", pixels, step)

    @contextlib.contextmanager
    def _optional_visual(self) -> Iterator[None]:
        """Print a line and go on without VisualDL if it is absent, or fails in any way, also by ending the program."""
        try:
            yield
        except ModuleNotFoundError as error:
            self._visual = None
            if error.name == "visualdl":
                self.say("VisualDL is not installed: losses go to losses.csv only (pip install visualdl)")
            else:
                self.say(f"VisualDL lacks the module {error.name}: losses go to losses.csv only")
        except (Exception, SystemExit) as error:
            self._visual = None
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            self.say(f"VisualDL does not work ({reason}); training goes on without it")

    @contextlib.contextmanager
    def _tolerant(self, what: str) -> Iterator[None]:
        """Print one line, once, if a record cannot be written: that must not end hours of training."""
        try:
            yield
        except (OSError, InputError) as error:
            if what not in self._complained:
                self._complained.add(what)
                to_stderr(f"{what} cannot be written: {error}; training goes on")


def _rho(networks: dict[str, nn.Layer]) -> dict[str, np.ndarray]:
    """Return all values of rho of every network that has AdaILN or ILN, unless one is not finite."""
    found = {}
    for name, net in networks.items():
        parts = [p.numpy().ravel() for key, p in net.named_parameters() if key.rpartition(".")[2] == "rho"]
        if parts and np.isfinite(values := np.concatenate(parts)).all():
            found[name] = values
    return found


def _visualdl(folder: Path) -> Any:
    """Return VisualDL's LogWriter. Raises whatever its loading raises."""
    from visualdl import LogWriter

    return LogWriter(str(folder))
