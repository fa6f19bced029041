"""Differentiable augmentation of a discriminator's images, real and generated (Zhao et al. 2020, arXiv 2006.10738).

Contents: AUGMENTATIONS, the names in the order in which they are applied; augment.
Twin: paddle_ugatit/training/augment.py.
"""

from collections.abc import Collection

import torch

AUGMENTATIONS = ("color", "translation", "cutout")
COUNT = 7  # random numbers per image
TRANSLATION, CUTOUT = 1 / 8, 1 / 2  # largest shift and side of the hole, relative to the image's side


def augment(images: torch.Tensor, numbers: torch.Tensor, kinds: Collection[str] = AUGMENTATIONS) -> torch.Tensor:
    """Apply the augmentations `kinds` to images in [0,1], given uniform random numbers in [0,1).

    (B,3,S,S), (B,COUNT) -> (B,3,S,S).
    """
    if "color" in kinds:
        images = _colour(images, *(numbers[:, i, None, None, None] for i in range(3)))
    if "translation" in kinds:
        images = _translation(images, numbers[:, 3], numbers[:, 4])
    if "cutout" in kinds:
        images = _cutout(images, numbers[:, 5], numbers[:, 6])
    return images


def _colour(
    images: torch.Tensor, brightness: torch.Tensor, saturation: torch.Tensor, contrast: torch.Tensor
) -> torch.Tensor:
    """Change brightness, saturation and contrast, each by a number in [0,1), (B,1,1,1)."""
    images = images + (brightness - 0.5)
    grey = images.mean(1, keepdim=True)
    images = (images - grey) * (2 * saturation) + grey
    level = images.mean((1, 2, 3), keepdim=True)
    return (images - level) * (contrast + 0.5) + level


def _translation(images: torch.Tensor, down: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Shift the images by whole pixels, filling with zeros."""
    size, moved = images.shape[2], []
    most = int(size * TRANSLATION + 0.5)
    for image, u, v in zip(images, down, right, strict=True):
        top, left = (int(torch.floor(w * (2 * most + 1))) - most for w in (u, v))
        padded = torch.nn.functional.pad(image, (most, most, most, most))
        moved.append(padded[:, most - top : most - top + size, most - left : most - left + size])
    return torch.stack(moved)


def _cutout(images: torch.Tensor, down: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Set a square around any pixel to zero; part of it may lie outside the image."""
    size = images.shape[2]
    side = int(size * CUTOUT + 0.5)
    mask = torch.ones_like(images)
    for image, u, v in zip(mask, down, right, strict=True):
        top, left = (int(torch.floor(w * (size + 1 - side % 2))) - side // 2 for w in (u, v))
        image[:, max(0, top) : top + side, max(0, left) : left + side] = 0
    return images * mask
