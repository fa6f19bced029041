"""An image under construction: float32 RGB in [0,1], painted layer by layer, then reduced to its final size.

OpenCV blends and reduces. It does not fill the shapes: they are implicit fields (shapes.py), whose distance to an edge
also gives outlines, soft borders, strands and shading, and from which a pixel's coverage follows exactly, while
`cv2.fillPoly` with LINE_AA resolves 8 bits of it. Noise stays with Pillow, whose resize takes a box between pixels.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike
from PIL import Image


class Canvas:
    """The image so far, `pixels` (S,S,3), and ways to paint on it."""

    def __init__(self, pixels: np.ndarray):
        self.pixels = np.asarray(pixels, dtype=np.float32)

    def window(self, place: tuple[slice, slice]) -> "Canvas":
        """Return the canvas of a part, given by its rows and columns. Painting there paints on this canvas."""
        return Canvas(self.pixels[place])

    def cover(self, mask: np.ndarray, colour: ArrayLike) -> None:
        """Blend `colour`, (3,) or (S,S,3), over the image in proportion to `mask` (S,S), 0 to 1."""
        place = _covered(mask)
        if place is None:
            return
        mask = np.ascontiguousarray(mask[place], dtype=np.float32)
        colour = np.asarray(colour, dtype=np.float32)
        layer = _flat(colour, *mask.shape) if colour.ndim == 1 else np.ascontiguousarray(colour[place])
        self.pixels[place] = cv2.blendLinear(layer, np.ascontiguousarray(self.pixels[place]), mask, 1 - mask)

    def tint(self, mask: np.ndarray, factor: ArrayLike) -> None:
        """Multiply the image by `factor`, (3,) or a number, in proportion to `mask`: shadows, blushes."""
        place = _covered(mask)
        if place is None:
            return
        change = np.broadcast_to(np.asarray(factor, dtype=np.float32) - 1, 3)
        self.pixels[place] *= 1 + spread(mask[place], change)

    def finished(self, size: int) -> np.ndarray:
        """Return the image reduced to size^2: uint8 (size,size,3)."""
        return np.rint(255 * reduced(self.pixels.clip(0, 1), size)).astype(np.uint8)


def _covered(mask: np.ndarray) -> tuple[slice, slice] | None:
    """The rows and columns where a mask is not zero, None if it is zero everywhere."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if len(rows) == 0:
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _flat(colour: np.ndarray, height: int, width: int) -> np.ndarray:
    """An array (height,width,3) of one colour; a row at a time, as NumPy is slow with an inner axis of 3."""
    rows = np.empty((height, 3 * width), np.float32)
    rows[:] = np.tile(colour, width)
    return rows.reshape(height, width, 3)


def spread(field: np.ndarray, colour: Sequence[float] | np.ndarray) -> np.ndarray:
    """Multiply a field by a colour: (S,S), (3,) -> float32 (S,S,3). NumPy takes seven times as long."""
    field = np.asarray(field, dtype=np.float32)
    return cv2.merge([field * np.float32(part) for part in colour])


def reduced(pixels: np.ndarray, size: int) -> np.ndarray:
    """Reduce a square image, antialiased: (S,S,3) -> (size,size,3), in its dtype. S must be a multiple of size."""
    if len(pixels) == size:
        return pixels
    return cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)


def noise(generator: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Draw smooth random clouds (size,size), mean about 0 and deviation about 1, with `cells` hills across."""
    coarse = Image.fromarray(generator.standard_normal((cells + 3, cells + 3), dtype=np.float32))
    start = generator.random(2)
    box = (start[0] + 0.5, start[1] + 0.5, start[0] + cells + 0.5, start[1] + cells + 0.5)
    return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC, box=tuple(map(float, box)))) * 1.5
