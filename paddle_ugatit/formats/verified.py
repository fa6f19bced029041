"""Whether a file of a checkpoint is as it was written: its SHA-256 is that of the manifest beside it.

`formats.read` asks here before it reads a file, so that every tool does. A file is read for its checksum once in a
process, and again only after its size or its time of modification have changed.
"""

import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from paddle_ugatit.formats import manifest
from paddle_ugatit.formats.checkpoint import CheckpointError, FilePath

_known: dict[tuple[int, int, int, int], str] = {}  # device, inode, size, time of modification -> SHA-256


def sha256(path: FilePath, progress: Callable[[int], object] | None = None) -> str:
    """Return the file's SHA-256 checksum in hexadecimal; `progress(n)` is called for every n bytes read.

    Raises OSError if the file cannot be read.
    """
    with open(path, "rb") as file:
        return sha256_of(file, progress)


def sha256_of(file: IO[bytes], progress: Callable[[int], object] | None = None) -> str:
    """Return the SHA-256 checksum of what is left to read of an open file."""
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
        if progress:
            progress(len(block))
    return digest.hexdigest()


def remembered_sha256(path: FilePath) -> str:
    """Return the file's SHA-256 checksum, which is computed once for a file that does not change.

    The file may be renamed in between. Raises OSError if it cannot be read.
    """
    found = os.stat(path)
    key = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    if key not in _known:
        _known[key] = sha256(path)
    return _known[key]


def described(path: FilePath) -> dict[str, Any]:
    """Return what a manifest says of a file: {"size": bytes, "sha256": hexadecimal}."""
    return {"size": os.path.getsize(path), "sha256": remembered_sha256(path)}


def require_as_described(path: Path, entry: dict[str, Any], name: FilePath = "") -> None:
    """Raise CheckpointError if a file, called `name` in the message, is not what an entry of a manifest describes."""
    name = name or path
    try:
        size = path.stat().st_size if path.is_file() else None
        if size != entry["size"]:
            there = "it is not there" if size is None else f"it has {size} bytes instead of {entry['size']}"
            raise CheckpointError(f"{name}: is incomplete: {there}")
        if remembered_sha256(path) != entry["sha256"]:
            raise CheckpointError(f"{name}: is damaged: its SHA-256 is not the one it was written with")
    except OSError as error:
        raise CheckpointError(f"{name}: cannot be read: {error.strerror or error}") from error


def require_intact(path: FilePath) -> None:
    """Raise CheckpointError if a manifest beside the file describes another content, or is damaged itself.

    A file without a manifest, or one that the manifest does not name, cannot be verified and passes.
    """
    place = Path(os.path.realpath(path))
    if not manifest.is_ours(place.parent) or not stat.S_ISREG(os.stat(place).st_mode):
        return
    try:
        entry = manifest.read(place.parent)["files"].get(place.name)
        if entry is not None:
            require_as_described(place, entry, path)
    except CheckpointError as error:
        beside = Path(path).parent / manifest.NAME
        remedy = f"use another checkpoint, or remove {beside} if the file was changed on purpose"
        raise CheckpointError(f"{error}; {remedy}") from error
