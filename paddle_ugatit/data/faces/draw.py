"""The procedural data set: faces drawn from random latents, as photo-like pictures (A) and as flat cartoons (B).

Who is seen is in latents.py, the shapes in shapes.py, the two ways to paint them in photo.py and
cartoon.py. NumPy, OpenCV and Pillow only.
"""

import numpy as np

from paddle_ugatit.data.faces import cartoon as face_cartoon
from paddle_ugatit.data.faces import photo as face_photo
from paddle_ugatit.data.faces.latents import sample_face

SPLITS = {"trainA": 0, "trainB": 1, "testA": 2, "testB": 2}  # one number, one set of people: the test sets are paired
_PERSON, _GRAIN = 0, 1  # what a generator is for


def draw(split, index, size, seed) -> np.ndarray:
    """Picture `index` of "trainA", "trainB", "testA" or "testB": uint8 (S,S,3), a function of the arguments alone.

    testA and testB show the same people under the same index; all others differ.
    """
    face = sample_face(_generator(seed, SPLITS[split], index, _PERSON))
    if split.endswith("A"):
        return face_photo.paint(face, size, _generator(seed, SPLITS[split], index, _GRAIN))
    return face_cartoon.paint(face, size)


def _generator(*key):
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def preview(size, seed, columns=8, rows=2) -> np.ndarray:
    """The first test pairs as one picture, each photo above its cartoon: uint8 (2*rows*size, columns*size, 3)."""
    lines = []
    for row in range(rows):
        people = range(row * columns, (row + 1) * columns)
        lines += [np.concatenate([draw(split, i, size, seed) for i in people], 1) for split in ("testA", "testB")]
    return np.concatenate(lines)
