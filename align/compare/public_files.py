"""Small checkpoints as the public programs save them, from the PyTorch twins, with what each must be read as.

Nothing of the port is asked: options are those that the networks were built with, and an array is transposed in Paddle
if it is the weight of a fully connected layer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from torch_ref.models import adain, mtcnn, sagan, stylegan2
from torch_ref.models.inception import InceptionV3
from torch_ref.models.ugatit import Discriminator, ResnetGenerator

Networks = dict[str, nn.Module]
UNREAD = (32, 35, 38, 42, 45, 48, 51)  # VGG-19's convolutions after relu4_1


@dataclass(frozen=True)
class PublicFile:
    """A checkpoint: what is saved, and the networks that are in it with their options, by name."""

    system: str
    model: str
    revision: str
    networks: Networks
    options: dict[str, dict[str, Any]]
    saved: Any = None  # what torch.save is given; by default the state dicts by name, or the one of a bare network
    given: dict[str, Any] = field(default_factory=dict)  # arguments of `convert` that the file needs
    texts: dict[str, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()  # entries that are left aside
    changed: tuple[str, ...] = ()  # what a file that is written again does not have as it was: keys that were added
    beside: dict[str, str] = field(default_factory=dict)  # other files in the folder
    lines: int = 0  # on what was changed or is assumed

    @property
    def source(self) -> str:
        """The file of the port that is about such checkpoints."""
        return f"paddle_ugatit/weights/{self.system}.py"

    @property
    def content(self) -> Any:
        """What torch.save is given."""
        if self.saved is not None:
            return self.saved
        states = {name: net.state_dict() for name, net in self.networks.items()}
        return states[""] if list(states) == [""] else states


def in_paddle(net: nn.Module) -> dict[str, np.ndarray]:
    """Return a network's arrays as Paddle holds them: (in,out) for the weight of a fully connected layer."""
    found = {}
    for key, tensor in net.state_dict().items():
        path, _, leaf = key.rpartition(".")
        linear = isinstance(net.get_submodule(path), nn.Linear | stylegan2.EqualLinear)
        array = tensor.detach().numpy()
        found[key] = array.T if linear and leaf in ("weight", "weight_orig") else array
    return found


def public_files() -> dict[str, Callable[[], PublicFile]]:
    """Return name -> a function that makes the file."""
    return {
        "U-GAT-IT, light": lambda: _ugatit("current", light=True),
        "U-GAT-IT, full": lambda: _ugatit("current", light=False),
        "U-GAT-IT, initial": lambda: _ugatit("initial", light=True),
        "U-GAT-IT, tensorflow": lambda: _ugatit("tensorflow", light=False),
        "U-GAT-IT, older heads": lambda: _ugatit("tensorflow", light=True, older_cam=True),
        "U-GAT-IT, one generator": lambda: _one("ugatit", "ugatit", "current", *_generator(size=20, ngf=3, n_blocks=2)),
        "U-GAT-IT, one discriminator": lambda: _one("ugatit", "ugatit", "current", *_discriminator(5, ndf=3)),
        "Inception": lambda: _one("inception", "inception", "2015-12-05", *_inception(16)),
        "MTCNN": _mtcnn,
        "MTCNN, PNet": lambda: _one("mtcnn", "mtcnn", "2016", mtcnn.PNet(), {"kind": "pnet"}),
        "AdaIN, decoder": lambda: _one("adain", "adain", "2017", *_adain("decoder", 3)),
        "AdaIN, VGG-19": _vgg,
        "AdaIN, both": _adain_pair,
        "SAGAN": lambda: _sagan(32),
        "SAGAN, generator": lambda: _one("sagan", "sagan", "public", *_sagan_network("G", 16)),
        "SAGAN, before counters": _old_sagan,
        "StyleGAN2": lambda: _stylegan2({"S": 8, "G": 8, "D": 8, "SE": 8, "GE": 8}, "1.5.1"),
        "StyleGAN2, lr_mlp": lambda: _stylegan2({"S": 8, "G": 8, "D": 8}, "1.5.1", config='{"lr_mlp": 0.02}'),
        "StyleGAN2, other .config": lambda: _stylegan2(
            {"S": 8, "G": 8}, "1.5.1", config='{"image_size": 64, "lr_mlp": 0.02}', lr_mul=0.1
        ),
        "StyleGAN2, style networks": lambda: _stylegan2(
            {"S": 8, "SE": 8}, "1", config='{"lr_mlp": 0.02, "image_size": 8}'
        ),
        "StyleGAN2, flat": lambda: _stylegan2({"S": 16, "G": 16, "D": 16}, ""),
        "StyleGAN2, capped": lambda: _stylegan2({"G": 32, "D": 32}, "1", fmap_max=12),
        "StyleGAN2, narrow": lambda: _stylegan2({"G": 8, "D": 8}, "1", capacity=1),
        "StyleGAN2, one style network": lambda: _one("stylegan2", "stylegan2", "small", *_style_network("S", 8)),
    }


def _randomised(net: nn.Module, seed: int) -> nn.Module:
    """Values that differ everywhere, so that no two arrays can be exchanged unseen; counters too."""
    generator = torch.Generator().manual_seed(seed)
    for key, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.25)
        elif key.endswith("num_batches_tracked"):
            tensor.fill_(seed + 3)
    return net


def _one(system: str, model: str, revision: str, net: nn.Module, options: dict[str, Any]) -> PublicFile:
    return PublicFile(system, model, revision, {"": _randomised(net, 1)}, {"": options})


def _generator(
    size: int = 16, ngf: int = 2, n_blocks: int = 1, light: bool = False, nc: tuple[int, int] = (3, 2), **variant: Any
) -> tuple[nn.Module, dict[str, Any]]:
    made = ResnetGenerator(*nc, ngf, n_blocks, size, light, **variant)
    options = {"kind": "generator", "input_nc": nc[0], "output_nc": nc[1], "ngf": ngf, "n_blocks": n_blocks}
    return made, options | {"img_size": None if light else size, "light": light} | _shown(variant)


def _discriminator(n_layers: int, ndf: int = 2, nc: int = 4, **variant: Any) -> tuple[nn.Module, dict[str, Any]]:
    options = {"kind": "discriminator", "input_nc": nc, "ndf": ndf, "n_layers": n_layers}
    return Discriminator(nc, ndf, n_layers, **variant), options | _shown(variant)


def _shown(variant: dict[str, Any]) -> dict[str, Any]:
    """The options of a variant that keys show: the revision tensorflow, and its older heads."""
    if variant.get("revision") != "tensorflow":
        return {}
    return {"revision": "tensorflow"} | ({"older_cam": True} if variant.get("older_cam") else {})


def _ugatit(revision: str, light: bool, older_cam: bool = False) -> PublicFile:
    variant = {"revision": revision, "older_cam": older_cam}
    made = {name: _generator(light=light, nc=(3, 3), **variant) for name in ("genA2B", "genB2A")}
    made |= {name: _discriminator(5, nc=3, **variant) for name in ("disGA", "disGB")}
    made |= {name: _discriminator(3, nc=3, **variant) for name in ("disLA", "disLB")}
    networks = {name: _randomised(net, seed) for seed, (name, (net, _)) in enumerate(made.items())}
    model = "ugatit" if revision == "current" else f"ugatit-{revision}"
    given = {"model": model} if revision == "initial" else {}
    return PublicFile(
        "ugatit", model, revision, networks, {name: each for name, (_, each) in made.items()}, given=given
    )


def _inception(narrow: int) -> tuple[nn.Module, dict[str, Any]]:
    return InceptionV3(narrow), {"kind": "inception", "narrow": narrow}


def _adain(kind: str, ch: int) -> tuple[nn.Module, dict[str, Any]]:
    return {"encoder": adain.Encoder, "decoder": adain.Decoder}[kind](ch), {"kind": kind, "ch": ch}


def _mtcnn() -> PublicFile:
    made = {"pnet": mtcnn.PNet(), "rnet": mtcnn.RNet(), "onet": mtcnn.ONet()}
    networks = {name: _randomised(net, seed) for seed, (name, net) in enumerate(made.items())}
    return PublicFile("mtcnn", "mtcnn", "2016", networks, {name: {"kind": name} for name in made})


def _adain_pair() -> PublicFile:
    made = {kind: _adain(kind, 2) for kind in ("encoder", "decoder")}
    networks = {kind: _randomised(net, seed) for seed, (kind, (net, _)) in enumerate(made.items())}
    return PublicFile("adain", "adain", "2017", networks, {kind: options for kind, (_, options) in made.items()})


def _vgg() -> PublicFile:
    """All of VGG-19, of which the layers after relu4_1 are not used."""
    encoder, options = _adain("encoder", 2)
    state = dict(_randomised(encoder, 2).state_dict())
    later = {f"{place}.{leaf}": torch.rand(shape) for place in UNREAD for leaf, shape in _OF_16.items()}
    return PublicFile(
        "adain", "adain", "2017", {"": encoder}, {"": options}, state | later, changed=tuple(later), lines=1
    )


_OF_16 = {"weight": (16, 16, 3, 3), "bias": (16,)}


def _sagan_network(name: str, size: int) -> tuple[nn.Module, dict[str, Any]]:
    if name == "G":
        options = {"image_size": size, "z_dim": 5, "conv_dim": 8}
        return sagan.SAGANGenerator(size, 5, 8), {"kind": "SAGAN generator"} | options
    return sagan.SAGANDiscriminator(size, 8), {"kind": "SAGAN discriminator", "image_size": size, "conv_dim": 8}


def _sagan(size: int) -> PublicFile:
    made = {name: _sagan_network(name, size) for name in "GD"}
    networks = {name: _randomised(net, seed) for seed, (name, (net, _)) in enumerate(made.items())}
    return PublicFile("sagan", "sagan", "public", networks, {name: options for name, (_, options) in made.items()})


def _old_sagan() -> PublicFile:
    """A file of PyTorch before 0.4.1, without the counters of batch norms, which are taken as 0."""
    file = _sagan(16)
    for key, tensor in file.networks["G"].state_dict().items():
        if key.endswith("num_batches_tracked"):
            tensor.fill_(0)
    states = {name: net.state_dict() for name, net in file.networks.items()}
    counters = [key for key in states["G"] if key.endswith("num_batches_tracked")]
    states["G"] = {key: tensor for key, tensor in states["G"].items() if key not in counters}
    added = tuple(f"G/{key}" for key in counters)
    return PublicFile("sagan", "sagan", "public", file.networks, file.options, states, changed=added, lines=1)


def _style_network(
    name: str, size: int, fmap_max: int = 512, lr_mul: float = 0.1, capacity: int = 2
) -> tuple[nn.Module, dict[str, Any]]:
    if name.startswith("S"):
        hidden = {} if lr_mul == 0.1 else {"lr_mul": lr_mul}
        return stylegan2.StyleVectorizer(5, 3, lr_mul), {
            "kind": "stylegan2-style",
            "latent_dim": 5,
            "depth": 3,
        } | hidden
    widths = {"network_capacity": capacity, "fmap_max": fmap_max}
    if name.startswith("G"):
        made = stylegan2.StyleGAN2Generator(size, 5, *widths.values())
        return made, {"kind": "stylegan2-generator", "image_size": size, "latent_dim": 5} | widths
    made = stylegan2.StyleGAN2Discriminator(size, *widths.values())
    return made, {"kind": "stylegan2-discriminator", "image_size": size} | widths


def kinds_of(name: str) -> set[str]:
    """Return the names of StyleGAN2's networks of the same kind."""
    return {name[0], f"{name[0]}E"}


def _stylegan2(
    sizes: dict[str, int],
    version: str,
    fmap_max: int = 512,
    config: str = "",
    lr_mul: float | None = None,
    capacity: int = 2,
) -> PublicFile:
    """All networks in one state dict with D twice; with a version under "GAN", else as before July 2020."""
    lr_mul = (0.02 if config else 0.1) if lr_mul is None else lr_mul
    made = {name: _style_network(name, size, fmap_max, lr_mul, capacity) for name, size in sizes.items()}
    networks = {name: _randomised(net, seed) for seed, (name, (net, _)) in enumerate(made.items())}
    whole = {f"{name}.{key}": tensor for name, net in networks.items() for key, tensor in net.state_dict().items()}
    twice = networks["D"].state_dict() if "D" in networks else {}
    whole |= {f"D_aug.D.{key}": tensor for key, tensor in twice.items()}
    absent = {"S", "G", "D", "SE", "GE"} - set(networks)
    return PublicFile(
        "stylegan2",
        "stylegan2",
        "small",
        networks,
        {name: options for name, (_, options) in made.items()},
        {"GAN": whole, "version": version} if version else whole,
        texts={"version": version} if version else {},
        beside={".config.json": config} if config else {},
        lines=bool(twice) + 1 + bool(version) + any(kinds_of(name) & set(networks) for name in absent),
    )
