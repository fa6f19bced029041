"""The attributes of a drawn face as classes, which a network can be taught to see and a translation should keep."""

import numpy as np

from paddle_ugatit.data.faces.draw import person
from paddle_ugatit.data.faces.latents import FRINGES, HAIR_STYLES, Face

# Attribute -> names of its classes. Hair and eye colours are in the order of latents.py's tables.
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "hair colour": ("black", "dark brown", "brown", "red", "blond", "grey"),
    "hair cut": HAIR_STYLES,
    "fringe": FRINGES,
    "skin": ("fair", "medium", "dark"),
    "eye colour": ("dark", "brown", "green", "blue", "grey"),
    "glasses": ("none", "glasses"),
    "beard": ("none", "beard"),
    "pose": ("turned left", "ahead", "turned right"),
    "mouth": ("closed", "open"),
    "expression": ("serious", "smiling"),
}
MIRRORED = {"pose": (2, 1, 0)}  # what a mirrored image makes of each class; other attributes stay
_SKIN_BOUNDS = (1.0, 2.5)
_YAW_BOUNDS = (-1 / 3, 1 / 3)
_SMILING = 0.35


def attributes_of(face: Face) -> dict[str, int]:
    """Return the class of every attribute of a face."""
    return {
        "hair colour": face.hair,
        "hair cut": HAIR_STYLES.index(face.style),
        "fringe": FRINGES.index(face.fringe),
        "skin": int(np.searchsorted(_SKIN_BOUNDS, face.skin, "right")),
        "eye colour": face.iris,
        "glasses": int(face.glasses),
        "beard": int(face.beard > 0),
        "pose": int(np.searchsorted(_YAW_BOUNDS, face.yaw, "right")),
        "mouth": int(face.mouth_open > 0),
        "expression": int(face.smile >= _SMILING),
    }


def labels(split: str, count: int, seed: int) -> np.ndarray:
    """Return the classes of the first `count` people of a split: int64 (count, attributes), in ATTRIBUTES's order."""
    rows = [attributes_of(person(split, index, seed)) for index in range(count)]
    return np.array([[row[name] for name in ATTRIBUTES] for row in rows], np.int64).reshape(count, len(ATTRIBUTES))
