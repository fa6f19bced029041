"""Augmentation that a discriminator sees all images through, real and generated (Zhao et al. 2020, arXiv 2006.10738).

Contents: AUGMENTATIONS, names in the order in which they are made; augment. Twin: paddle_ugatit/training/augment.py.
"""

import torch

AUGMENTATIONS = ("color", "translation", "cutout")
COUNT = 7  # random numbers for an image
TRANSLATION, CUTOUT = 1 / 8, 1 / 2  # largest shift and side of the hole, in parts of the image


def augment(images, numbers, kinds=AUGMENTATIONS):
    """Images (B,3,S,S) in [0,1] and uniform random numbers (B,COUNT) in [0,1) -> images, changed by `kinds`."""
    if "color" in kinds:
        images = _colour(images, *(numbers[:, i, None, None, None] for i in range(3)))
    if "translation" in kinds:
        images = _translation(images, numbers[:, 3], numbers[:, 4])
    if "cutout" in kinds:
        images = _cutout(images, numbers[:, 5], numbers[:, 6])
    return images


def _colour(images, brightness, saturation, contrast):
    images = images + (brightness - 0.5)
    grey = images.mean(1, keepdim=True)
    images = (images - grey) * (2 * saturation) + grey
    level = images.mean((1, 2, 3), keepdim=True)
    return (images - level) * (contrast + 0.5) + level


def _translation(images, down, right):
    """Shifted by whole pixels, zeros following."""
    size, moved = images.shape[2], []
    most = int(size * TRANSLATION + 0.5)
    for image, u, v in zip(images, down, right, strict=True):
        top, left = (int(torch.floor(w * (2 * most + 1))) - most for w in (u, v))
        padded = torch.nn.functional.pad(image, (most, most, most, most))
        moved.append(padded[:, most - top : most - top + size, most - left : most - left + size])
    return torch.stack(moved)


def _cutout(images, down, right):
    """A square hole of zeros about any pixel; part of it may lie outside."""
    size = images.shape[2]
    side = int(size * CUTOUT + 0.5)
    mask = torch.ones_like(images)
    for image, u, v in zip(mask, down, right, strict=True):
        top, left = (int(torch.floor(w * (size + 1 - side % 2))) - side // 2 for w in (u, v))
        image[:, max(0, top) : top + side, max(0, left) : left + side] = 0
    return images * mask
