"""The public data pipeline as Pillow and PyTorch run it, likely mistakes in it, and test pictures.

`PUBLIC` is that pipeline; a `Pipeline` with other fields is a mistake that the check can name.
"""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

MARGIN = 30


@dataclass(frozen=True)
class Pipeline:
    """From an image file to the network's input; the defaults are the public code's, other values known mistakes."""

    filter: str = "bilinear"  # or "bicubic", "nearest", or "plain": bilinear without antialiasing, as OpenCV's
    order: tuple = ("flip", "resize", "crop")
    channels: str = "RGB"  # or "BGR"
    scale: str = "[-1,1]"  # or "[0,1]", "[0,255]", "imagenet"
    rounding: str = "rint"  # or "truncated", of the resized picture

    def read(self, path):
        """Open a file as the public loader does."""
        with Image.open(path) as file:
            return file.convert("RGB")

    def pixels(self, path, size, choice=None, margin=MARGIN):
        """Return the pixels, uint8 (S,S,3): with a random choice as for training, without as for testing."""
        picture = self.read(path)
        side = size if choice is None else size + margin
        for step in ("resize",) if choice is None else self.order:
            if step == "flip" and choice.flip:
                picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            elif step == "resize":
                picture = self._resized(picture, side)
            elif step == "crop":
                picture = picture.crop((choice.left, choice.top, choice.left + size, choice.top + size))
        if picture.size != (size, size):  # cropped before the resize
            picture = picture.resize((size, size), Image.Resampling.BILINEAR)
        array = np.array(picture)
        return array[..., ::-1] if self.channels == "BGR" else array

    def _resized(self, picture, side):
        if self.filter == "plain":
            return Image.fromarray(plain_bilinear(np.array(picture), side))
        if self.rounding == "truncated":
            return Image.fromarray(antialiased_bilinear(np.array(picture), side, np.floor).astype(np.uint8))
        return picture.resize((side, side), getattr(Image.Resampling, self.filter.upper()))

    def scaled(self, pixels):
        """Scale pixels with PyTorch's own arithmetic: uint8 (S,S,3) -> float32 (3,S,S)."""
        import torch

        image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).to(torch.float32)
        if self.scale != "[0,255]":
            image = image.div(255)
        if self.scale == "[-1,1]":
            image = image.sub_(torch.full((3, 1, 1), 0.5)).div_(torch.full((3, 1, 1), 0.5))
        elif self.scale == "imagenet":
            mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
            image = image.sub_(mean.view(3, 1, 1)).div_(deviation.view(3, 1, 1))
        return image.numpy()


PUBLIC = Pipeline()
MISTAKES = {
    "bicubic filter for bilinear": replace(PUBLIC, filter="bicubic"),
    "nearest filter for bilinear": replace(PUBLIC, filter="nearest"),
    "resize without antialiasing, as OpenCV's": replace(PUBLIC, filter="plain"),
    "truncation for rounding": replace(PUBLIC, rounding="truncated"),
    "crop before flip": replace(PUBLIC, order=("resize", "crop", "flip")),
    "flip after resize": replace(PUBLIC, order=("resize", "flip", "crop")),
    "crop before resize": replace(PUBLIC, order=("flip", "crop", "resize")),
    "no flip": replace(PUBLIC, order=("resize", "crop")),
    "BGR for RGB": replace(PUBLIC, channels="BGR"),
    "range [0,1]": replace(PUBLIC, scale="[0,1]"),
    "range [0,255]": replace(PUBLIC, scale="[0,255]"),
    "ImageNet's mean and deviation": replace(PUBLIC, scale="imagenet"),
}


def _weights(length, side, antialiased=True):
    """(side, length) weights: each row is a triangle as wide as a pixel of the coarser grid and sums to 1."""
    scale = length / side
    width = max(scale, 1.0) if antialiased else 1.0
    centres = (np.arange(side)[:, None] + 0.5) * scale
    if not antialiased:
        centres = centres.clip(0.5, length - 0.5)  # the border repeats
    triangle = (1 - np.abs(np.arange(length) + 0.5 - centres) / width).clip(0, None)
    return triangle / triangle.sum(1, keepdims=True)


def antialiased_bilinear(pixels, side, rounding=np.rint):
    """Resize by the formula of Pillow's filter in float64, rounded after each axis: (H,W,3) -> float (side,side,3)."""
    across = rounding(np.einsum("sw,hwc->hsc", _weights(pixels.shape[1], side), pixels) + 1e-9)
    return rounding(np.einsum("sh,hwc->swc", _weights(pixels.shape[0], side), across) + 1e-9)


def plain_bilinear(pixels, side):
    """Interpolate between the four nearest pixels: (H,W,3) -> uint8 (side,side,3)."""
    rows, columns = _weights(pixels.shape[0], side, False), _weights(pixels.shape[1], side, False)
    return np.rint(np.einsum("sh,tw,hwc->stc", rows, columns, pixels, optimize=True)).astype(np.uint8)


def write_pictures(folder, seed, count=4):
    """Write pictures of several shapes and modes into an existing folder; returns their paths."""
    rng = np.random.default_rng([seed, 17])
    shapes = [(61, 47), (130, 200), (256, 256), (33, 90)]
    modes = [("RGB", "png"), ("RGB", "jpg"), ("RGBA", "png"), ("L", "png"), ("P", "png")]
    paths = []
    for number in range(count):
        height, width = shapes[number % len(shapes)]
        mode, suffix = modes[number % len(modes)]
        coarse = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)).astype(float)
        noisy = (smooth + rng.normal(0, 30, smooth.shape)).clip(0, 255).astype(np.uint8)
        picture = Image.fromarray(noisy).convert(mode)
        if mode == "RGBA":  # transparent in places, which must not show
            picture.putalpha(Image.fromarray(rng.integers(0, 256, (height, width), dtype=np.uint8)))
        paths.append(folder / f"{number}_{mode}.{suffix}")
        picture.save(paths[-1])
    return paths
