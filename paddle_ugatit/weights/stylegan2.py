"""StyleGAN2's checkpoints: S, G, D and the running means SE and GE, or one of them bare.

A public file model_N.pt holds all of them in one state dict, "GAN", with their names as prefixes, and the version of
the public code; before July 2020 that state dict was the file. It holds the discriminator twice, since the public code
wraps it again to augment its images: "D_aug.D." repeats "D.". An exact repetition is dropped, and is written again to
PyTorch files.
"""

from dataclasses import replace

import numpy as np
from paddle import nn

from paddle_ugatit.formats import Checkpoint, FilePath
from paddle_ugatit.models.stylegan2 import (
    Conv2DMod,
    EqualLinear,
    StyleGAN2Discriminator,
    StyleGAN2Generator,
    StyleVectorizer,
)
from paddle_ugatit.weights.rules import KEEP, TRANSPOSE, Options, State, WeightError, listed
from paddle_ugatit.weights.shapes import count, require_kinds, shape_of
from paddle_ugatit.weights.stylegan2_options import hidden_options, require_convolution, require_supported

MODELS = {"stylegan2": "small"}
NAMES = {
    "S": "stylegan2-style",
    "G": "stylegan2-generator",
    "D": "stylegan2-discriminator",
    "SE": "stylegan2-style",
    "GE": "stylegan2-generator",
}
KINDS = tuple(NAMES.values())
EAGER = KINDS  # their layers draw initial values themselves
RULES = {
    EqualLinear: {"weight": TRANSPOSE, "bias": KEEP},
    Conv2DMod: {"weight": KEEP},
    StyleGAN2Generator: {"initial_block": KEEP},
}
HIDDEN = {NAMES["S"]: {"lr_mul": 0.1}}
_WHOLE, _REPEATED = "GAN", "D_aug.D."
_LEARNER = "D_cl."
_FMAP_MAX = 512


def infer_options(state: State, _framework: str, prefix: str) -> Options | None:
    """Return {"kind": "stylegan2-style", "latent_dim", "depth"}, or sizes and widths of the other two kinds.

    Returns None for a network of another system. Raises WeightError if an array is missing or malformed.
    """
    if "blocks.0.to_style1.weight" in state or "blocks.0.conv_res.weight" in state:
        require_supported(state, prefix)
    if "initial_block" in state:
        require_convolution(state, "initial_conv", prefix)
        return _generator_options(state, prefix)
    if "blocks.0.conv_res.weight" in state:
        require_convolution(state, "final_conv", prefix)
        return _discriminator_options(state, prefix)
    if "net.0.weight" in state and "net.0.bias" in state and state["net.0.weight"].ndim == 2:
        return {
            "kind": "stylegan2-style",
            "latent_dim": shape_of(state, "net.0.weight", 2, prefix)[0],
            "depth": count(state, r"net\.(\d{1,6})\.weight$", 0, 2),
        }
    return None


def _generator_options(state: State, prefix: str) -> Options:
    blocks = count(state, r"blocks\.(\d{1,6})\.", 0)
    _require_blocks(blocks, 1, prefix)
    widths = [shape_of(state, f"blocks.{i}.conv1.weight", 4, prefix)[0] for i in range(blocks)]
    latent_dim = max(shape_of(state, "blocks.0.to_style1.weight", 2, prefix), key=lambda n: n != widths[0])
    return {
        "kind": "stylegan2-generator",
        "image_size": 2 ** (blocks + 1),
        "latent_dim": latent_dim,
        **_capacity(widths[::-1], 2),
    }


def _discriminator_options(state: State, prefix: str) -> Options:
    blocks = count(state, r"blocks\.(\d{1,6})\.", 0)
    _require_blocks(blocks, 2, prefix)
    widths = [shape_of(state, f"blocks.{i}.net.0.weight", 4, prefix)[0] for i in range(blocks)]
    return {"kind": "stylegan2-discriminator", "image_size": 2**blocks, **_capacity(widths, 4)}


def _require_blocks(blocks: int, least: int, prefix: str) -> None:
    if not least <= blocks <= 11:
        raise WeightError(f"{prefix}has {blocks} blocks; {least} to 11 are supported")


def _capacity(widths: list[int], factor: int) -> dict[str, int]:
    """Return the options that give these widths, which double from factor * network_capacity up to fmap_max."""
    capacity = max(1, widths[0] // factor)
    most = capacity * factor * 2 ** (len(widths) - 1)
    return {"network_capacity": capacity, "fmap_max": _FMAP_MAX if widths[-1] >= min(most, _FMAP_MAX) else widths[-1]}


def build(options: Options, _revision: str | None = None) -> nn.Layer:
    """Return a network of the options that `infer_options` returns, with fresh weights."""
    given = {name: value for name, value in options.items() if name != "kind"}
    kinds = {
        "stylegan2-style": StyleVectorizer,
        "stylegan2-generator": StyleGAN2Generator,
        "stylegan2-discriminator": StyleGAN2Discriminator,
    }
    return kinds[options["kind"]](**given)


def require_names(options: dict[str, Options], path: FilePath) -> None:
    """Raise WeightError if names and kinds do not fit, or a running mean has another size than its network."""
    require_kinds(options, NAMES, path)
    for name in ("S", "G"):
        mean = f"{name}E"
        if name in options and mean in options and options[name] != options[mean]:
            raise WeightError(f"{path}: {name} and its running mean {mean} are of different sizes")


def unpacked(checkpoint: Checkpoint, path: FilePath, notes: list[str]) -> Checkpoint | None:
    """Return the networks of a public file by name, None for any other file.

    Raises WeightError if a key belongs to no network, or the repeated discriminator differs.
    """
    whole = next((name for name, state in checkpoint.networks.items() if _is_public(name, state)), None)
    if whole is None:
        return None
    networks: dict[str, State] = {}
    repeated: State = {}
    where = f"{path}: {whole}" if whole else f"{path}"
    for key, array in checkpoint.networks[whole].items():
        name, _, rest = key.partition(".")
        if key.startswith(_REPEATED):
            repeated[key.removeprefix(_REPEATED)] = array
        elif name in NAMES and rest:
            networks.setdefault(name, {})[rest] = array
        elif key.startswith(_LEARNER):
            raise WeightError(f"{where}: was made with --cl-reg ({key!r}), which is not supported here")
        else:
            raise WeightError(f"{where}: {key!r} belongs to none of {', '.join(NAMES)}")
    if repeated:
        _require_repetition(repeated, networks.get("D", {}), where)
        notes.append(f"{len(repeated)} arrays {_REPEATED}* repeat those of D: dropped, written again for PyTorch")
    checkpoint.account.dropped |= {name: "stands beside the networks" for name in checkpoint.networks if name != whole}
    metadata = checkpoint.metadata  # of a file that was written here, which need no options from elsewhere
    if "networks" not in metadata:
        metadata = metadata | _metadata(networks, path, notes)
    return replace(checkpoint, networks=networks, metadata=metadata)


def _is_public(name: str, state: State) -> bool:
    """Return whether this state dict holds all networks, with their names as prefixes."""
    return name.rpartition(".")[2] == _WHOLE or "S.net.0.weight" in state


def _metadata(networks: dict[str, State], path: FilePath, notes: list[str]) -> dict[str, dict[str, Options]]:
    """Return the options of the style networks that do not show in them."""
    states = {name: networks.get(name, {}) for name in ("G", "D")}
    found = {name: infer_options(state, "torch", f"{path}: {name}: ") for name, state in states.items()}
    options = {name: each for name, each in found.items() if each}
    hidden = hidden_options(path, options, notes)
    return {"networks": {name: hidden for name in ("S", "SE")}}


def _require_repetition(repeated: State, original: State, where: str) -> None:
    """Raise WeightError unless the arrays are equal bit for bit."""
    if odd := sorted(set(repeated) ^ set(original)):
        raise WeightError(f"{where}: D and D_aug.D do not have the same keys: {listed(odd)}")
    for key, array in repeated.items():
        same = array.dtype == original[key].dtype and array.shape == original[key].shape
        if not same or not np.array_equal(array.view(np.uint8), original[key].view(np.uint8)):
            raise WeightError(f"{where}: {_REPEATED}{key} differs from D.{key}")


def packed(checkpoint: Checkpoint) -> Checkpoint:
    """Return the public form of named networks; a bare one is returned unchanged."""
    if "" in checkpoint.networks:
        return checkpoint
    whole: State = {}
    for name in NAMES:
        whole |= {f"{name}.{key}": array for key, array in checkpoint.networks.get(name, {}).items()}
    whole |= {f"{_REPEATED}{key}": array for key, array in checkpoint.networks.get("D", {}).items()}
    return replace(checkpoint, networks={_WHOLE: whole})
