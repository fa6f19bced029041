"""Trained weights that ship with the package, by name."""

import os
from pathlib import Path

from paddle_ugatit.formats import FilePath, sha256
from paddle_ugatit.weights.rules import WeightError

# name -> SHA-256 of paddle_ugatit/pretrained/NAME.safetensors; docs/faces.md says how they were made
PRETRAINED = {
    "faces": "c481946984c63115d3782c747a384e65529aba3527c986065f778d132f683c8a",
}
SIDES = {"faces": 96}  # pixels, height and width, that they were trained on
FACE_FEATURES = "face_features"  # of metrics/face_features.py
_FOLDER = Path(__file__).parents[1] / "pretrained"
_SHA256 = PRETRAINED | {FACE_FEATURES: "90ab0dbf7b4ead4366f54ecdf13454a5a822feeff7525d368eda40ceca2f7b58"}


def pretrained(path: FilePath) -> FilePath:
    """Return the file of the pretrained weights of this name, or `path` itself if it is no such name.

    A file of that name in the current folder takes precedence, and a folder that holds a checkpoint of TensorFlow.
    Raises WeightError if the file of the package is missing or damaged.
    """
    return path if str(path) not in PRETRAINED or _is_there(path) else packaged(str(path))


def trained_side(path: FilePath) -> int | None:
    """Return the pixels that the pretrained weights of this name were trained on, or None if `path` is no such name."""
    return None if _is_there(path) else SIDES.get(str(path))


def _is_there(path: FilePath) -> bool:
    """Whether there is such a file, or a folder of weights; one of images may well be named as weights are."""
    return any(Path(path).glob("*.index")) if os.path.isdir(path) else os.path.exists(path)


def packaged(name: str) -> Path:
    """Return a file of weights that ships with the package. Raises WeightError if it is missing or damaged."""
    file = _FOLDER / f"{name}.safetensors"
    if not file.is_file():
        raise WeightError(f"{file}: the weights {name!r} are missing: install the package again")
    if sha256(file) != _SHA256[name]:
        raise WeightError(f"{file}: the weights {name!r} are damaged: install the package again")
    return file
