"""How a run begins: its options, its device, its folder, its first weights. Every refusal is one line."""

import os
from pathlib import Path

import numpy as np
import paddle

from paddle_ugatit import formats, weights
from paddle_ugatit.backend import device
from paddle_ugatit.backend.errors import InputError, UsageError
from paddle_ugatit.data.folders import TrainingData, test_images
from paddle_ugatit.metrics import FeatureExtractor
from paddle_ugatit.systems import trained
from paddle_ugatit.training.checkpoints import Checkpoints
from paddle_ugatit.training.evaluation import Evaluation
from paddle_ugatit.training.options import read_options
from paddle_ugatit.training.state import fill


def configuration(path, assignments=()):
    """The options in a YAML file, changed by "KEY=VALUE" assignments; InputError names what is wrong with them."""
    options = read_options(path, assignments)
    system = options.pop("system", "ugatit")
    known = trained()
    if system not in known:
        raise InputError(f"{path}: system must be one of {', '.join(known)}, got {system!r}")
    try:
        return known[system].config.from_dict(options)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def system_of(config, dtype="float32"):
    """The untrained system that a configuration describes; the same weights for the same seed.

    `dtype` becomes Paddle's default, and thereby the whole system's.
    """
    paddle.set_default_dtype(dtype)
    paddle.seed(config.seed)
    trainer = next(system.trainer for system in trained().values() if type(config) is system.config)
    try:
        return trainer(config)
    except ValueError as error:
        raise InputError(str(error)) from error


def choose_device(name, config):
    """Compute on "cpu", "gpu" or "gpu:1", or on what Paddle chooses (None)."""
    on_gpu = device.choose(name).startswith("gpu")
    if config.amp != "off" and not on_gpu:
        raise InputError(f"amp={config.amp} needs a GPU: on a CPU Paddle computes as without it, only slower")
    if config.deterministic and on_gpu:
        paddle.set_flags({"FLAGS_cudnn_deterministic": True})


def prepare_folder(folder, resume):
    """Make the run's folder; InputError if it cannot be written, or holds another run that is not resumed."""
    folder = Path(folder)
    if not resume and Checkpoints(folder / "checkpoints").steps():
        raise UsageError(f"{folder}: holds a run already: --resume goes on with it, another --out begins a new one")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "log.txt", "a", encoding="utf-8"):
            pass
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    Checkpoints(folder / "checkpoints").clean()
    return folder


def take_weights(system, path):
    """Start from a file of either framework: all the networks in it that the system has. InputError in one line."""
    checkpoint, notes = weights.convert(formats.read(path), "paddle", path)
    if checkpoint.metadata["model"] != system.model:
        model = checkpoint.metadata["model"]
        raise InputError(f"{path}: is of the model {model}, the configuration is of {system.model}")
    kinds = {name: options["kind"] for name, options in checkpoint.metadata["networks"].items()}
    given = {name or kinds[name]: arrays for name, arrays in checkpoint.networks.items()}
    if strange := [name for name in given if name not in system.networks]:
        told = "one bare network" if "" in checkpoint.networks else ", ".join(strange)
        raise InputError(f"{path}: holds {told}; the run trains {', '.join(system.networks)}")
    for name, arrays in given.items():
        fill(system.networks[name], arrays, f"{path}: {name}")
    absent = [name for name in system.networks if name not in given]
    if absent:
        notes.append(f"{os.path.basename(path)} has no {', '.join(absent)}: they start from scratch")
    return notes


def data_of(config, folder, rank, world_size, say):
    """The batches of a run and its test pictures, as a context manager."""
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
    )


def tests_of(config, folder, say, limit=5):
    """The first test pictures of each domain, for the sample sheets: domain -> float32 (n,3,S,S) in [-1,1]."""
    found = {
        domain: test_images(folder, domain, config.img_size, limit, config.strict, say) for domain in config.domains
    }
    return {domain: np.stack([pixels for _, pixels in images]) for domain, images in found.items()}


def evaluation_of(config, folder, say):
    """What measures the KID every `eval_every` iterations; None where that is 0. InputError where it cannot be had."""
    if not config.eval_every:
        return None
    extractor = FeatureExtractor(config.eval_features, config.eval_weights or None)
    return Evaluation(extractor, tests_of(config, folder, say, limit=None))
