"""An exported generator on pictures, against what tools/translate.py makes of them.

Contents: Levels, PictureCheck. ONNX Runtime computes the file, or run.py in float32 where that is not installed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from paddle import nn
from PIL import Image

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data.images import ImageError, read_picture
from paddle_ugatit.data.transforms import test_pixels, to_input, to_pixels
from paddle_ugatit.deploy.graph import Graph
from paddle_ugatit.deploy.onnx_file import read_onnx
from paddle_ugatit.deploy.proof import Arrays, OnnxRuntime, network_of
from paddle_ugatit.deploy.run import run
from paddle_ugatit.formats.checkpoint import FilePath
from paddle_ugatit.inference.translate import generate, require_size
from paddle_ugatit.models.ugatit import ResnetGenerator

LARGEST = 1024  # pixels: a longer side is reduced to it
MOST = 1  # level by which a value may differ, since both round what float32 leaves of it


@dataclass(frozen=True)
class Levels:
    """By how many levels of 255 two images differ, at most and on average, and in what share of their values."""

    largest: int
    mean: float
    share: float

    @classmethod
    def of(cls, one: np.ndarray, other: np.ndarray) -> "Levels":
        """Return the difference of two images, uint8 of one shape."""
        away = np.abs(one.astype(int) - other.astype(int))
        return cls(int(away.max()), float(away.mean()), float((away > 0).mean()))

    @classmethod
    def of_all(cls, several: list["Levels"]) -> "Levels":
        """Return the largest of several differences, and the means of the others over the images."""
        mean, share = (
            sum(values) / len(several) for values in zip(*((each.mean, each.share) for each in several), strict=True)
        )
        return cls(max(each.largest for each in several), mean, share)

    def __str__(self) -> str:
        most = f"at most {self.largest} level{'s' * (self.largest != 1)}"
        return f"{most}, {self.mean:.4f} on average, in {100 * self.share:.3f} % of the values"


class PictureCheck:
    """Compares what was exported with its network on pictures.

    `computed` computes the export; `side` is the size to which pictures are resized first, if any.
    """

    def __init__(
        self, graph: Graph, computed: Callable[[Arrays], Arrays], network: ResnetGenerator, side: int | None
    ) -> None:
        self.computed, self.network, self.side = computed, network, side
        self.same_weights = network_of(network, graph, "float32")
        self.compressed = graph.metadata.get("weights", "float32") != "float32"
        self.pixels = graph.inputs[0].name == "picture"

    @classmethod
    def of_onnx(cls, path: FilePath, network: ResnetGenerator, side: int | None) -> "PictureCheck":
        """Return the check of an ONNX file."""
        graph, runtime = read_onnx(path), OnnxRuntime.of(path)
        return cls(graph, runtime.run if runtime else lambda inputs: run(graph, inputs), network, side)

    def lines(self, paths: list[Path]) -> list[str]:
        """Return a line on each picture, and one on all of them if there are several.

        Raises InputError if the file differs from its network by more than a level.
        """
        found = [self.compare(path) for path in paths]
        lines = [self.said(f"{path} ({size})", [levels]) for path, (size, levels) in zip(paths, found, strict=True)]
        return lines if len(paths) == 1 else [*lines, self.said(f"{len(paths)} pictures", [each for _, each in found])]

    def said(self, what: str, found: list[list["Levels"]]) -> str:
        """Return a line on one or more pictures."""
        line = f"{what}: differs from translate by {Levels.of_all([each[0] for each in found])}"
        if self.compressed:
            line += f"; from the weights in float32 by {Levels.of_all([each[1] for each in found])}"
        return line

    def compare(self, path: Path) -> tuple[str, list["Levels"]]:
        """Return the size of a picture, and how it differs from the network's: with the file's weights, and its own.

        Raises InputError if the former is more than a level.
        """
        pixels = self.read(path)
        found, size = self.translated(pixels), f"{pixels.shape[1]}x{pixels.shape[0]}"
        with_same = Levels.of(found, by_network(self.same_weights, pixels))
        if with_same.largest > MOST:
            raise InputError(f"{path} ({size}): differs from translate by {with_same}: the file is wrong")
        return size, [with_same, *([Levels.of(found, by_network(self.network, pixels))] if self.compressed else [])]

    def read(self, path: Path) -> np.ndarray:
        """Read a picture at the size at which it is compared: uint8 (H,W,3). Raises ImageError if that cannot be."""
        picture = read_picture(path)
        if self.side is not None:
            return test_pixels(picture, self.side)
        if (longest := max(picture.size)) > LARGEST:
            width, height = (max(1, round(size * LARGEST / longest)) for size in picture.size)
            picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        try:
            require_size(self.network, picture.height, picture.width)
        except InputError as error:
            raise ImageError(f"{path}: {error}") from error
        return np.array(picture)

    def translated(self, pixels: np.ndarray) -> np.ndarray:
        """Return what the file makes of an image: uint8 (H,W,3) -> uint8 (H,W,3)."""
        if self.pixels:
            return self.computed({"picture": pixels[None]})["translated"][0]
        height, width = pixels.shape[:2]
        image = np.pad(to_input(pixels), ((0, 0), (0, -height % 4), (0, -width % 4)), "reflect")
        return to_pixels(self.computed({"image": image[None]})["translated"][0, :, :height, :width])


def by_network(network: nn.Layer, pixels: np.ndarray) -> np.ndarray:
    """Return what `translate` makes of an image: uint8 (H,W,3) -> uint8 (H,W,3)."""
    return to_pixels(generate(network, to_input(pixels)[None])[0][0])
