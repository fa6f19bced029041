"""The public pipeline from a picture to network input, pixel by pixel, with its random choices drawn beforehand.

Training: flip with probability 1/2, resize to (size+30)^2, crop size^2, scale. Testing: resize to size^2, scale. Style
transfer's training: resize to a load size, crop size^2, scale. The resize is Pillow's bilinear filter, which is
antialiased; aspect ratios are not kept. align/check_data.py proves it.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

MARGIN = 30  # pixels by which a training picture is larger than its crop

# uint8 -> [-1,1] in float32, rounded after each operation as ToTensor and Normalize(0.5, 0.5) do.
_SCALED = (np.arange(256, dtype=np.float32) / np.float32(255) - np.float32(0.5)) / np.float32(0.5)


@dataclass(frozen=True)
class Choice:
    """What is left to chance for one picture: mirrored or not, and the crop's upper left corner, 0 to MARGIN."""

    flip: bool
    top: int
    left: int


def random_bits(*key, count=1) -> np.ndarray:
    """`count` random uint64, a pure function of the whole numbers in `key`; the same with every release of NumPy."""
    return np.random.PCG64(np.random.SeedSequence(key)).random_raw(count)


def random_normal(*key, count=1) -> np.ndarray:
    """`count` standard normal numbers that belong to `key`, by Box and Muller: float64."""
    one, other = (random_bits(*key, count=2 * count).astype(np.float64).reshape(2, count) + 0.5) / 2.0**64
    return np.sqrt(-2 * np.log(one)) * np.cos(2 * np.pi * other)


def draw_choice(*key) -> Choice:
    """The Choice that belongs to `key`, whole numbers of 0 or more."""
    flip, top, left = (int(bits) for bits in random_bits(*key, count=3))
    return Choice(flip % 2 == 1, top % (MARGIN + 1), left % (MARGIN + 1))


def draw_order(n, *key) -> np.ndarray:
    """A permutation of 0 ... n-1 that belongs to `key`."""
    return np.argsort(random_bits(*key, count=n), kind="stable")


def train_pixels(picture, size, choice) -> np.ndarray:
    """An RGB picture mirrored, resized and cropped: uint8 (S,S,3). Any picture will do: a smaller one is enlarged."""
    if choice.flip:
        picture = ImageOps.mirror(picture)
    picture = _resized(picture, size + MARGIN)
    return np.asarray(picture)[choice.top : choice.top + size, choice.left : choice.left + size]


def draw_corner(room, *key) -> tuple[int, int]:
    """Upper left corner of a crop, 0 to `room` each, that belongs to `key`."""
    top, left = (int(bits % (room + 1)) for bits in random_bits(*key, count=2))
    return top, left


def crop_pixels(picture, size, load_size, corner) -> np.ndarray:
    """An RGB picture resized to load_size^2 and cropped at the corner (top, left): uint8 (S,S,3)."""
    top, left = corner
    return np.asarray(_resized(picture, load_size))[top : top + size, left : left + size]


def test_pixels(picture, size) -> np.ndarray:
    """An RGB picture resized: uint8 (S,S,3)."""
    return np.asarray(_resized(picture, size))


def _resized(picture, side):
    return picture.resize((side, side), Image.Resampling.BILINEAR)


def to_input(pixels) -> np.ndarray:
    """uint8 (H,W,3) -> float32 (3,H,W) in [-1,1]."""
    return np.ascontiguousarray(_SCALED[pixels].transpose(2, 0, 1))


def to_pixels(images) -> np.ndarray:
    """The way back, (...,3,H,W) in [-1,1] -> uint8 (...,H,W,3): rounded, and clipped to what a picture can hold."""
    images = np.moveaxis(np.asarray(images, dtype=np.float64), -3, -1)
    return np.rint((images.clip(-1, 1) + 1) * 127.5).astype(np.uint8)
