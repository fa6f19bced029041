"""Many images as one: grids, and U-GAT-IT's sample sheet with seven rows per image and CAM heatmaps."""

from collections.abc import Iterable

import numpy as np

from paddle_ugatit.data.transforms import to_pixels
from paddle_ugatit.inference import heatmaps
from paddle_ugatit.inference.translate import generate
from paddle_ugatit.models.ugatit import ResnetGenerator

GENERATORS = {"a2b": ("genA2B", "genB2A"), "b2a": ("genB2A", "genA2B")}  # there and back
ROWS = ("real", "identity heatmap", "identity", "translation heatmap", "translation", "cycle heatmap", "cycled")


def sheet(rows: Iterable[Iterable[np.ndarray]]) -> np.ndarray:
    """Join rows of images of one size, uint8 (H,W,3) each, into one: uint8 (rows*H, columns*W, 3)."""
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows])


def grid(images: np.ndarray, columns: int) -> np.ndarray:
    """Arrange images (n,3,H,W) in [-1,1] in rows: uint8 (rows*H, columns*W, 3). The end of the last row is white."""
    pixels = to_pixels(images)
    empty = np.full((-len(pixels) % columns, *pixels.shape[1:]), 255, np.uint8)
    pixels = np.concatenate([pixels, empty])
    return sheet(pixels[i : i + columns] for i in range(0, len(pixels), columns))


def sample_sheet(
    networks: dict[str, ResnetGenerator], images: Iterable[np.ndarray], direction: str = "a2b"
) -> np.ndarray:
    """Draw the seven `ROWS` for images (n,3,H,W) in [-1,1], one column each: uint8 (7*H, n*W, 3).

    `networks` holds genA2B and genB2A. The images are of domain A for "a2b", of domain B for "b2a". The identity is
    the output of the generator into the image's own domain. The networks keep the mode they are in.
    """
    there, back = (networks[name] for name in GENERATORS[direction])
    columns = [_column(there, back, np.asarray(image, dtype=np.float32)[None]) for image in images]
    return sheet(zip(*columns, strict=True))


def _column(there: ResnetGenerator, back: ResnetGenerator, image: np.ndarray) -> list[np.ndarray]:
    """The seven rows of one image (1,3,H,W)."""
    translated, translation_map = generate(there, image)
    cycled, cycle_map = generate(back, translated)
    identity, identity_map = generate(back, image)
    shown = [to_pixels(image[0])]
    for heatmap, result in ((identity_map, identity), (translation_map, translated), (cycle_map, cycled)):
        shown += [heatmap_pixels(heatmap[0], *image.shape[2:]), to_pixels(result[0])]
    return shown


def heatmap_pixels(heatmap: np.ndarray, height: int, width: int) -> np.ndarray:
    """Colour a heatmap (h,w) from `generate` at the size of its image: uint8 (height,width,3)."""
    padded = heatmaps.coloured(heatmap, height + -height % 4, width + -width % 4)
    return padded[:height, :width]
