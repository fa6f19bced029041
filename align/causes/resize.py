"""Grids of a linear resize: `grid_matrix`."""

import numpy as np


def grid_matrix(length, size, kind="half"):
    """(size, length) weights of linear interpolation: pixel centres "half", "corners" aligned, or "asymmetric"."""
    place = np.arange(size)
    if kind == "corners":
        place = place * (length - 1) / max(size - 1, 1)
    elif kind == "asymmetric":
        place = place * length / size
    else:
        place = (place + 0.5) * length / size - 0.5
    place = place.clip(0, length - 1)
    return (1 - np.abs(np.arange(length) - place[:, None])).clip(0, None)
