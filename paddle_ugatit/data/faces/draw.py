"""The procedural data set: faces drawn from random latents, as photo-like images (A) and as flat cartoons (B).

latents.py samples a person, shapes.py holds the shapes, photo.py and cartoon.py paint them in the two domains. NumPy,
OpenCV and Pillow only.
"""

import numpy as np

from paddle_ugatit.data.faces import cartoon as face_cartoon
from paddle_ugatit.data.faces import photo as face_photo
from paddle_ugatit.data.faces.latents import Face, sample_face

SPLITS = {"trainA": 0, "trainB": 1, "testA": 2, "testB": 2}  # the same number, the same people: test sets are paired
_PERSON, _GRAIN = 0, 1  # separate streams of random numbers


def draw(split: str, index: int, size: int, seed: int) -> np.ndarray:
    """Draw image `index` of "trainA", "trainB", "testA" or "testB": uint8 (S,S,3), by the arguments alone.

    testA and testB show the same person under the same index; all other people differ.
    """
    face = person(split, index, seed)
    if split.endswith("A"):
        return face_photo.paint(face, size, _generator(seed, SPLITS[split], index, _GRAIN))
    return face_cartoon.paint(face, size)


def person(split: str, index: int, seed: int) -> Face:
    """Return who is shown in image `index` of a split."""
    return sample_face(_generator(seed, SPLITS[split], index, _PERSON))


def _generator(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def preview(size: int, seed: int, columns: int = 8, rows: int = 2) -> np.ndarray:
    """Draw the first test pairs as one image, each photo above its cartoon: uint8 (2*rows*size, columns*size, 3)."""
    lines = []
    for row in range(rows):
        people = range(row * columns, (row + 1) * columns)
        lines += [np.concatenate([draw(split, i, size, seed) for i in people], 1) for split in ("testA", "testB")]
    return np.concatenate(lines)
