"""Class activation maps as pictures."""

import numpy as np
from PIL import Image


def jet(values) -> np.ndarray:
    """The JET colour map: (...), 0 to 1 -> float (...,3), RGB, 0 to 1; blue, cyan, yellow, red."""
    values = np.asarray(values, dtype=np.float64)[..., None]
    return (1.5 - np.abs(4 * values - (3.0, 2.0, 1.0))).clip(0, 1)


def coloured(heatmap, height, width) -> np.ndarray:
    """A map (h,w) stretched from its least to its greatest value, resized and coloured: uint8 (height,width,3).

    In the order of the public code: 8 bits, then bilinear resize, then colours. A map of one value is all blue, the
    colour of 0.
    """
    heatmap = np.asarray(heatmap, dtype=np.float64)
    heatmap = heatmap - heatmap.min()
    grey = (255 * (heatmap / (heatmap.max() or 1.0))).astype(np.uint8)
    grey = np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BILINEAR))
    return np.rint(255 * jet(grey / 255)).astype(np.uint8)
