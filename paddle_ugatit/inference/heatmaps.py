"""Class activation maps as pictures: coloured, laid over the image they belong to, and outlined."""

import cv2
import numpy as np

LINE = (255, 255, 255)  # colour of a contour


def levels(heatmap: np.ndarray, height: int, width: int) -> np.ndarray:
    """Stretch a map from its least to its greatest value and resize it: (h,w) -> uint8 (height,width).

    A map of a single value becomes 0 everywhere.
    """
    heatmap = np.asarray(heatmap, dtype=np.float64)
    heatmap = heatmap - heatmap.min()
    grey = (255 * (heatmap / (heatmap.max() or 1.0))).astype(np.uint8)
    return cv2.resize(grey, (width, height), interpolation=cv2.INTER_LINEAR)


def coloured(heatmap: np.ndarray, height: int, width: int) -> np.ndarray:
    """Colour a map from blue (least) to red (greatest): (h,w) -> uint8 RGB (height,width,3).

    The steps and their order are those of `cam` in the public code: 8 bits, bilinear resize, COLORMAP_JET.
    """
    colours = cv2.applyColorMap(levels(heatmap, height, width), cv2.COLORMAP_JET)
    return cv2.cvtColor(colours, cv2.COLOR_BGR2RGB)


def overlay(pixels: np.ndarray, colours: np.ndarray, strength: float = 0.5) -> np.ndarray:
    """Blend a coloured map over an image: uint8 (H,W,3), (H,W,3) -> uint8 (H,W,3).

    `strength` goes from 0, the image alone, to 1, the colours alone.
    """
    return cv2.addWeighted(pixels, 1 - strength, colours, strength, 0)


def outlined(pixels: np.ndarray, heatmap: np.ndarray, level: float = 0.5, thickness: int = 1) -> np.ndarray:
    """Draw the contour where a map passes `level` of its range: uint8 (H,W,3), (h,w) -> a new uint8 (H,W,3)."""
    above = levels(heatmap, *pixels.shape[:2]) >= round(255 * level)
    contours = cv2.findContours(above.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]
    return cv2.drawContours(pixels.copy(), contours, -1, LINE, thickness, cv2.LINE_AA)
