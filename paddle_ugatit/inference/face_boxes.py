"""Boxes around faces: overlap, suppression of doubles, refinement; arrays (n,4) of left, top, right, bottom in pixels.

The coordinates are of the edges of pixels: the upper left pixel of a picture lies between 0 and 1.
"""

import cv2
import numpy as np


def overlaps(box: np.ndarray, others: np.ndarray, of_smaller: bool = False) -> np.ndarray:
    """Return how far a box overlaps others: (4,), (n,4) -> (n,), as a share of the union or of the smaller area."""
    left_top = np.maximum(box[:2], others[:, :2])
    shared = np.prod(np.maximum(np.minimum(box[2:], others[:, 2:]) - left_top, 0), 1)
    areas = np.prod(others[:, 2:] - others[:, :2], 1)
    area = np.prod(box[2:] - box[:2])
    whole = np.minimum(area, areas) if of_smaller else area + areas - shared
    return shared / np.maximum(whole, 1e-9)


def suppressed(boxes: np.ndarray, scores: np.ndarray, threshold: float, of_smaller: bool = False) -> np.ndarray:
    """Return the indices of the boxes that remain, the best first: non-maximum suppression.

    A box goes if one with a higher score overlaps it by more than `threshold`; among equal scores the first remains.
    """
    order, kept = np.argsort(-scores, kind="stable"), []
    while len(order):
        kept.append(order[0])
        order = order[1:][overlaps(boxes[order[0]], boxes[order[1:]], of_smaller) <= threshold]
    return np.array(kept, int)


def refined(boxes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Move the edges of boxes by offsets in sides of the box: (n,4), (n,4) -> (n,4)."""
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    return boxes + offsets * sides


def squared(boxes: np.ndarray) -> np.ndarray:
    """Enlarge boxes to squares about their middles: (n,4) -> (n,4)."""
    middles, side = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True)
    return np.concatenate([middles - side / 2, middles + side / 2], 1)


def windows(pixels: np.ndarray, boxes: np.ndarray, side: int) -> np.ndarray:
    """Cut boxes out of a picture and resize them: uint8 (H,W,3), (n,4) -> uint8 (n,side,side,3).

    What lies outside the picture is black. Edges are rounded to pixels; a box has one pixel at least.
    """
    height, width = pixels.shape[:2]
    cut = np.zeros((len(boxes), side, side, 3), np.uint8)
    for number, box in enumerate(boxes):
        left, top = (int(edge) for edge in np.rint(box[:2]))
        right, bottom = max(left + 1, int(np.rint(box[2]))), max(top + 1, int(np.rint(box[3])))
        inner = pixels[max(top, 0) : max(min(bottom, height), 0), max(left, 0) : max(min(right, width), 0)]
        if not inner.size:
            continue
        window = np.zeros((bottom - top, right - left, 3), np.uint8)
        down, across = max(-top, 0), max(-left, 0)
        window[down : down + inner.shape[0], across : across + inner.shape[1]] = inner
        cut[number] = cv2.resize(window, (side, side), interpolation=cv2.INTER_AREA)
    return cut
