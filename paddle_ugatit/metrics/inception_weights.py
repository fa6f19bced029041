"""The weights of FID's Inception: where they are looked for, whether they are the public ones, random stand-ins.

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
SHA256_PREFIX = "6726825d"  # of the public file, which bears it in its name
_OTHER_NAMES = ("weights-inception-2015-12-05-6726825d.pth",)  # the same file in torch-fidelity's release
_SOURCE = "release fid_weights of github.com/mseitzer/pytorch-fid"


@dataclass(frozen=True)
class Loaded:
    """A network ready to use, and where its weights come from."""

    network: InceptionV3
    file: str  # "" for random weights
    sha256: str  # of the file
    origin_sha256: str  # of the PyTorch file it was converted from, or its own

    @property
    def public(self):
        """Whether these are the weights that published numbers were made with."""
        return self.origin_sha256.startswith(SHA256_PREFIX)


def cache_folder() -> Path:
    """Where this project keeps what it need not make or fetch again: PADDLE_UGATIT_CACHE, else the user's cache."""
    own = os.environ.get("PADDLE_UGATIT_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(base) / "paddle_ugatit"


def find() -> Path:
    """The public file where this project, pytorch-fid or torch-fidelity keep it; InputError says where to get it."""
    own = cache_folder()
    hub = Path(os.environ.get("TORCH_HOME") or own.parent / "torch") / "hub" / "checkpoints"
    for folder in (own, hub):
        for name in (FILE, *_OTHER_NAMES):
            if (folder / name).is_file():
                return folder / name
    raise InputError(
        f"the weights of Inception are needed: get {FILE} (91 MB, {_SOURCE}) and put it into {own}, or name it with "
        "--weights; --features pixels needs none, but its numbers cannot be compared with published ones"
    )


def load(path=None) -> Loaded:
    """The network of a file of either framework, by default `find()`'s. Raises CheckpointError in one line."""
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
    network.eval()
    sha256 = formats.sha256(path)
    noted = formats.read(path).metadata.get("source_sha256") if checkpoint.framework == "paddle" else None
    return Loaded(network, str(path), sha256, noted or sha256)


def random_network(narrow=1, seed=0) -> InceptionV3:
    """Random weights with which activations neither die nor explode: every batch norm holds its input's statistics.

    They are measured on random pictures, in one pass in which each norm is set just before it is used.
    """
    rng = np.random.default_rng(seed)
    with default_dtype("float32"):
        network = InceptionV3(narrow)
    network.eval()
    for key, value in network.state_dict().items():
        value.set_value(_random_value(key, value.shape, rng))
    norms = [layer for layer in network.sublayers() if isinstance(layer, FrozenBatchNorm2D)]
    hooks = [layer.register_forward_pre_hook(_calibrate) for layer in norms]
    with paddle.no_grad():
        network(paddle.to_tensor(_pictures(rng)))
    for hook in hooks:
        hook.remove()
    return network


def _random_value(key, shape, rng):
    leaf = key.rpartition(".")[2]
    if "running" in leaf:
        return np.ones(shape, np.float32)
    if ".bn." in key:
        low, high = (0.5, 1.5) if leaf == "weight" else (-0.3, 0.5)
        return rng.uniform(low, high, shape).astype(np.float32)
    fan_in = np.prod(shape[1:]) if len(shape) == 4 else shape[0]
    return (rng.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32)


def _calibrate(norm, inputs):
    (x,) = inputs
    values = x.numpy().astype(np.float64)
    norm.running_mean.set_value(values.mean((0, 2, 3)).astype(np.float32))
    norm.running_var.set_value(values.var((0, 2, 3)).astype(np.float32))


def _pictures(rng):
    """Eight pictures of coarse and fine random patches, of many contrasts and shades: (8,3,299,299) float32."""
    picture = np.zeros((8, 3, 299, 299))
    for side in (3, 10, 40, 299):
        step = -(-299 // side)
        patches = rng.uniform(-1, 1, (8, 3, side, side)) * rng.uniform(0, 1, (8, 1, 1, 1))
        picture += np.kron(patches, np.ones((step, step)))[:, :, :299, :299]
    return np.clip(picture + rng.uniform(-0.6, 0.6, (8, 3, 1, 1)), -1, 1).astype(np.float32)


def write_random(path, narrow=1, seed=0):
    """Write a random network in the layout of the public file, or of another format by the suffix."""
    network = random_network(narrow, seed)
    state = {key: value.numpy() for key, value in network.state_dict().items()}
    framework = formats.framework_of(path) or "torch"
    if framework == "torch":
        state = weights.to_torch(state, network)
    formats.write(path, formats.Checkpoint({"": state}, framework))
