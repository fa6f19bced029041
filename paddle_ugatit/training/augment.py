"""Augmentation that a discriminator sees all images through, real and generated (Zhao et al. 2020, arXiv 2006.10738).

Contents: AUGMENTATIONS, names in the order in which they are applied; augment. Everything is a sum or a product, so
that second derivatives in the images exist. Twin: torch_ref/training/augment.py.
"""

import paddle

AUGMENTATIONS = ("color", "translation", "cutout")
COUNT = 7  # random numbers for an image
TRANSLATION, CUTOUT = 1 / 8, 1 / 2  # largest shift and side of the hole, in parts of the image


def augment(images, numbers, kinds=AUGMENTATIONS):
    """Images (B,3,S,S) in [0,1] and uniform random numbers (B,COUNT) in [0,1) -> images, changed by `kinds`."""
    if "color" in kinds:
        images = _colour(images, *(numbers[:, i].reshape([-1, 1, 1, 1]) for i in range(3)))
    if "translation" in kinds:
        images = _translation(images, numbers[:, 3], numbers[:, 4])
    if "cutout" in kinds:
        images = _cutout(images, numbers[:, 5], numbers[:, 6])
    return images


def _colour(images, brightness, saturation, contrast):
    images = images + (brightness - 0.5)
    grey = images.mean(1, keepdim=True)
    images = (images - grey) * (2 * saturation) + grey
    level = images.mean([1, 2, 3], keepdim=True)
    return (images - level) * (contrast + 0.5) + level


def _translation(images, down, right):
    """Shifted by whole pixels, zeros following: rows and columns by a matrix each."""
    size = images.shape[2]
    most = int(size * TRANSLATION + 0.5)
    rows, columns = (_shift(paddle.floor(u * (2 * most + 1)) - most, size).unsqueeze(1) for u in (down, right))
    return paddle.matmul(paddle.matmul(rows, images), columns, transpose_y=True)


def _shift(by, size):
    """For each image the 0/1 matrix whose row i takes i - by: (B,) -> (B,size,size)."""
    place = paddle.arange(size, dtype=by.dtype)
    return (place.reshape([1, -1, 1]) - by.reshape([-1, 1, 1]) == place.reshape([1, 1, -1])).astype(by.dtype)


def _cutout(images, down, right):
    """A square hole of zeros about any pixel; part of it may lie outside."""
    size = images.shape[2]
    side = int(size * CUTOUT + 0.5)
    rows, columns = (_inside(paddle.floor(u * (size + 1 - side % 2)) - side // 2, side, size) for u in (down, right))
    return images * (1 - rows.reshape([-1, 1, size, 1]) * columns.reshape([-1, 1, 1, size]))


def _inside(first, side, size):
    """1 at the `side` places from `first` on, else 0: (B,) -> (B,size)."""
    place = paddle.arange(size, dtype=first.dtype) - first.unsqueeze(1)
    return paddle.logical_and(place >= 0, place < side).astype(first.dtype)
