"""The records of a run: log.txt, losses.csv, sample sheets, and VisualDL's log if it is installed."""

import contextlib
import csv
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from paddle import nn

from paddle_ugatit.backend.errors import InputError, one_line
from paddle_ugatit.backend.progress import Progress
from paddle_ugatit.data.images import write_image
from paddle_ugatit.formats import atomic
from paddle_ugatit.training.options import RunOptions, write_options
from paddle_ugatit.training.system import TrainedSystem


class Records:
    """Writes the records into the run's folder. With `silent`, in all processes but the first, it does nothing."""

    def __init__(self, folder: Path, silent: bool = False):
        self.folder, self.silent = folder, silent
        self._progress: Progress | None = None
        self._visual: Any = None  # VisualDL's writer
        self._complained: set[str] = set()

    def start(self, config: RunOptions, resumed_at: int) -> None:
        """Write the configuration, and remove the losses of iterations that will be run again."""
        if self.silent:
            return
        with atomic.replacing(self.folder / "config.yaml", "w") as file:
            write_options(config, file)
        self._forget_losses(resumed_at)
        self._visual = _visualdl(self.folder / "vdl", self.say)
        if self._visual:
            text = "  \n".join(f"{name}: {value}" for name, value in config.as_dict().items())
            self._visual.add_text("config", text, resumed_at)

    def close(self) -> None:
        """Flush and close VisualDL's log."""
        if self._visual:
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
            print(line, file=sys.stderr, flush=True)
        with self._tolerant("log.txt"), open(self.folder / "log.txt", "a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")

    def losses(self, step: int, losses: dict[str, float], system: TrainedSystem) -> None:
        """Record the losses of an iteration and the learning rates, and in VisualDL the distribution of rho."""
        if self.silent:
            return
        rates = {f"lr_{kind}": optimizer.get_lr() for kind, optimizer in system.optimizers.items()}
        path = self.folder / "losses.csv"
        with self._tolerant("losses.csv"):
            new = not path.exists()
            with open(path, "a", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                if new:
                    writer.writerow(["iteration", *losses, *rates])
                writer.writerow([step, *losses.values(), *rates.values()])
        if self._visual:
            with self._tolerant("VisualDL's log"):
                for name, value in losses.items():
                    self._visual.add_scalar(f"loss/{name}", value, step)
                for name, value in rates.items():
                    self._visual.add_scalar(f"learning rate/{name}", value, step)
                for name, values in _rho(system.networks).items():
                    self._visual.add_histogram(f"rho/{name}", values, step, buckets=20)

    def scalars(self, step: int, group: str, values: dict[str, float]) -> None:
        """Record other numbers of an iteration in VisualDL, such as the KID, under the name of a group."""
        if self._visual:
            with self._tolerant("VisualDL's log"):
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
            with self._tolerant("VisualDL's log"):
                self._visual.add_image(f"samples/{name}", pixels, step)

    def _forget_losses(self, resumed_at: int) -> None:
        path = self.folder / "losses.csv"
        if not path.exists():
            return
        lines = path.read_text(encoding="utf-8").splitlines()
        # A line that was cut off when the process ended has fewer fields.
        fields = lines[0].count(",") if lines else 0
        kept = [line for line in lines[1:] if line.count(",") == fields and int(line.split(",")[0]) <= resumed_at]
        with atomic.replacing(path, "w") as file:
            file.writelines(f"{line}\n" for line in [*lines[:1], *kept])

    @contextlib.contextmanager
    def _tolerant(self, what: str) -> Iterator[None]:
        """Print one line, once, if a record cannot be written: that must not end hours of training."""
        try:
            yield
        except (OSError, InputError) as error:
            if what not in self._complained:
                self._complained.add(what)
                print(f"{what} cannot be written: {error}; training goes on", file=sys.stderr, flush=True)


def _rho(networks: dict[str, nn.Layer]) -> dict[str, np.ndarray]:
    """Return all values of rho of every network that has AdaILN or ILN, unless one is not finite."""
    found = {}
    for name, net in networks.items():
        parts = [p.numpy().ravel() for key, p in net.named_parameters() if key.rpartition(".")[2] == "rho"]
        if parts and np.isfinite(values := np.concatenate(parts)).all():
            found[name] = values
    return found


def _visualdl(folder: Path, say: Callable[[str], None]) -> Any:
    """Return VisualDL's LogWriter, or None if it is not installed."""
    try:
        from visualdl import LogWriter
    except ImportError:
        say("VisualDL is not installed: losses go to losses.csv only (pip install visualdl)")
        return None
    return LogWriter(str(folder))
