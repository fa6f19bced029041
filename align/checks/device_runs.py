"""The runs behind check_device: mixed precision, a resume, and what an iteration of a configuration takes here."""

import contextlib
import io
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle

from paddle_ugatit.backend import device
from paddle_ugatit.cli import configs, train
from paddle_ugatit.data.faces.folder import make_dataset
from paddle_ugatit.models.ugatit import ResnetGenerator
from paddle_ugatit.training import plan, start
from paddle_ugatit.training.options import RunOptions

_GIB = 2**30
PIXELS = 128 * 128  # of an image, at most, on a CPU; a GPU makes the step as it is
RUN = ("iteration=4", "save_freq=2", "keep=9", "eval_every=0", "ema=0.9", "deterministic=true", "log_freq=1")
SMALL = ("img_size=32", "ch=4", "n_res=1", "global_layers=3", "local_layers=3", *RUN)


@dataclass
class Prediction:
    """What a configuration takes on this device."""

    name: str
    seconds: float  # of an iteration
    hours: float  # of the whole run
    gib: float  # of memory, see train.py --plan
    measured: str  # on what

    def line(self) -> str:
        """Return it as a line."""
        rate = f"{1 / self.seconds:.2f} it/s" if self.seconds < 10 else f"{self.seconds:.0f} s/it"
        return f"{self.name}: {rate}, {self.hours:.1f} h in all, {self.gib:.1f} GiB ({self.measured})"


def mixed_errors() -> dict[str, float]:
    """Return the largest difference of a light generator's image to that of float32, by half dtype; none on a CPU."""
    if not device.on_gpu():
        return {}
    names = ["float16", *(["bfloat16"] if device.has_bfloat16() else [])]
    paddle.seed(0)
    network = ResnetGenerator(3, 3, ngf=16, n_blocks=2, img_size=64, light=True)
    images = paddle.to_tensor(np.random.default_rng(0).uniform(-1, 1, (2, 3, 64, 64)).astype("float32"))
    with paddle.no_grad():
        truth = network(images)[0].numpy()
        found = {}
        for name in names:
            with paddle.amp.auto_cast(dtype=name):
                image = network(images)[0]
            found[name] = float(np.abs(image.astype("float32").numpy() - truth).max() / 2)
    return found


def resumed_differences() -> list[str]:
    """Return the files in which a run that is resumed from its middle differs from one that never stopped."""
    with tempfile.TemporaryDirectory() as folder:
        whole, resumed = Path(folder, "whole"), Path(folder, "resumed")
        make_dataset(Path(folder, "data"), train=3, test=1, size=32, seed=0)
        _train(folder, whole)
        shutil.copytree(whole, resumed, symlinks=True)
        shutil.rmtree(resumed / "checkpoints/0000004")
        _train(folder, resumed, "--resume")
        ends = [run / "checkpoints/0000004" for run in (whole, resumed)]
        names = sorted(path.name for path in ends[0].iterdir() if path.name != "manifest.json")
        return [name for name in names if (ends[0] / name).read_bytes() != (ends[1] / name).read_bytes()]


def _train(folder: str, out: Path, *more: str) -> None:
    arguments = ["--config", "demo", "--data", f"{folder}/data", "--out", str(out), "--device", paddle.get_device()]
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = train.main([*arguments, *more, *SMALL])
    if code:
        raise RuntimeError(f"a small training failed: {(said.getvalue().strip() or 'no output').splitlines()[-1]}")


def busy() -> str:
    """Return a sentence if other programs use the cores, which makes times too long; "" if not, or if none tells."""
    if not hasattr(os, "getloadavg"):
        return ""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    others = load - 1 > cores / 4  # this process is one
    return f"the machine was busy (load {load:.1f} on {cores} cores): these times are too long" if others else ""


def configured(name: str) -> RunOptions:
    """Return the configuration of this name, with random filters where it asks for a file of weights."""
    config = start.configuration(configs.find(name))
    return config.replaced(encoder="") if hasattr(config, "encoder") else config


def predicted(name: str, config: RunOptions) -> Prediction:
    """Time an iteration, on a CPU of a smaller image and batch, and return what the whole configuration takes."""
    copy = config if device.on_gpu() else _smaller(config)
    seconds, held = _timed(copy)
    larger = (config.img_size / copy.img_size) ** 2 * config.batch_size / copy.batch_size
    seconds *= larger
    needs = plan.plan(config, int(held * larger / config.accumulate * copy.accumulate))
    how = "measured" if larger == 1 else f"scaled from {copy.img_size} px, batch {copy.batch_size}"
    return Prediction(name, seconds, seconds * config.iteration / 3600, needs.memory / _GIB, how)


def _smaller(config: RunOptions) -> RunOptions:
    size = config.img_size
    while size * size > PIXELS:
        size //= 2
    changes = {"load_size": size} if config.load_size is not None else {}
    return config.replaced(**changes, img_size=size, batch_size=1, accumulate=1, amp="off")


def _timed(config: RunOptions) -> tuple[float, int]:
    """Return the seconds of an iteration, and the bytes that it holds besides weights, moments and gradients."""
    system = start.system_of(config)
    batch = plan.random_batch(config)
    _finished(system.step(*batch))  # makes the moments
    started = time.perf_counter()
    _finished(system.step(*batch))
    seconds = time.perf_counter() - started
    if not device.on_gpu():
        del system
        return seconds, plan.measure(config)
    peak = int(paddle.device.cuda.max_memory_allocated())
    return seconds, max(0, peak - sum(plan.plan(config, 0).held.values()))


def _finished(losses: dict[str, paddle.Tensor]) -> None:
    """Wait until the device has computed them."""
    for loss in losses.values():
        loss.numpy()
