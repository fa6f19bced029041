"""Trained weights that ship with the package, by name."""

import os
from pathlib import Path

from paddle_ugatit.formats import FilePath, sha256
from paddle_ugatit.weights.rules import WeightError

PRETRAINED = {  # name -> SHA-256 of paddle_ugatit/pretrained/NAME.safetensors
    "faces": "7ab330e2d61a3885d3d82e4e8a75b848d088695517719b05121d7a313e5c726f",  # docs/faces.md
}


def pretrained(path: FilePath) -> FilePath:
    """Return the file of the pretrained weights of this name, or `path` itself if it is no such name.

    A file or folder of that name in the current folder takes precedence. Raises WeightError if the file of the package
    is missing or damaged.
    """
    if str(path) not in PRETRAINED or os.path.exists(path):
        return path
    file = Path(__file__).parents[1] / "pretrained" / f"{path}.safetensors"
    if not file.is_file():
        raise WeightError(f"{file}: the weights {path!r} are missing: install the package again")
    if sha256(file) != PRETRAINED[str(path)]:
        raise WeightError(f"{file}: the weights {path!r} are damaged: install the package again")
    return file
