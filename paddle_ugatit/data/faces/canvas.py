"""A picture under construction: float32 (S,S,3), 0 to 1, covered layer by layer, then reduced to its final size."""

import numpy as np
from PIL import Image


class Canvas:
    """Layers over one another; `pixels` is the picture so far."""

    def __init__(self, pixels):
        self.pixels = np.asarray(pixels, dtype=np.float32)

    def window(self, place):
        """The canvas of a part, two slices: what is painted there is painted here."""
        return Canvas(self.pixels[place])

    def cover(self, mask, colour):
        """Lay a colour, (3,) or (S,S,3), over the picture where `mask` (S,S), 0 to 1, says so."""
        rows = np.flatnonzero(mask.any(1))
        if len(rows) == 0:
            return
        rows = slice(rows[0], rows[-1] + 1)
        colour, mask = np.asarray(colour, dtype=np.float32), mask[rows, :, None].astype(np.float32)
        self.pixels[rows] += mask * ((colour if colour.ndim == 1 else colour[rows]) - self.pixels[rows])

    def tint(self, mask, factor):
        """Multiply by `factor`, (3,) or a number, where `mask` says so: shadows, blushes."""
        self.pixels *= 1 + mask[..., None].astype(np.float32) * (np.asarray(factor, dtype=np.float32) - 1)

    def finished(self, size) -> np.ndarray:
        """Reduced to size^2: uint8 (size,size,3)."""
        return reduced(np.rint(self.pixels.clip(0, 1) * 255).astype(np.uint8), size)


def reduced(pixels, size):
    """uint8 pixels at another size, antialiased."""
    if len(pixels) == size:
        return pixels
    return np.array(Image.fromarray(pixels).resize((size, size), Image.Resampling.BOX))


def noise(generator, size, cells) -> np.ndarray:
    """Smooth random clouds, (size,size), mean about 0 and deviation about 1, with `cells` hills across."""
    coarse = Image.fromarray(generator.standard_normal((cells + 3, cells + 3), dtype=np.float32))
    start = generator.random(2)
    box = (start[0] + 0.5, start[1] + 0.5, start[0] + cells + 0.5, start[1] + cells + 0.5)
    return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC, box=tuple(map(float, box)))) * 1.5
