"""A training run in a folder, with records, sample sheets and checkpoints, that can be interrupted and resumed.

    run/config.yaml       every option, resolved
    run/log.txt           all messages, with the time
    run/losses.csv        the losses, every `log_freq` iterations
    run/vdl/              the same for VisualDL, with sample sheets and the rho of the norms
    run/samples/          the sample sheets, every `print_freq` iterations
    run/checkpoints/      see checkpoints.py

What is trained is a `TrainedSystem`, see system.py.
"""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddle_ugatit import formats
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.backend.progress import Progress
from paddle_ugatit.data.folders import TrainingData
from paddle_ugatit.formats import Checkpoint, CheckpointError
from paddle_ugatit.training import distributed, state
from paddle_ugatit.training.average import Average
from paddle_ugatit.training.checkpoints import Checkpoints
from paddle_ugatit.training.diverged import DivergedError, require_finite_weights
from paddle_ugatit.training.evaluation import Evaluation
from paddle_ugatit.training.records import Records
from paddle_ugatit.training.system import TrainedSystem

WEIGHTS, REST, MEAN = "weights.pdparams", "state.safetensors", "ema.pdparams"


class Run:
    """The training of a `system` on `data` in a `folder`.

    `tests` are test images for the sample sheets, domain -> float32 (n,3,S,S) in [-1,1]. With an `evaluation` the KID
    is measured too.
    """

    def __init__(
        self,
        system: TrainedSystem,
        data: TrainingData,
        tests: dict[str, np.ndarray],
        folder: Path,
        records: Records,
        evaluation: Evaluation | None = None,
    ):
        self.system, self.data, self.tests, self.records = system, data, tests, records
        self.config, self.evaluation = system.config, evaluation
        self.checkpoints = Checkpoints(folder / "checkpoints", self.config.keep, self.config.keep_every)
        self.average: Average | None = None
        if self.config.ema:
            self.average = Average({name: system.networks[name] for name in system.averaged}, self.config.ema)
        self.saved: int | None = None  # iteration of the newest checkpoint that this process wrote or read
        self._stop = threading.Event()

    # --- beginning -----------------------------------------------------------------------------------------

    def resume(self) -> None:
        """Continue from the newest intact checkpoint, with a message for each that is damaged.

        Raises InputError if there is none, or if its options are others than this run's.
        """
        for step in reversed(self.checkpoints.steps()):
            try:
                self._restore(step)
            except CheckpointError as error:
                self.records.say(f"skipped a checkpoint: {error}")
                continue
            self.saved = step
            self.records.say(f"resumed after iteration {step}")
            return
        raise InputError(f"{self.checkpoints.folder}: holds no checkpoint to resume from")

    def _restore(self, step: int) -> None:
        manifest = self.checkpoints.manifest(step)
        self._require_same_options(manifest)
        if manifest.get("data") != self.data.fingerprint:
            self.records.say(
                "note: the training images are not those of the run so far, so it continues with other batches"
            )
        folder = self.checkpoints.path(step)
        rest, system = formats.read(folder / REST).networks, self.system
        weights = formats.read(folder / WEIGHTS).networks
        for kind, optimizer in system.optimizers.items():
            arrays = rest.get(f"optimizer.{kind}", {})
            state.fill_optimizer(optimizer, system.named_parameters(kind), arrays, folder / REST)
        state.fill_all(system.networks, weights, folder / WEIGHTS)
        system.scalars.update({name: array.item() for name, array in rest.get("scalars", {}).items()})
        if self.average:
            state.fill_all(self.average.networks, formats.read(folder / MEAN).networks, folder / MEAN)
        system.iteration = step

    def _require_same_options(self, manifest: dict[str, Any]) -> None:
        try:
            then = type(self.config).from_dict(manifest.get("config", {}))
        except ValueError as error:
            raise CheckpointError(f"{self.checkpoints.folder}: its configuration is not valid: {error}") from error
        world, processes = distributed.world_size(), manifest.get("processes", 1)
        ours = self.config.replaced(batch_size=self.config.batch_size * world)
        changed = then.replaced(batch_size=then.batch_size * processes).differences(ours)
        changed.pop("accumulate", None)  # does not change the updates
        if length := changed.pop("iteration", None):
            told = f"note: iteration was {length[0]}, is {length[1]}"
            self.records.say(f"{told}: learning rates that depend on it follow the new length from here")
        if changed:
            listed = ", ".join(f"{name} was {before!r}, is {now!r}" for name, (before, now) in changed.items())
            per = " (batch_size times processes)" if "batch_size" in changed else ""
            raise InputError(
                f"cannot resume with other options{per}: {listed}; a new run can start from these weights with --init "
                f"{self.checkpoints.folder / 'latest' / WEIGHTS} and another --out"
            )

    # --- running -------------------------------------------------------------------------------------------

    def train(self) -> None:
        """Run all remaining iterations.

        Raises KeyboardInterrupt after saving an interrupted run, and DivergedError if a loss or a weight is not finite.
        """
        first, last = self.system.iteration + 1, self.config.iteration
        distributed.share_networks(self.system.networks)
        if first == 1:
            self._look(0)
            self._evaluate(0)
        with (
            _Stopping(self._stop, self.records),
            Progress("training", last, done=first - 1) as progress,
            self.records.beside(progress),
        ):
            for step, batch in enumerate(self.data.iterate(first, last), first):
                losses, stop = self._step(step, batch)
                progress(note=", ".join(f"{name} {losses[name]:.3f}" for name in self.system.shown))
                if step % self.config.log_freq == 0 or step == last:
                    self.records.losses(step, losses, self.system)
                if step % self.config.print_freq == 0 or step == last:
                    self._look(step)
                if self.evaluation and (step % self.config.eval_every == 0 or step == last):
                    self._evaluate(step)
                if step % self.config.save_freq == 0 or step == last or stop:
                    self._save(step, must=stop or step == last)
                if stop and step < last:
                    raise KeyboardInterrupt

    def _step(self, step: int, batch: tuple[np.ndarray, ...]) -> tuple[dict[str, float], bool]:
        """Run one iteration, and return the losses and whether any process was asked to stop."""
        # The random numbers of a step depend on the seed and the step alone, so a resumed run draws the same.
        paddle.seed(int(np.random.SeedSequence([self.config.seed, step, self.data.rank]).generate_state(1)[0]))
        dtype = paddle.get_default_dtype()
        try:
            found = self.system.step(*[paddle.to_tensor(array, dtype) for array in batch])
        except DivergedError as error:
            kept = f"the checkpoint of iteration {self.saved} is kept" if self.saved else "there is no checkpoint yet"
            raise DivergedError(f"{error}; {kept}") from error
        values = [float(loss.item()) for loss in found.values()]
        *values, stop = distributed.mean([*values, float(self._stop.is_set())]).tolist()
        losses = dict(zip(found, values, strict=True))
        if self.average:
            self.average.update()
        return losses, stop > 0

    # --- keeping -------------------------------------------------------------------------------------------

    def _save(self, step: int, must: bool) -> None:
        """Write a checkpoint. If that fails, only print a line, unless it `must` be written."""
        if self.saved == step or self.data.rank != 0:
            return
        require_finite_weights(self.system.networks, step)
        try:
            self.checkpoints.save(step, self._files(), self._about())
            self.saved = step
        except CheckpointError as error:
            if must:
                raise
            self.records.say(
                f"{error}; training goes on, the next attempt is after iteration {step + self.config.save_freq}"
            )

    def _files(self) -> dict[str, Callable[[], Checkpoint]]:
        system, model, average = self.system, self.system.model, self.average
        files = {
            WEIGHTS: lambda: state.weights_checkpoint(system.networks, model, WEIGHTS),
            REST: lambda: Checkpoint(self._rest(), "paddle", {}),
        }
        if average:
            files[MEAN] = lambda: state.weights_checkpoint(average.networks, model, MEAN)
        return files

    def _rest(self) -> dict[str, dict[str, np.ndarray]]:
        found = {
            f"optimizer.{kind}": state.optimizer_arrays(optimizer, self.system.named_parameters(kind))
            for kind, optimizer in self.system.optimizers.items()
        }
        if self.system.scalars:
            found["scalars"] = {name: np.array([value], np.float64) for name, value in self.system.scalars.items()}
        return found

    def _about(self) -> dict[str, Any]:
        versions = {"paddle": paddle.__version__, "numpy": np.__version__}
        about = {"model": self.system.model, "data": self.data.fingerprint}
        return about | {"config": self.config.as_dict(), "processes": distributed.world_size(), "versions": versions}

    def _shown_networks(self) -> dict[str, nn.Layer]:
        return self.system.networks | (self.average.networks if self.average else {})

    def _look(self, step: int) -> None:
        if self.data.rank == 0:
            for name, picture in self.system.sheets(self._shown_networks(), self.tests).items():
                self.records.picture(step, name, picture)

    def _evaluate(self, step: int) -> None:
        """Measure the KID to the target domain, and keep the networks if it is the lowest since training began."""
        if self.evaluation is None or self.data.rank != 0:
            return
        found = self.evaluation.measure(self.system, self._shown_networks())
        self.records.scalars(step, "KID", found)
        listed = ", ".join(f"{name} {value:.5f}" for name, value in found.items())
        best, score = self.checkpoints.best_score(), next(iter(found.values()))
        self.records.say(f"KID after iteration {step}, {self.evaluation.features}: {listed}")
        if score >= best or step == 0:  # step 0 is untrained: printed for comparison only
            return
        files = {WEIGHTS: lambda: state.weights_checkpoint(self._shown_networks(), self.system.model, WEIGHTS)}
        try:
            self.checkpoints.save_best(step, files, score, {"features": self.evaluation.features, **self._about()})
        except CheckpointError as error:
            self.records.say(f"{error}; training goes on")


class _Stopping:
    """On the first Ctrl-C, SIGTERM or SIGHUP, finish the iteration and save; on the second, end at once.

    SIGHUP says that the terminal is gone: what would still be written to it goes nowhere, so that the saving succeeds.
    """

    def __init__(self, stop: threading.Event, records: Records):
        self.stop, self.records = stop, records
        self.before: dict[int, Any] = {}  # signal -> handler
        self.terminals: list[int] = []  # file descriptors of stdout and stderr, if they are a terminal

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self.terminals = [number for number in (1, 2) if os.isatty(number)]
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
                if number := getattr(signal, name, None):
                    self.before[number] = signal.signal(number, self._asked)

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        if number == getattr(signal, "SIGHUP", None):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for terminal in self.terminals:
                os.dup2(nowhere, terminal)
        if self.stop.is_set():
            raise KeyboardInterrupt
        self.stop.set()
        self.records.say(
            "stopping after this iteration with a checkpoint; interrupt again to stop at once, without one"
        )
