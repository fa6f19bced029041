"""What can be exported, as `Exported`: the graph of a network and what its proof needs; and how files are written.

Contents: export_generator, write_proved, ProofError, about_generator.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from paddle_ugatit import __version__
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data.transforms import random_bits
from paddle_ugatit.deploy.compressed import compressed
from paddle_ugatit.deploy.graph import Graph
from paddle_ugatit.deploy.onnx_file import encoded, nbytes_of, require_fitting
from paddle_ugatit.deploy.picture import build_picture_graph
from paddle_ugatit.deploy.proof import Arrays, Exported, Proof, prove
from paddle_ugatit.deploy.ugatit import build_generator_graph, channels
from paddle_ugatit.formats.atomic import replacing
from paddle_ugatit.formats.checkpoint import FilePath
from paddle_ugatit.models.ugatit import ResnetGenerator

MEANINGS = {
    "image": "an image, channels first, from -1 to 1",
    "picture": "a picture, RGB, from 0 to 255",
    "translated": "the translated image or picture, of the same kind",
    "cam_logit": "the logits of the class activation, by the mean and by the maximum",
    "heatmap": "where the generator looks; not normalised",
}
SIZES = ((2, 32, 32), (1, 27, 36), (1, 5, 7))  # batch, height, width of the proof's images, where they may vary


class ProofError(InputError):
    """A file does not compute what its network does; the message says by how much, and nothing was written."""


def export_generator(
    network: ResnetGenerator, picture: bool = False, size: int | None = None, kind: str = "float32"
) -> Exported:
    """Return the export of a generator of U-GAT-IT, as a model of images or of pictures, with weights stored as `kind`.

    Raises ValueError or InputError if there is no such model.
    """
    graph = (build_picture_graph if picture else build_generator_graph)(network, size)
    graph = compressed(graph, kind)
    graph.metadata = about_generator(network) | {"producer": f"paddle-ugatit {__version__}", "weights": kind}
    side = size if network.light else network.img_size
    shapes = [(1, side, side)] if side else SIZES
    if picture:
        inputs = [{"picture": random_picture(i, *shape, 3)} for i, shape in enumerate(shapes)]
        return Exported(graph, network, of_picture, inputs, MEANINGS)
    inputs = [
        {"image": random_image(i, batch, channels(network)[0], *sides)} for i, (batch, *sides) in enumerate(shapes)
    ]
    return Exported(graph, network, of_image, inputs, MEANINGS)


def about_generator(network: ResnetGenerator) -> dict[str, str]:
    """Return what a generator is, as texts for a file's metadata."""
    about: dict[str, Any] = {
        "model": "U-GAT-IT generator",
        "light": str(network.light).lower(),
        "ch": network.DownBlock[1].weight.shape[0],
        "n_blocks": network.n_blocks,
        "revision": network.UpBlock2[3].revision,
    }
    if not network.light:
        about["img_size"] = network.img_size
    return {name: str(value) for name, value in about.items()}


def of_image(network: ResnetGenerator, inputs: Arrays) -> Arrays:
    """Return the network's outputs by name for images (B,in,H,W)."""
    outputs = network(paddle.to_tensor(inputs["image"]))
    return {name: each.numpy() for name, each in zip(("translated", "cam_logit", "heatmap"), outputs, strict=True)}


def of_picture(network: ResnetGenerator, inputs: Arrays) -> Arrays:
    """Return the levels, 0 to 255 and not rounded, that the network makes of pictures (B,H,W,3), and the heatmap."""
    dtype = network.conv1x1.weight.numpy().dtype
    pictures = inputs["picture"]
    images = ((pictures.astype(dtype) / 255 - 0.5) / 0.5).transpose(0, 3, 1, 2)
    height, width = images.shape[2:]
    images = np.pad(images, ((0, 0), (0, 0), (0, -height % 4), (0, -width % 4)), "reflect")
    outputs = of_image(network, {"image": np.ascontiguousarray(images)})
    levels = (outputs["translated"][:, :, :height, :width].transpose(0, 2, 3, 1) + 1) * 127.5
    return {"translated": levels, "levels": levels, "heatmap": outputs["heatmap"]}


def random_image(seed: int, *shape: int) -> np.ndarray:
    """Return uniform random numbers in [-1,1): float32 of this shape."""
    bits = random_bits(seed, count=int(np.prod(shape))) >> np.uint64(40)
    return (bits.astype(np.float32) / np.float32(2**23) - 1).reshape(shape)


def random_picture(seed: int, *shape: int) -> np.ndarray:
    """Return uniform random pixels: uint8 of this shape."""
    return (random_bits(seed, count=int(np.prod(shape))) >> np.uint64(56)).astype(np.uint8).reshape(shape)


def require_finite_weights(graph: Graph) -> None:
    """Raise InputError if an array of a graph holds NaN or infinity."""
    for name, array in graph.arrays.items():
        if not np.isfinite(array).all():
            raise InputError(f"{name}: holds NaN or infinity: the weights are damaged")


def write_proved(path: FilePath, exported: Exported, also: Callable[[Path], None] | None = None) -> Proof:
    """Write an ONNX file and prove it; the file takes its place only if it is proved, and if `also` accepts it.

    `also` gets the file's temporary path. Raises ProofError if the proof fails, CheckpointError if the file would be
    larger than 2 GiB, and WriteError if it cannot be written.
    """
    require_fitting(path, nbytes_of(exported.graph))
    require_finite_weights(exported.graph)
    with replacing(path) as file:
        for chunk in encoded(exported.graph):
            file.write(chunk)
        file.flush()
        try:
            proof = prove(file.name, exported)
            if faults := proof.faults():
                raise ProofError(f"{path}: does not compute what the network does: {'; '.join(faults)}")
            if also:
                also(Path(file.name))
        except InputError as error:
            raise ProofError(str(error).replace(file.name, str(path))) from error
    return proof
