"""A plain statement of the batches of a run: which picture, direction and crop every sample of the stream has.

The public code draws them from generators whose state a resumed run would lose. Here they are numbers of a counter: the
raw output of PCG64, seeded with (seed, domain, what is drawn, which one). Written from that description, so that a
change of the stream, which would give a resumed run other batches, is a difference.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from align.compare.data import MARGIN, PUBLIC

ORDER, CHOICE = 0, 1  # what is drawn


def bits(*key: int, count: int) -> list[int]:
    """Return so many numbers of 64 bits for a key."""
    return np.random.PCG64(np.random.SeedSequence(list(key))).random_raw(count).tolist()


def normal(*key: int, count: int) -> np.ndarray:
    """Return standard normal numbers for a key (Box and Muller 1958): radii first, then angles."""
    uniform = (np.float64(bits(*key, count=2 * count)) + 0.5) / 2.0**64
    return np.sqrt(-2 * np.log(uniform[:count])) * np.cos(2 * np.pi * uniform[count:])


@dataclass(frozen=True)
class PlainStream:
    """The samples of one domain; the fields are those of a run's options and folders.

    Without `load_size` they are those of U-GAT-IT, flipped, enlarged by `margin` and cropped. With it, `framed` cuts
    the picture, which is resized to that size and cropped.
    """

    files: Sequence[Path]  # all pictures in order
    readable: Sequence[Path]
    size: int
    seed: int
    domain: int
    load_size: int | None = None
    keep_aspect: bool = False
    middle: int = 0
    margin: int = MARGIN

    def sample(self, number: int) -> np.ndarray:
        """Return sample `number`, counted from 0: float32 (3,S,S)."""
        epoch, place = divmod(number, len(self.files))
        drawn = bits(self.seed, self.domain, ORDER, epoch, count=len(self.files))
        order = sorted(range(len(self.files)), key=drawn.__getitem__)
        path = next(self.files[n] for n in order[place:] + order[:place] if self.files[n] in self.readable)
        key = self.seed, self.domain, CHOICE, number
        return self.cropped(path, key) if self.load_size else augmented(path, self.size, key, self.margin)

    def cropped(self, path: Path, key: Sequence[int]) -> np.ndarray:
        """Return a crop of a picture that was framed and resized."""
        top, left = (n % (self.load_size - self.size + 1) for n in bits(*key, count=2))
        picture = resized(framed(PUBLIC.read(path), self.load_size, self.keep_aspect, self.middle), self.load_size)
        return PUBLIC.scaled(np.array(picture)[top : top + self.size, left : left + self.size])

    def batch(self, step: int, count: int, rank: int = 0, processes: int = 1) -> np.ndarray:
        """Return the batch of `count` of a process in step `step`, counted from 1."""
        first = ((step - 1) * processes + rank) * count
        return np.stack([self.sample(number) for number in range(first, first + count)])


def augmented(path: Path, size: int, key: Sequence[int], margin: int = MARGIN) -> np.ndarray:
    """Return a picture flipped half the time, enlarged, and cropped anywhere."""
    flip, top, left = (n % m for n, m in zip(bits(*key, count=3), (2, margin + 1, margin + 1), strict=True))
    picture = PUBLIC.read(path)
    picture = resized(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else picture, size + margin)
    return PUBLIC.scaled(np.array(picture)[top : top + size, left : left + size])


def framed(picture: Image.Image, side: int, keep_aspect: bool = False, middle: int = 0) -> Image.Image:
    """Return what is cut from a picture before it is resized: CenterCrop(middle), or Resize(side), CenterCrop(side)."""
    picture = _centre(picture, middle) if middle else picture
    if not keep_aspect:
        return picture
    short, (width, height) = min(picture.size), picture.size
    picture = picture.resize((int(side * width / short), int(side * height / short)), Image.Resampling.BILINEAR)
    return _centre(picture, side)


def _centre(picture: Image.Image, side: int) -> Image.Image:
    """Return the square in the middle, at round((length - side) / 2) also where that is negative, and black there."""
    pixels = np.array(picture)
    top, left = (int(round((length - side) / 2.0)) for length in pixels.shape[:2])
    wide = np.pad(pixels, ((side, side), (side, side), (0, 0)))
    return Image.fromarray(wide[top + side : top + 2 * side, left + side : left + 2 * side])


def resized(picture: Image.Image, side: int) -> Image.Image:
    """Resize to a square by Pillow's bilinear filter, as torchvision does with pictures."""
    return picture.resize((side, side), Image.Resampling.BILINEAR)
