"""Differentiable augmentation of a discriminator's images, real and generated (Zhao et al. 2020, arXiv 2006.10738).

Contents: AUGMENTATIONS, the names in the order in which they are applied; augment. Every operation is a sum or a
product, so that second derivatives with respect to the images exist. Twin: torch_ref/training/augment.py.
"""

from collections.abc import Collection

import paddle

AUGMENTATIONS = ("color", "translation", "cutout")
COUNT = 7  # random numbers per image
TRANSLATION, CUTOUT = 1 / 8, 1 / 2  # largest shift and side of the hole, relative to the image's side


def augment(images: paddle.Tensor, numbers: paddle.Tensor, kinds: Collection[str] = AUGMENTATIONS) -> paddle.Tensor:
    """Apply the augmentations `kinds` to images in [0,1], given uniform random numbers in [0,1).

    (B,3,S,S), (B,COUNT) -> (B,3,S,S).
    """
    if "color" in kinds:
        images = _colour(images, *(numbers[:, i].reshape([-1, 1, 1, 1]) for i in range(3)))
    if "translation" in kinds:
        images = _translation(images, numbers[:, 3], numbers[:, 4])
    if "cutout" in kinds:
        images = _cutout(images, numbers[:, 5], numbers[:, 6])
    return images


def _colour(
    images: paddle.Tensor, brightness: paddle.Tensor, saturation: paddle.Tensor, contrast: paddle.Tensor
) -> paddle.Tensor:
    """Change brightness, saturation and contrast, each by a number in [0,1), (B,1,1,1)."""
    images = images + (brightness - 0.5)
    grey = images.mean(1, keepdim=True)
    images = (images - grey) * (2 * saturation) + grey
    level = images.mean([1, 2, 3], keepdim=True)
    return (images - level) * (contrast + 0.5) + level


def _translation(images: paddle.Tensor, down: paddle.Tensor, right: paddle.Tensor) -> paddle.Tensor:
    """Shift the images by whole pixels, filling with zeros: rows and columns are multiplied by a matrix each."""
    size = images.shape[2]
    most = int(size * TRANSLATION + 0.5)
    rows, columns = (_shift(paddle.floor(u * (2 * most + 1)) - most, size).unsqueeze(1) for u in (down, right))
    return paddle.matmul(paddle.matmul(rows, images), columns, transpose_y=True)


def _shift(by: paddle.Tensor, size: int) -> paddle.Tensor:
    """Return a 0/1 matrix for each image, whose row i selects element i - by: (B,) -> (B,size,size)."""
    place = paddle.arange(size, dtype=by.dtype)
    return (place.reshape([1, -1, 1]) - by.reshape([-1, 1, 1]) == place.reshape([1, 1, -1])).astype(by.dtype)


def _cutout(images: paddle.Tensor, down: paddle.Tensor, right: paddle.Tensor) -> paddle.Tensor:
    """Set a square around any pixel to zero; part of it may lie outside the image."""
    size = images.shape[2]
    side = int(size * CUTOUT + 0.5)
    rows, columns = (_inside(paddle.floor(u * (size + 1 - side % 2)) - side // 2, side, size) for u in (down, right))
    return images * (1 - rows.reshape([-1, 1, size, 1]) * columns.reshape([-1, 1, 1, size]))


def _inside(first: paddle.Tensor, side: int, size: int) -> paddle.Tensor:
    """Return 1 at the `side` positions that begin at `first`, and 0 elsewhere: (B,) -> (B,size)."""
    place = paddle.arange(size, dtype=first.dtype) - first.unsqueeze(1)
    return paddle.logical_and(place >= 0, place < side).astype(first.dtype)
