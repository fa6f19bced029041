"""The start of a run: its options, device, folder, data and initial weights."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import paddle

from paddle_ugatit import formats, weights
from paddle_ugatit.backend import device
from paddle_ugatit.backend.errors import InputError, UsageError
from paddle_ugatit.data.folders import TrainingData, test_images
from paddle_ugatit.data.transforms import MARGIN
from paddle_ugatit.metrics.features import FeatureExtractor, default_kind
from paddle_ugatit.systems import trained
from paddle_ugatit.training import distributed
from paddle_ugatit.training.checkpoints import Checkpoints
from paddle_ugatit.training.evaluation import Evaluation
from paddle_ugatit.training.lock import FolderLock
from paddle_ugatit.training.options import RunOptions, UnsupportedError, read_options, shown
from paddle_ugatit.training.state import fill
from paddle_ugatit.training.system import TrainedSystem

_PUBLISHED = MARGIN / 256  # by which the public code's training images are larger, of their size
_CLOSER = 1.2  # times as large, from which that is worth a line


def configuration(path: Path | str, assignments: Sequence[str] = ()) -> RunOptions:
    """Return the configuration in a YAML file, changed by "KEY=VALUE" assignments.

    Raises InputError if an option is unknown or invalid, or if there is no such system; UsageError if the system has
    no mixed precision.
    """
    options = read_options(path, assignments)
    system = options.pop("system", "ugatit")
    known = trained()
    if not isinstance(system, str) or system not in known:
        raise InputError(f"{path}: system must be one of {', '.join(known)}, got {shown(system)}")
    try:
        return known[system].config.from_dict(options)
    except UnsupportedError as error:
        raise UsageError(f"{path}: {error}") from error
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def system_of(config: RunOptions, dtype: str = "float32") -> TrainedSystem:
    """Return the untrained system that a configuration describes, with the same weights for the same seed.

    `dtype` becomes Paddle's default, and so that of the whole system. Raises InputError if the system cannot be built.
    """
    paddle.set_default_dtype(dtype)
    paddle.seed(config.seed)
    trainer = next(system.trainer for system in trained().values() if type(config) is system.config)
    try:
        return trainer(config)
    except ValueError as error:
        raise InputError(str(error)) from error


def choose_device(name: str | None, config: RunOptions) -> None:
    """Compute on "cpu", "gpu" or "gpu:1", or by default on the device that Paddle chooses.

    Raises UsageError if the device is absent, or if it cannot compute in the configuration's mixed precision.
    """
    on_gpu = device.choose(name).startswith("gpu")
    if config.amp != "off" and not on_gpu:
        raise UsageError(f"amp={config.amp} needs a GPU: on a CPU, Paddle computes the same without it, and faster")
    if config.amp == "bfloat16" and not device.has_bfloat16():
        raise UsageError("amp=bfloat16 needs a GPU of compute capability 8.0 (Ampere) or later: use amp=float16")
    if config.deterministic:
        device.repeat_bit_for_bit()


@contextlib.contextmanager
def owned_folder(folder: Path | str, resume: bool, rank: int = 0) -> Iterator[FolderLock | None]:
    """Within the block the run's folder, which is made, belongs to this process, or to the first of several.

    Yields the lock, or None in all processes but the first. Raises InputError if the folder cannot be written, and
    UsageError if another process trains in it, or if it holds a run that is not to be resumed.
    """
    folder, error = Path(folder), None
    with contextlib.ExitStack() as stack:
        lock = None
        try:
            if rank == 0:
                lock = stack.enter_context(_taken(folder, resume))
        except InputError as refused:
            error = refused
        if distributed.any_process(error is not None):
            raise error or InputError(f"{folder}: the first process cannot train there")
        yield lock


@contextlib.contextmanager
def _taken(folder: Path, resume: bool) -> Iterator[FolderLock]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "log.txt", "a", encoding="utf-8"):
            pass
        lock = FolderLock(folder)
        lock.take()
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    with contextlib.closing(lock):
        checkpoints = Checkpoints(folder / "checkpoints")
        checkpoints.repair()
        if not resume and checkpoints.steps():
            raise UsageError(
                f"{folder}: already holds a run: use --resume to continue it, or another --out to start a new one"
            )
        yield lock


def take_weights(system: TrainedSystem, path: Path | str) -> list[str]:
    """Set the system's networks from a file of either framework, and return notes; it need not hold all of them.

    Raises InputError if the file is of another model or holds other networks.
    """
    checkpoint, notes = weights.convert(formats.read(path), "paddle", path)
    if checkpoint.metadata["model"] != system.model:
        model = checkpoint.metadata["model"]
        hint = f": add revision={checkpoint.metadata['revision']}" if model.startswith("ugatit-") else ""
        raise InputError(f"{path}: is of the model {model}, but the configuration is of {system.model}{hint}")
    _require_same_heads(system, checkpoint.metadata["networks"], path)
    kinds = {name: options["kind"] for name, options in checkpoint.metadata["networks"].items()}
    given = {name or kinds[name]: arrays for name, arrays in checkpoint.networks.items()}
    if strange := [name for name in given if name not in system.networks]:
        told = "one bare network" if "" in checkpoint.networks else ", ".join(strange)
        raise InputError(f"{path}: holds {told}; the run trains {', '.join(system.networks)}")
    for name, options in checkpoint.metadata["networks"].items():
        for option in weights.hidden_options_of(options):
            raise InputError(f"{path}: {name or 'its network'} has {option} {options[option]}, a run here has another")
    notes += weights.not_finite(checkpoint.networks, path)
    for name, arrays in given.items():
        fill(system.networks[name], arrays, f"{path}: {name}")
    absent = [name for name in system.networks if name not in given]
    if absent:
        notes.append(f"{os.path.basename(path)} has no {', '.join(absent)}: they start from scratch")
    return notes


def _require_same_heads(system: TrainedSystem, networks: dict[str, dict], path: Path | str) -> None:
    """Raise InputError if the weights have the CAM heads of the other generation of TensorFlow files."""
    older = any(options.get("older_cam") for options in networks.values())
    ours = getattr(system.config, "older_cam", False)
    if older != ours:
        raise InputError(f"{path}: {'has' if older else 'lacks'} older CAM heads: add older_cam={str(older).lower()}")


def data_of(
    config: RunOptions, folder: Path | str, rank: int, world_size: int, say: Callable[[str], None]
) -> TrainingData:
    """Return the batches of a run, as a context manager; a crop much closer than the test images is told.

    Raises InputError if a folder cannot be used.
    """
    size, loaded = config.img_size, config.img_size + config.margin
    if config.load_size is None and loaded > _CLOSER * size:
        say(
            f"note: training images are enlarged to {loaded} px and cropped to {size}, so that they show things "
            f"{loaded / size:.1f} times as large as test images: margin={round(_PUBLISHED * size)} crops as at 256 px"
        )
    return TrainingData(
        folder,
        config.img_size,
        config.batch_size,
        config.seed,
        workers=config.workers,
        strict=config.strict,
        rank=rank,
        world_size=world_size,
        say=say,
        domains=config.domains,
        load_size=config.load_size,
        framing=config.framing,
        margin=config.margin,
        cache=config.cache << 20,
    )


def tests_of(
    config: RunOptions, folder: Path | str, say: Callable[[str], None], limit: int | None = 5
) -> dict[str, np.ndarray]:
    """Return the first `limit` test images of each domain: domain -> float32 (n,3,S,S) in [-1,1]."""
    found = {
        domain: test_images(folder, domain, config.img_size, limit, config.strict, say, config.framing)
        for domain in config.domains
    }
    return {domain: np.stack([pixels for _, pixels in images]) for domain, images in found.items()}


def evaluation_of(config: RunOptions, folder: Path | str, say: Callable[[str], None]) -> Evaluation | None:
    """Return what measures the KID every `eval_every` iterations, or None if that is 0.

    Raises InputError if the feature extractor or the test images cannot be read.
    """
    if not config.eval_every:
        return None
    weights = config.eval_weights or None
    kind = default_kind(folder, weights) if config.eval_features == "auto" else config.eval_features
    extractor = FeatureExtractor(kind, weights)
    return Evaluation(extractor, tests_of(config, folder, say, limit=None))
