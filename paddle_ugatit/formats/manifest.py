"""The file `manifest.json` beside the files of a checkpoint: what they are, and the size and SHA-256 of each.

It is JSON, and its last entry, `checksum`, is the SHA-256 of all that stands before that entry, byte by byte. Manifests
of earlier releases have no such entry; they are read too.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from paddle_ugatit.formats.checkpoint import CheckpointError

NAME = "manifest.json"
_SEAL = ',\n "checksum": "'
# The entries of manifests without a checksum: a damaged name of the entry `checksum` is not one of them.
_UNSEALED = {"iteration", "score", "features", "model", "data", "config", "processes", "versions", "files"}
_LARGEST = 1 << 20  # bytes; a manifest has a few thousand


def sealed(content: dict[str, Any]) -> str:
    """Return the text of a manifest, with its checksum as the last entry."""
    text = json.dumps(content, indent=1)[: -len("\n}")]
    return f'{text}{_SEAL}{_checksum(text)}"\n}}\n'


def read(folder: Path) -> dict[str, Any]:
    """Return the manifest in a folder, without its checksum.

    `files` maps the name of each file to its "size" in bytes and its "sha256". Raises CheckpointError if there is no
    manifest, or if it is not as it was written.
    """
    path = folder / NAME
    try:
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read(_LARGEST)
        content = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(f"{folder}: its manifest cannot be read: {reason}") from error
    if not isinstance(content, dict) or not _as_written(text, content):
        raise CheckpointError(f"{path}: is damaged: it is not as it was written")
    content.pop("checksum", None)
    return content


def is_ours(folder: Path) -> bool:
    """Return whether the folder holds a manifest of this project, intact or damaged; many programs use the name."""
    try:
        with open(folder / NAME, "rb") as file:
            return b'"sha256"' in file.read(_LARGEST)
    except OSError:
        return False


def _as_written(text: str, content: dict[str, Any]) -> bool:
    if "checksum" in content:
        before, _, _ = text.rpartition(_SEAL)
        if text != f'{before}{_SEAL}{_checksum(before)}"\n}}\n':
            return False
    elif set(content) - _UNSEALED:
        return False
    files = content.get("files")
    return isinstance(files, dict) and all(_is_described(name, entry) for name, entry in files.items())


def _is_described(name: str, entry: Any) -> bool:
    if not isinstance(entry, dict) or set(entry) != {"size", "sha256"} or os.path.basename(name) != name:
        return False
    return type(entry["size"]) is int and isinstance(entry["sha256"], str)


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
