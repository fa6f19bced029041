"""What `export` exports of a checkpoint: which of its networks, and under which names."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paddle import nn

from paddle_ugatit.backend.errors import InputError, UsageError
from paddle_ugatit.cli import stylize
from paddle_ugatit.deploy.exports import export_generator
from paddle_ugatit.deploy.proof import Exported
from paddle_ugatit.deploy.siblings import export_sagan, export_stylegan2, export_styles, export_transfer
from paddle_ugatit.inference.sheets import GENERATORS
from paddle_ugatit.models.adain import Decoder, Encoder
from paddle_ugatit.models.sagan import SAGANGenerator
from paddle_ugatit.models.stylegan2 import StyleGAN2Generator, StyleVectorizer
from paddle_ugatit.models.ugatit import ResnetGenerator
from paddle_ugatit.weights import load_networks
from paddle_ugatit.weights.pretrained import pretrained

_SIBLINGS = ("encoder", "decoder", "G", "S", "GE", "SE")


@dataclass(frozen=True)
class Chosen:
    """The networks of a file that are exported: a generator of U-GAT-IT, or those of a sibling by name."""

    generator: ResnetGenerator | None
    siblings: dict[str, nn.Layer]

    def stored_bytes(self, kind: str) -> int:
        """Return about how many bytes the weights of the largest network take as `kind`."""
        share = {"float32": 4, "float16": 2, "int8": 1}[kind]
        networks = [self.generator] if self.generator is not None else list(self.siblings.values())
        return max(sum(share * int(each.size) for each in network.parameters()) for network in networks)

    def exports(self, arguments: argparse.Namespace) -> dict[str, Exported]:
        """Return the exports by name. Raises ValueError or InputError if there are no such models."""
        kind = arguments.weights_as
        if self.generator is not None:
            exported = export_generator(self.generator, arguments.picture, arguments.size, kind)
            exported.graph.metadata["direction"] = arguments.direction
            return {arguments.direction: exported}
        return {name: _EXPORTS[name](network, kind) for name, network in self.siblings.items()}


_EXPORTS: dict[str, Callable[[Any, str], Exported]] = {
    "adain": export_transfer,
    "sagan": export_sagan,
    "stylegan2": export_stylegan2,
    "stylegan2-styles": export_styles,
}


def chosen(arguments: argparse.Namespace) -> Chosen:
    """Load the networks that are exported.

    Raises InputError if the file holds none that can be, UsageError if an option is for other networks.
    """
    there = GENERATORS[arguments.direction][0]
    networks = load_networks(pretrained(arguments.weights), "float32", arguments.revision, (there, "", *_SIBLINGS))
    if not networks:
        raise InputError(f"{arguments.weights}: lacks {there}")
    generator = networks.get(there, networks.get(""))
    adain = any(isinstance(network, Encoder | Decoder) for network in networks.values())
    if arguments.encoder and not adain:
        raise UsageError(f"{arguments.weights}: --encoder is for a decoder of AdaIN")
    if isinstance(generator, ResnetGenerator):
        return Chosen(generator, {})
    if arguments.picture or arguments.size is not None or arguments.check:
        raise UsageError(f"{arguments.weights}: --picture, --size and --check are for generators of U-GAT-IT")
    return Chosen(None, {"adain": stylize.load(arguments)} if adain else _of_latents(networks, arguments.weights))


def _of_latents(networks: dict, path: str) -> dict[str, nn.Layer]:
    """Return the networks that make images from latents; of StyleGAN2 the running means where they are there."""
    made, styles = (networks.get(f"{name}E", networks.get(name, networks.get(""))) for name in "GS")
    found: dict[str, nn.Layer] = {}
    if isinstance(made, SAGANGenerator):
        found["sagan"] = made
    if isinstance(made, StyleGAN2Generator):
        found["stylegan2"] = made
    if isinstance(styles, StyleVectorizer):
        found["stylegan2-styles"] = styles
    if not found:
        kinds = ", ".join(sorted({type(network).__name__ for network in networks.values()}))
        raise InputError(f"{path}: holds {kinds}, which cannot be exported")
    return found
