"""Many pictures as one: grids, and U-GAT-IT's sample sheet of seven rows per image, with CAM heatmaps."""

import numpy as np

from paddle_ugatit.data.transforms import to_pixels
from paddle_ugatit.inference import heatmaps
from paddle_ugatit.inference.translate import generate

GENERATORS = {"a2b": ("genA2B", "genB2A"), "b2a": ("genB2A", "genA2B")}  # there and back
ROWS = ("real", "identity heatmap", "identity", "translation heatmap", "translation", "cycle heatmap", "cycled")


def sheet(rows) -> np.ndarray:
    """Rows of images of one size, uint8 (H,W,3) each, as one picture: uint8 (rows*H, columns*W, 3)."""
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows])


def grid(images, columns) -> np.ndarray:
    """Images (n,3,H,W) in [-1,1], line by line: uint8 (lines*H, columns*W, 3); what the last line lacks is white."""
    pixels = to_pixels(images)
    empty = np.full((-len(pixels) % columns, *pixels.shape[1:]), 255, np.uint8)
    pixels = np.concatenate([pixels, empty])
    return sheet(pixels[i : i + columns] for i in range(0, len(pixels), columns))


def sample_sheet(networks, images, direction="a2b") -> np.ndarray:
    """The seven `ROWS` for images (n,3,H,W) in [-1,1], one a column: uint8 (7*H, n*W, 3).

    `networks` holds at least genA2B and genB2A. For "a2b" the images are of domain A, for "b2a" of B; the identity is
    what the way back makes of the image itself. The networks are left in the mode they were in.
    """
    there, back = (networks[name] for name in GENERATORS[direction])
    columns = [_column(there, back, np.asarray(image, dtype=np.float32)[None]) for image in images]
    return sheet(zip(*columns, strict=True))


def _column(there, back, image):
    """The seven pictures of one image (1,3,H,W)."""
    translated, translation_map = generate(there, image)
    cycled, cycle_map = generate(back, translated)
    identity, identity_map = generate(back, image)
    shown = [to_pixels(image[0])]
    for heatmap, result in ((identity_map, identity), (translation_map, translated), (cycle_map, cycled)):
        shown += [heatmap_pixels(heatmap[0], *image.shape[2:]), to_pixels(result[0])]
    return shown


def heatmap_pixels(heatmap, height, width) -> np.ndarray:
    """A heatmap (h,w) of `generate` in colours, at the size of its image: uint8 (height,width,3)."""
    padded = heatmaps.coloured(heatmap, height + -height % 4, width + -width % 4)
    return padded[:height, :width]
