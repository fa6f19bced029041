"""The public code's transforms from image to network input, exact to the pixel, with explicit random choices.

Training: flip with probability 1/2, resize to (size+30)^2 or by another margin, crop size^2, scale. Testing: resize to
size^2, scale. Training of style transfer: resize to a load size, crop size^2, scale. Resizing uses Pillow's bilinear
filter, which is antialiased, and does not keep the aspect ratio. align/check_data.py compares all of it with
torchvision.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageOps

MARGIN = 30  # pixels by which a training image is larger than its crop in the public code

# uint8 -> [-1,1] in float32, rounded after each operation as ToTensor and Normalize(0.5, 0.5) do.
_SCALED = (np.arange(256, dtype=np.float32) / 255 - 0.5) / 0.5


@dataclass(frozen=True)
class Choice:
    """The random choices for one image: whether it is mirrored, and the upper left corner of its crop, in pixels."""

    flip: bool
    top: int
    left: int


def random_bits(*key: int, count: int = 1) -> np.ndarray:
    """Return `count` random uint64 that depend on the integers in `key` alone, whatever the release of NumPy."""
    return np.random.PCG64(np.random.SeedSequence(key)).random_raw(count)


def random_normal(*key: int, count: int = 1) -> np.ndarray:
    """Return `count` standard normal float64 numbers that depend on `key` alone, by the Box-Muller transform."""
    one, other = (random_bits(*key, count=2 * count).astype(np.float64).reshape(2, count) + 0.5) / 2.0**64
    return np.sqrt(-2 * np.log(one)) * np.cos(2 * np.pi * other)


def draw_choice(*key: int, margin: int = MARGIN) -> Choice:
    """Return the Choice for `key`, integers of 0 or more, with a corner of 0 to `margin`."""
    flip, top, left = (int(bits) for bits in random_bits(*key, count=3))
    return Choice(flip % 2 == 1, top % (margin + 1), left % (margin + 1))


def draw_order(n: int, *key: int) -> np.ndarray:
    """Return the permutation of 0 ... n-1 for `key`."""
    return np.argsort(random_bits(*key, count=n))


def train_pixels(picture: Image.Image, size: int, choice: Choice, margin: int = MARGIN) -> np.ndarray:
    """Mirror, resize and crop an RGB image of any size for training: uint8 (S,S,3). Smaller images are enlarged."""
    return cut(with_margin(picture, size, choice.flip, margin), size, (choice.top, choice.left))


def with_margin(picture: Image.Image, size: int, flip: bool, margin: int = MARGIN) -> np.ndarray:
    """Mirror an RGB image of any size if `flip`, and resize it for training: uint8 (S+margin,S+margin,3)."""
    return test_pixels(ImageOps.mirror(picture) if flip else picture, size + margin)


def cut(pixels: np.ndarray, size: int, corner: tuple[int, int]) -> np.ndarray:
    """Return the square of size^2 at the corner (top, left) of an image: uint8 (H,W,3) -> (S,S,3)."""
    top, left = corner
    return pixels[top : top + size, left : left + size]


def draw_corner(room: int, *key: int) -> tuple[int, int]:
    """Return the upper left corner (top, left) of a crop for `key`, 0 to `room` each."""
    top, left = (int(bits) % (room + 1) for bits in random_bits(*key, count=2))
    return top, left


def crop_pixels(picture: Image.Image, size: int, load_size: int, corner: tuple[int, int]) -> np.ndarray:
    """Resize an RGB image to load_size^2 and crop size^2 at the corner (top, left): uint8 (S,S,3)."""
    return cut(test_pixels(picture, load_size), size, corner)


def scaled_to(picture: Image.Image, side: int) -> Image.Image:
    """Resize an image so that its shorter side has `side` pixels; the longer one is rounded down, as in torchvision."""
    width, height = picture.size
    short = min(width, height)
    return picture.resize((side * width // short, side * height // short), Image.Resampling.BILINEAR)


def middle_of(picture: Image.Image, side: int) -> Image.Image:
    """Cut the square of `side` pixels in the middle of an image, at the place that torchvision's CenterCrop takes.

    A smaller image gets a black margin, as in the torchvision of the public codes; since 2021 it may put
    such an image a pixel higher or further left where the margin is odd.
    """
    left, top = (round((length - side) / 2) for length in picture.size)  # half to even
    return picture.crop((left, top, left + side, top + side))


@dataclass(frozen=True)
class Framing:
    """What is cut from an image before it is resized to a square: nothing, so that it is stretched, or its middle.

    With `middle`, that is the square of so many pixels; with `keep_aspect`, the largest square after resizing.
    """

    keep_aspect: bool = False
    middle: int = 0

    def __call__(self, picture: Image.Image, side: int) -> Image.Image:
        """Return what is resized to `side` pixels, or is of that size already."""
        if self.middle:
            picture = middle_of(picture, self.middle)
        return middle_of(scaled_to(picture, side), side) if self.keep_aspect else picture


STRETCHED = Framing()


def test_pixels(picture: Image.Image, size: int) -> np.ndarray:
    """Resize an RGB image for testing: uint8 (S,S,3)."""
    return np.asarray(_resized(picture, size))


def official_pixels(picture: Image.Image, size: int) -> np.ndarray:
    """Resize an RGB image as the authors' TensorFlow program does, without antialiasing: uint8 (S,S,3).

    Bilinear interpolation between the four nearest pixels, whatever the size of the image.
    """
    return np.asarray(cv2.resize(np.asarray(picture), (size, size)))  # linear by default


def _resized(picture: Image.Image, side: int) -> Image.Image:
    return picture.resize((side, side), Image.Resampling.BILINEAR)


def to_input(pixels: np.ndarray) -> np.ndarray:
    """Convert pixels to network input: uint8 (H,W,3) -> float32 (3,H,W) in [-1,1]."""
    return np.ascontiguousarray(_SCALED[pixels].transpose(2, 0, 1))


def official_input(pixels: np.ndarray) -> np.ndarray:
    """Convert pixels to network input as the TensorFlow program does, in double precision until the end.

    uint8 (H,W,3) -> float32 (3,H,W) in [-1,1], a last digit away from `to_input`.
    """
    return np.ascontiguousarray((pixels / 127.5 - 1).astype(np.float32).transpose(2, 0, 1))


def to_pixels(images: np.ndarray) -> np.ndarray:
    """Convert network output to pixels, clipped and rounded: (...,3,H,W) in [-1,1] -> uint8 (...,H,W,3)."""
    return np.rint(_levels(images)).astype(np.uint8)


def official_output(images: np.ndarray) -> np.ndarray:
    """Convert network output to pixels as the authors' TensorFlow program does, which cuts off the fraction."""
    return _levels(images).astype(np.uint8)


def _levels(images: np.ndarray) -> np.ndarray:
    """(...,3,H,W) in [-1,1] -> float64 (...,H,W,3) from 0 to 255."""
    images = np.moveaxis(np.asarray(images, dtype=np.float64), -3, -1)
    return (images.clip(-1, 1) + 1) / 2 * 255.0
