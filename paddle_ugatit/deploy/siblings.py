"""The exports of AdaIN's style transfer, SAGAN's generator, and StyleGAN2's networks.

Contents: export_transfer, export_sagan, export_stylegan2, export_styles. The oneDNN of paddle.inference, in Paddle 2.6
and 3.3, computes the generators of SAGAN and StyleGAN2 wrongly, by as much as their values: they are proved without.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddle_ugatit import __version__
from paddle_ugatit.deploy.adain import build_transfer_graph
from paddle_ugatit.deploy.compressed import compressed
from paddle_ugatit.deploy.exports import random_image
from paddle_ugatit.deploy.graph import Graph
from paddle_ugatit.deploy.proof import Arrays, Exported
from paddle_ugatit.deploy.sagan import build_sagan_graph
from paddle_ugatit.deploy.stylegan2 import build_stylegan2_graph, build_styles_graph
from paddle_ugatit.models.adain import StyleTransfer
from paddle_ugatit.models.sagan import SAGANGenerator
from paddle_ugatit.models.stylegan2 import StyleGAN2Generator, StyleVectorizer

MEANINGS = {
    "content": "the image that gets the style, RGB from 0 to 1",
    "style": "the image that gives it, RGB from 0 to 1",
    "alpha": "the strength of the style, from 0 to 1",
    "stylised": "the stylised image, about from 0 to 1: clip it",
    "z": "a latent of independent normal numbers",
    "image": "the image, RGB",
    "attention1": "to which pixels each pixel of the first map attends",
    "attention2": "to which pixels each pixel of the second map attends",
    "styles": "a style for each block",
    "noise": "uniform numbers from 0 to 1",
}


def export_transfer(network: StyleTransfer, kind: str = "float32") -> Exported:
    """Return the export of AdaIN's encoder and decoder as one model."""
    inputs: list[Arrays] = []
    for i, (content, style, alpha) in enumerate((((2, 24, 17), (1, 9, 16), 0.7), ((1, 9, 10), (1, 20, 11), 1.0))):
        images = (share(2 * i + j, shape[0], 3, *shape[1:]) for j, shape in enumerate((content, style)))
        inputs.append({**dict(zip(("content", "style"), images, strict=True)), "alpha": np.array([alpha], np.float32)})

    def compute(transfer: nn.Layer, given: Arrays) -> Arrays:
        content, style = paddle.to_tensor(given["content"]), paddle.to_tensor(given["style"])
        return {"stylised": transfer(content, style, alpha=float(given["alpha"][0])).numpy()}

    about = {"model": "AdaIN style transfer", "ch": network.encoder.ch}
    return _exported(build_transfer_graph(network), network, compute, inputs, about, kind)


def export_sagan(network: SAGANGenerator, kind: str = "float32") -> Exported:
    """Return the export of SAGAN's generator."""
    inputs = [{"z": 2 * random_image(i, batch, network.z_dim)} for i, batch in enumerate((2, 1))]

    def compute(generator: nn.Layer, given: Arrays) -> Arrays:
        names = ("image", "attention1", "attention2")
        return {name: each.numpy() for name, each in zip(names, generator(paddle.to_tensor(given["z"])), strict=True)}

    about = {"model": "SAGAN generator", "img_size": network.image_size, "z_dim": network.z_dim}
    return _exported(build_sagan_graph(network), network, compute, inputs, about, kind, one_dnn=False)


def export_stylegan2(network: StyleGAN2Generator, kind: str = "float32") -> Exported:
    """Return the export of StyleGAN2's generator."""
    size = network.image_size
    inputs = [
        {
            "styles": random_image(2 * i, batch, network.num_layers, network.latent_dim),
            "noise": share(2 * i + 1, batch, size, size, 1),
        }
        for i, batch in enumerate((2, 1))
    ]

    def compute(generator: nn.Layer, given: Arrays) -> Arrays:
        return {"image": generator(*(paddle.to_tensor(given[name]) for name in ("styles", "noise"))).numpy()}

    about = {"model": "StyleGAN2 generator", "img_size": size, "latent_dim": network.latent_dim}
    return _exported(build_stylegan2_graph(network), network, compute, inputs, about, kind, one_dnn=False)


def export_styles(network: StyleVectorizer, kind: str = "float32") -> Exported:
    """Return the export of StyleGAN2's style network."""
    latent = int(network.net[0].weight.shape[0])
    inputs = [{"z": 2 * random_image(i, batch, latent)} for i, batch in enumerate((2, 1))]

    def compute(styles: nn.Layer, given: Arrays) -> Arrays:
        return {"style": styles(paddle.to_tensor(given["z"])).numpy()}

    about = {"model": "StyleGAN2 style network", "latent_dim": latent}
    meanings = MEANINGS | {"style": "the style, for every block or some of them"}
    return _exported(build_styles_graph(network), network, compute, inputs, about, kind, meanings)


def share(seed: int, *shape: int) -> np.ndarray:
    """Return uniform random numbers in [0,1): float32 of this shape."""
    return (random_image(seed, *shape) + 1) / 2


def _exported(
    graph: Graph,
    network: nn.Layer,
    compute: Callable[[Any, Arrays], Arrays],
    inputs: list[Arrays],
    about: dict[str, Any],
    kind: str,
    meanings: dict[str, str] = MEANINGS,
    one_dnn: bool = True,
) -> Exported:
    graph = compressed(graph, kind)
    graph.metadata = {name: str(value) for name, value in about.items()}
    graph.metadata |= {"producer": f"paddle-ugatit {__version__}", "weights": kind}
    return Exported(graph, network, compute, inputs, meanings, one_dnn)
