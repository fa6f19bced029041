"""Faults for check_data.py: how each is planted in memory, and the cause that must be named for it.

They are numbered as in the catalogue, 0 if they are not there. CONTROLS are not faults: they compute the same values in
another way.
"""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image

from align.compare.data import antialiased_bilinear, plain_bilinear
from align.planting import in_force
from paddle_ugatit.data import folders, transforms
from paddle_ugatit.data.transforms import MARGIN, Choice

_train_pixels, _to_input = transforms.train_pixels, transforms.to_input
_draw_choice, _draw_order = transforms.draw_choice, transforms.draw_order


@dataclass(frozen=True)
class DataFault:
    """One fault: `patches` are (owner, attribute, replacement)."""

    number: int
    name: str
    patches: tuple
    cause: str  # a key of align.compare.data.MISTAKES, "unknown", or "" if the case has no causes to try
    case: str = "0_RGB.png"  # a case of the check that must see it

    @contextmanager
    def planted(self):
        """Within the block the patches are in force."""
        with in_force(self.patches):
            yield


def _fault(number, name, attribute, replacement, cause, case="0_RGB.png"):
    return DataFault(number, name, ((transforms, attribute, replacement),), cause, case)


def _filtered(resampling):
    return lambda picture, side: picture.resize((side, side), resampling)


def _without_antialiasing(picture, side):
    return Image.fromarray(plain_bilinear(np.array(picture), side))


def _truncated(picture, side):
    return Image.fromarray(antialiased_bilinear(np.array(picture), side, np.floor).astype(np.uint8))


def _no_flip(picture, size, choice, margin=MARGIN):
    return _train_pixels(picture, size, Choice(False, choice.top, choice.left), margin)


def _flip_last(picture, size, choice, margin=MARGIN):
    pixels = _no_flip(picture, size, choice, margin)
    return pixels[:, ::-1] if choice.flip else pixels


def _crop_at_size(picture, size, choice, margin=MARGIN):
    """Crop before the resize to the final size."""
    if choice.flip:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    picture = picture.crop((choice.left, choice.top, choice.left + size, choice.top + size))
    picture = picture.resize((size + margin, size + margin), Image.Resampling.BILINEAR)
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))


def _bgr(pixels):
    return _to_input(pixels[..., ::-1])


def _scaled(scale, shift=0.0):
    return lambda pixels: np.float32(pixels.transpose(2, 0, 1)) / np.float32(scale) - np.float32(shift)


def _imagenet(pixels):
    mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    return ((np.float32(pixels) / np.float32(255) - mean) / deviation).transpose(2, 0, 1)


def _rarely_flipped(*key, margin=MARGIN):
    choice = _draw_choice(*key, margin=margin)
    return Choice(choice.flip and choice.top % 3 > 0, choice.top, choice.left)


def _edge_never_drawn(*key, margin=MARGIN):
    choice = _draw_choice(*key, margin=margin)
    return Choice(choice.flip, choice.top % margin, choice.left % margin)


def _same_order(n, seed, domain, *key):
    return _draw_order(n, seed, 0, *key)


def _swapped_batch(self, step):
    real_a, real_b = (stream.batch(step) for stream in self.streams)
    return real_a, real_b[:, :, :, ::-1]


FAULTS = [
    _fault(
        57, "resize without antialiasing", "_resized", _without_antialiasing, "resize without antialiasing, as OpenCV's"
    ),
    _fault(58, "bicubic for bilinear", "_resized", _filtered(Image.Resampling.BICUBIC), "bicubic filter for bilinear"),
    _fault(0, "nearest for bilinear", "_resized", _filtered(Image.Resampling.NEAREST), "nearest filter for bilinear"),
    _fault(59, "BGR for RGB", "to_input", _bgr, "BGR for RGB"),
    _fault(60, "range [0,1]", "to_input", _scaled(255), "range [0,1]"),
    _fault(60, "range [0,255]", "to_input", _scaled(1), "range [0,255]"),
    _fault(60, "ImageNet's mean and deviation", "to_input", _imagenet, "ImageNet's mean and deviation"),
    _fault(61, "truncation for rounding", "_resized", _truncated, "truncation for rounding"),
    _fault(62, "crop before resize", "train_pixels", _crop_at_size, "crop before resize"),
    _fault(0, "crop before flip", "train_pixels", _flip_last, "crop before flip"),
    _fault(0, "no flip", "train_pixels", _no_flip, "no flip"),
    _fault(0, "flipped a third of the time", "draw_choice", _rarely_flipped, "", "random choices"),
    _fault(0, "last offset never drawn", "draw_choice", _edge_never_drawn, "", "random choices"),
    _fault(0, "A and B in the same order", "draw_order", _same_order, "", "random choices"),
    DataFault(0, "B mirrored", ((folders.TrainingData, "batch", _swapped_batch),), "", "training batches"),
]
CONTROLS = [_fault(0, "x/127.5 - 1", "to_input", _scaled(127.5, 1), "")]
