"""The weights of FID's Inception: where they are found, whether they are the public ones, and random stand-ins.

Contents: find, load (a network from a file), random_network, write_random.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle

from paddle_ugatit import formats, weights
from paddle_ugatit.backend.compat import default_dtype
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.layers.batch_norm import FrozenBatchNorm2D
from paddle_ugatit.models.inception import InceptionV3

FILE = "pt_inception-2015-12-05-6726825d.pth"
SHA256_PREFIX = "6726825d"  # of the public file, as its name says
_OTHER_NAMES = ("weights-inception-2015-12-05-6726825d.pth",)  # the same file in torch-fidelity's release
_SOURCE = "release fid_weights of github.com/mseitzer/pytorch-fid"


@dataclass(frozen=True)
class Loaded:
    """A network ready for use, and the origin of its weights."""

    network: InceptionV3
    file: str  # "" for random weights
    sha256: str  # of the file
    origin_sha256: str  # of the PyTorch file it was converted from, or its own

    @property
    def public(self) -> bool:
        """Whether these are the weights that published numbers were computed with."""
        return self.origin_sha256.startswith(SHA256_PREFIX)


def cache_folder() -> Path:
    """Return the folder for cached files: PADDLE_UGATIT_CACHE if set, otherwise a folder in the user's cache."""
    own = os.environ.get("PADDLE_UGATIT_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(base) / "paddle_ugatit"


def find() -> Path:
    """Return the public file from the cache of this project, pytorch-fid or torch-fidelity.

    Raises InputError if there is none; the message says where to get it.
    """
    own = cache_folder()
    hub = Path(os.environ.get("TORCH_HOME") or own.parent / "torch") / "hub" / "checkpoints"
    for folder in (own, hub):
        for name in (FILE, *_OTHER_NAMES):
            if (folder / name).is_file():
                return folder / name
    raise InputError(
        f"the weights of Inception are needed: get {FILE} (91 MB, {_SOURCE}) and put it into {own}, or name it with "
        "--weights; --features pixels needs none, but its numbers are not comparable with published ones"
    )


def load(path: Path | str | None = None) -> Loaded:
    """Load the network from a file of either framework, by default the one that `find` returns.

    Raises CheckpointError if the file cannot be read, InputError if it does not hold an Inception.
    """
    path = Path(path) if path else find()
    checkpoint, _ = weights.convert(formats.read(path), "paddle", path)
    options = checkpoint.metadata["networks"]
    if checkpoint.metadata["model"] != "inception" or "" not in options:
        raise InputError(f"{path}: holds {', '.join(entry['kind'] for entry in options.values())}, not Inception")
    with default_dtype("float32"):
        network = InceptionV3(options[""]["narrow"])
    own = network.state_dict()
    for key, array in checkpoint.networks[""].items():
        own[key].set_value(formats.cast(array, "float32"))
    sha256 = formats.sha256(path)
    noted = formats.read(path).metadata.get("source_sha256") if checkpoint.framework == "paddle" else None
    return Loaded(network, str(path), sha256, noted or sha256)


def random_network(narrow: int, seed: int = 0) -> InceptionV3:
    """Return a network with random weights whose activations neither vanish nor explode.

    Every batch norm holds the statistics of its input, measured on random images in one pass that sets each norm just
    before it is used. Widths are divided by `narrow`.
    """
    rng = np.random.default_rng(seed)
    with default_dtype("float32"):
        network = InceptionV3(narrow)
    for key, value in network.state_dict().items():
        value.set_value(_random_value(key, value.shape, rng))
    norms = [layer for layer in network.sublayers() if isinstance(layer, FrozenBatchNorm2D)]
    hooks = [layer.register_forward_pre_hook(_calibrate) for layer in norms]
    with paddle.no_grad():
        network(paddle.to_tensor(_pictures(rng)))
    for hook in hooks:
        hook.remove()
    return network


def _random_value(key: str, shape: list[int], rng: np.random.Generator) -> np.ndarray:
    leaf = key.rpartition(".")[2]
    if "running" in leaf:
        return np.ones(shape, np.float32)
    if ".bn." in key:
        low, high = (0.5, 1.5) if leaf == "weight" else (-0.3, 0.5)
        return rng.uniform(low, high, shape).astype(np.float32)
    fan_in = np.prod(shape[1:]) if len(shape) == 4 else shape[0]
    return (rng.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32)


def _calibrate(norm: FrozenBatchNorm2D, inputs: tuple[paddle.Tensor]) -> None:
    (x,) = inputs
    values = x.numpy().astype(np.float64)
    norm.running_mean.set_value(values.mean((0, 2, 3)).astype(np.float32))
    norm.running_var.set_value(values.var((0, 2, 3)).astype(np.float32))


def _pictures(rng: np.random.Generator) -> np.ndarray:
    """Eight images of coarse and fine random patches, varied in contrast and brightness: float32 (8,3,299,299)."""
    picture = np.zeros((8, 3, 299, 299))
    for side in (3, 10, 40, 299):
        step = -(-299 // side)
        patches = rng.uniform(-1, 1, (8, 3, side, side)) * rng.uniform(0, 1, (8, 1, 1, 1))
        picture += np.kron(patches, np.ones((step, step)))[:, :, :299, :299]
    return (picture + rng.uniform(-0.6, 0.6, (8, 3, 1, 1))).clip(-1, 1).astype(np.float32)


def write_random(path: Path | str, narrow: int = 1, seed: int = 0) -> None:
    """Write a random network in the format of the suffix, by default in the layout of the public file."""
    network = random_network(narrow, seed)
    state = {key: value.numpy() for key, value in network.state_dict().items()}
    framework = formats.framework_of(path) or "torch"
    if framework == "torch":
        state = weights.to_torch(state, network)
    formats.write(path, formats.Checkpoint({"": state}, framework))
