"""What a run leaves to read and to look at: log.txt, losses.csv, sample sheets, and VisualDL where it is installed."""

import contextlib
import csv
import sys
import time

import numpy as np

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data.images import write_image
from paddle_ugatit.formats import atomic
from paddle_ugatit.training.options import write_options


class Records:
    """Writes into a run's folder. In a process that is not the first (`silent`) it does nothing at all."""

    def __init__(self, folder, silent=False):
        self.folder, self.silent = folder, silent
        self._progress = self._visual = None
        self._complained = set()

    def start(self, config, resumed_at):
        """Write the configuration; forget the losses of iterations that will be run again."""
        if self.silent:
            return
        with atomic.replacing(self.folder / "config.yaml", "w") as file:
            write_options(config, file)
        self._forget_losses(resumed_at)
        self._visual = _visualdl(self.folder / "vdl", self.say)
        if self._visual:
            text = "  \n".join(f"{name}: {value}" for name, value in config.as_dict().items())
            self._visual.add_text("config", text, resumed_at)

    def close(self):
        """Flush and close what is open."""
        if self._visual:
            self._visual.close()

    @contextlib.contextmanager
    def beside(self, progress):
        """Within this block, lines go beside the progress bar."""
        self._progress = progress
        try:
            yield
        finally:
            self._progress = None

    def say(self, line):
        """A line on stderr and in log.txt."""
        if self.silent:
            return
        if self._progress:
            self._progress.say(line)
        else:
            print(line, file=sys.stderr, flush=True)
        with self._tolerant("log.txt"), open(self.folder / "log.txt", "a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")

    def losses(self, step, losses, system):
        """The losses of one iteration, the learning rates, and the distribution of rho."""
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

    def scalars(self, step, group, values):
        """Other numbers of an iteration, such as a KID: into VisualDL, under a group's name."""
        if self._visual:
            with self._tolerant("VisualDL's log"):
                for name, value in values.items():
                    self._visual.add_scalar(f"{group}/{name}", value, step)

    def picture(self, step, name, pixels):
        """A sample sheet, uint8 (H,W,3): samples/<iteration>_<name>.png."""
        if self.silent:
            return
        with self._tolerant("a sample sheet"):
            (self.folder / "samples").mkdir(exist_ok=True)
            write_image(self.folder / "samples" / f"{step:07}_{name}.png", pixels)
        if self._visual:
            with self._tolerant("VisualDL's log"):
                self._visual.add_image(f"samples/{name}", pixels, step)

    def _forget_losses(self, resumed_at):
        path = self.folder / "losses.csv"
        if not path.exists():
            return
        lines = path.read_text(encoding="utf-8").splitlines()
        # A line that the end of the process cut short has no full number of fields.
        fields = lines[0].count(",") if lines else 0
        kept = [line for line in lines[1:] if line.count(",") == fields and int(line.split(",")[0]) <= resumed_at]
        with atomic.replacing(path, "w") as file:
            file.writelines(f"{line}\n" for line in [*lines[:1], *kept])

    @contextlib.contextmanager
    def _tolerant(self, what):
        """A record that cannot be written must not end hours of training: one line, once."""
        try:
            yield
        except (OSError, InputError) as error:
            if what not in self._complained:
                self._complained.add(what)
                print(f"{what} cannot be written: {error}; training goes on", file=sys.stderr, flush=True)


def _rho(networks):
    """Of every network that has AdaILN or ILN: all their rho."""
    found = {}
    for name, net in networks.items():
        values = [p.numpy().ravel() for key, p in net.named_parameters() if key.rpartition(".")[2] == "rho"]
        if values and np.isfinite(values := np.concatenate(values)).all():
            found[name] = values
    return found


def _visualdl(folder, say):
    """A LogWriter, None where VisualDL is not installed."""
    try:
        from visualdl import LogWriter
    except ImportError:
        say("VisualDL is not installed: losses go to losses.csv only (pip install visualdl)")
        return None
    return LogWriter(str(folder))
