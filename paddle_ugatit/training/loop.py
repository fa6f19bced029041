"""A training run in a folder, with records, sample sheets and checkpoints, that can be interrupted and resumed.

    run/config.yaml       every option, resolved
    run/log.txt           all messages, with the time
    run/losses.csv        the losses, every `log_freq` iterations
    run/vdl/              the same for VisualDL, with sample sheets and the rho of the norms
    run/samples/          the sample sheets, every `print_freq` iterations
    run/lock.json         the process that trains here, see lock.py
    run/checkpoints/      see checkpoints.py

What is trained is a `TrainedSystem`, see system.py.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddle_ugatit import formats
from paddle_ugatit.backend import device
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.backend.progress import Progress
from paddle_ugatit.data.folders import TrainingData
from paddle_ugatit.formats import Checkpoint, CheckpointError
from paddle_ugatit.training import distributed, state
from paddle_ugatit.training.average import Average
from paddle_ugatit.training.checkpoints import WEIGHTS, Checkpoints
from paddle_ugatit.training.diverged import DivergedError, finite_values, require_finite_weights
from paddle_ugatit.training.evaluation import Evaluation
from paddle_ugatit.training.lock import FolderLock
from paddle_ugatit.training.records import Records
from paddle_ugatit.training.resuming import require_same_options
from paddle_ugatit.training.stopping import INTERRUPTED, LATE, Stopping
from paddle_ugatit.training.system import TrainedSystem

REST, MEAN = "state.safetensors", "ema.pdparams"


class Run:
    """The training of a `system` on `data` in a `folder`.

    `tests` are test images for the sample sheets, domain -> float32 (n,3,S,S) in [-1,1]. With an `evaluation` the KID
    is measured too. The `lock` of the folder, if there is one, is checked before every checkpoint.
    """

    def __init__(
        self,
        system: TrainedSystem,
        data: TrainingData,
        tests: dict[str, np.ndarray],
        folder: Path,
        records: Records,
        evaluation: Evaluation | None = None,
        lock: FolderLock | None = None,
    ):
        self.system, self.data, self.tests, self.records, self.lock = system, data, tests, records, lock
        self.config, self.evaluation = system.config, evaluation
        self.checkpoints = Checkpoints(folder / "checkpoints", self.config.keep, self.config.keep_every)
        self.average: Average | None = None
        if self.config.ema:
            self.average = Average({name: system.networks[name] for name in system.averaged}, self.config.ema)
        self.saved: int | None = None  # iteration of the newest checkpoint that this process wrote or read
        self._whole = True  # whether the system is between two iterations, and not within one
        self._waited: set[str] = set()  # reasons that were given for the other processes' waiting
        self._stopping = Stopping(records.say)

    # --- beginning -----------------------------------------------------------------------------------------

    def resume(self) -> None:
        """Continue from the newest intact checkpoint, with a message for each that is damaged.

        Raises InputError if there is none, or if its options are others than this run's.
        """
        steps = self.checkpoints.steps()
        for step in reversed(steps):
            try:
                self._restore(step)
            except CheckpointError as error:
                self.records.say(f"skipped a checkpoint: {error}")
                continue
            self.saved = step
            if step != steps[-1] and self.data.rank == 0:
                self.checkpoints.point_to(step)
            self.records.say(f"resumed after iteration {step}")
            if step >= self.config.iteration:
                self.records.say(f"note: nothing is left to do; iteration={2 * step}, say, makes the run longer")
            return
        told = "none of its checkpoints is intact" if steps else "holds no checkpoint to resume from"
        raise InputError(f"{self.checkpoints.folder}: {told}")

    def _restore(self, step: int) -> None:
        manifest = self.checkpoints.manifest(step)
        require_same_options(self.config, manifest, self.checkpoints.folder, self.records.say)
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
        system.precision.restore({name: array.item() for name, array in rest.get("precision", {}).items()})
        if self.average:
            state.fill_all(self.average.networks, formats.read(folder / MEAN).networks, folder / MEAN)
        system.iteration = step

    # --- running -------------------------------------------------------------------------------------------

    def train(self, minutes: float | None = None) -> None:
        """Run all remaining iterations, or as many as begin within so many minutes.

        Whatever ends the run between two iterations saves first. Raises KeyboardInterrupt after saving an interrupted
        run, and DivergedError if a loss or a weight is not finite.
        """
        self._stopping.within(minutes)
        first, last = self.system.iteration + 1, self.config.iteration
        distributed.share_networks(self.system.networks)
        if first == 1:
            if self.average:
                self.average.restart()
            self._look(0)
            self._evaluate(0)
        with (
            self._stopping,
            Progress("training", last, done=first - 1) as progress,
            self.records.beside(progress),
        ):
            batches = self.data.iterate(first, last)
            for step in range(first, last + 1):
                try:
                    losses, stop = self._step(step, self._next(batches))
                    progress(note=", ".join(f"{name} {losses[name]:.3f}" for name in self.system.shown))
                    self._record(step, losses)
                except Exception as error:
                    self._rescue(error)
                    raise
                if step % self.config.save_freq == 0 or step == last or stop:
                    self._save(step, must=bool(stop) or step == last)
                if stop == INTERRUPTED and step < last:
                    raise KeyboardInterrupt
                if stop:
                    break
        if bad := self.data.bad_files:
            self.records.say(f"note: {len(bad)} training images could not be read and were skipped")

    def _next(self, batches: Iterator[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
        """Return the next batch; an error in one process ends all of them, before any begins the iteration."""
        found, error = None, None
        try:
            found = next(batches)
        except Exception as reason:
            error = reason
        if distributed.any_process(error is not None):
            raise error or InputError("another process of this run could not read its batch")
        assert found is not None
        return found

    def _step(self, step: int, batch: tuple[np.ndarray, ...]) -> tuple[dict[str, float], int]:
        """Run one iteration, and return the losses and why any process is to stop (see stopping.py), or 0."""
        # The random numbers of a step depend on the seed and the step alone, so a resumed run draws the same.
        paddle.seed(np.random.SeedSequence([self.config.seed, step, self.data.rank]).generate_state(1).item())
        dtype = paddle.get_default_dtype()
        self._whole = False
        try:
            found = self.system.step(*[paddle.to_tensor(array, dtype) for array in batch])
            values = list(finite_values(found, step).values())
        except DivergedError as error:
            raise DivergedError(f"{error}; {self._kept()}") from error
        reasons = [float(self._stopping.asked), float(self._stopping.late)]
        *values, asked, late = distributed.mean([*values, *reasons]).tolist()
        losses = dict(zip(found, values, strict=True))
        if self.average:
            self.average.update()
        self._whole = True
        return losses, INTERRUPTED if asked else LATE if late else 0

    def _record(self, step: int, losses: dict[str, float]) -> None:
        last = step == self.config.iteration
        if step % self.config.log_freq == 0 or last:
            self.records.losses(step, losses, self.system)
        if step % self.config.print_freq == 0 or last:
            self._look(step)
        if self.evaluation and (step % self.config.eval_every == 0 or last):
            self._evaluate(step)

    def _rescue(self, error: Exception) -> None:
        """Save what has been trained before an error ends the run, if the error lies between two iterations."""
        if isinstance(error, DivergedError):
            return
        step = self.system.iteration
        if not self._whole:
            self.records.say(f"iteration {step} was not finished; {self._kept()}")
        elif step > 0 and self.data.rank == 0:
            try:
                self._save(step, must=True)
                self.records.say(f"an error ends the run; {self._kept()}")
            except InputError as unsaved:
                self.records.say(f"an error ends the run, and it could not be saved: {unsaved}")

    def _kept(self) -> str:
        return f"the checkpoint of iteration {self.saved} is kept" if self.saved else "there is no checkpoint yet"

    # --- keeping -------------------------------------------------------------------------------------------

    def _save(self, step: int, must: bool) -> None:
        """Write a checkpoint. If that fails, only print a line, unless it `must` be written: then try harder."""
        if self.saved == step or self.data.rank != 0:
            return
        require_finite_weights(self.system.networks, step)
        if self.lock:
            self.lock.require()
        self._keep_waiting("a checkpoint is written")
        try:
            self.checkpoints.save(step, self._files(), self._about())
            self.saved = step
        except CheckpointError as error:
            if must:
                self._save_anyhow(step, error)
            else:
                after = f"the next attempt is after iteration {step + self.config.save_freq}"
                self.records.say(f"{error}; training goes on, {after}")

    def _keep_waiting(self, reason: str) -> None:
        """Say why the other processes wait for this one, once for each reason."""
        if distributed.world_size() > 1 and reason not in self._waited:
            self._waited.add(reason)
            self.records.say(f"the other processes wait while {reason}")

    def _save_anyhow(self, step: int, error: CheckpointError) -> None:
        """Save once more, with superfluous checkpoints removed first, else beside the run, which is an error."""
        if self.checkpoints.make_room(step):
            self.records.say(f"{error}; older checkpoints were removed for it")
            try:
                self.checkpoints.save(step, self._files(), self._about())
                self.saved = step
                return
            except CheckpointError as again:
                error = again
        elsewhere = self._save_elsewhere(step)
        if elsewhere is None:
            raise CheckpointError(f"{error}; make room there: --resume continues from the newest checkpoint") from error
        place = self.checkpoints.path(step)
        raise CheckpointError(
            f"{error}; it is in {elsewhere} instead: move it to {place}, then use --resume"
        ) from error

    def _save_elsewhere(self, step: int) -> Path | None:
        """Save in the system's folder for temporary files; None if that fails too."""
        try:
            folder = tempfile.mkdtemp(prefix="paddle_ugatit_")
        except OSError:
            return None
        try:
            other = Checkpoints(folder)
            other.save(step, self._files(), self._about())
            return other.path(step)
        except CheckpointError:
            shutil.rmtree(folder, ignore_errors=True)
            return None

    def _files(self) -> dict[str, Callable[[], Checkpoint]]:
        system, model, average = self.system, self.system.model, self.average
        files = {
            WEIGHTS: lambda: state.weights_checkpoint(system.networks, model, WEIGHTS),
            REST: lambda: Checkpoint(self._rest(), "paddle"),
        }
        if average:
            files[MEAN] = lambda: state.weights_checkpoint(average.networks, model, MEAN)
        return files

    def _rest(self) -> dict[str, dict[str, np.ndarray]]:
        found = {
            f"optimizer.{kind}": state.optimizer_arrays(optimizer, self.system.named_parameters(kind))
            for kind, optimizer in self.system.optimizers.items()
        }
        for kind, numbers in (("scalars", self.system.scalars), ("precision", self.system.precision.state())):
            if numbers:
                found[kind] = {name: np.array([float(value)], np.float64) for name, value in numbers.items()}
        return found

    def _about(self) -> dict[str, Any]:
        versions = {"paddle": paddle.__version__, "numpy": np.__version__}
        about = {"model": self.system.model, "data": self.data.fingerprint}
        processes = distributed.world_size()
        return about | {
            "config": self.config.as_dict(),
            "processes": processes,
            "versions": versions,
            "device": device.facts(),
        }

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
        self._keep_waiting("the KID is measured")
        found = self.evaluation.measure(self.system, self._shown_networks())
        self.records.scalars(step, "KID", found)
        listed = ", ".join(f"{name} {value:.5f}" for name, value in found.items())
        best, score = self.checkpoints.best_score(), next(iter(found.values()))
        self.records.say(f"KID after iteration {step}, {self.evaluation.features}: {listed}")
        if not score < best or step == 0:  # step 0 is untrained: printed for comparison only; a NaN is no best
            return
        files = {WEIGHTS: lambda: state.weights_checkpoint(self._shown_networks(), self.system.model, WEIGHTS)}
        try:
            self.checkpoints.save_best(step, files, score, {"features": self.evaluation.features, **self._about()})
        except CheckpointError as error:
            self.records.say(f"{error}; training goes on")
