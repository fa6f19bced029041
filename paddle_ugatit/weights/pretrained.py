"""Trained weights that ship with the package, by name."""

import os
from pathlib import Path

from paddle_ugatit.formats import FilePath, sha256
from paddle_ugatit.weights.rules import WeightError

# name -> SHA-256 of paddle_ugatit/pretrained/NAME.safetensors; docs/faces.md says how they were made
PRETRAINED = {
    "faces": "7ab330e2d61a3885d3d82e4e8a75b848d088695517719b05121d7a313e5c726f",
}
FACE_FEATURES = "face_features"  # of metrics/face_features.py
_FOLDER = Path(__file__).parents[1] / "pretrained"
_SHA256 = PRETRAINED | {FACE_FEATURES: "a69fea73c96ae24c768ee988666845bc8f1a94cc27eff0045172af94d88a7320"}


def pretrained(path: FilePath) -> FilePath:
    """Return the file of the pretrained weights of this name, or `path` itself if it is no such name.

    A file or folder of that name in the current folder takes precedence. Raises WeightError if the file of the package
    is missing or damaged.
    """
    return path if str(path) not in PRETRAINED or os.path.exists(path) else packaged(str(path))


def packaged(name: str) -> Path:
    """Return a file of weights that ships with the package. Raises WeightError if it is missing or damaged."""
    file = _FOLDER / f"{name}.safetensors"
    if not file.is_file():
        raise WeightError(f"{file}: the weights {name!r} are missing: install the package again")
    if sha256(file) != _SHA256[name]:
        raise WeightError(f"{file}: the weights {name!r} are damaged: install the package again")
    return file
