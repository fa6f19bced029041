"""The side file `<checkpoint>.json`, for formats that cannot hold metadata."""

import json
import os
from collections.abc import Callable
from typing import IO, Any

from paddle_ugatit.formats.checkpoint import Checkpoint, CheckpointError, FilePath

_LARGEST = 1 << 20  # bytes; a side file has a few hundred


def path_of(path: FilePath) -> str:
    """Return the path of a checkpoint's side file."""
    return f"{os.fspath(path)}.json"


def dump(file: IO[str], checkpoint: Checkpoint, nbytes: int, sha256: str) -> None:
    """Write the metadata to a text file, with the checkpoint's size and SHA-256, which tie it to the content."""
    described = {**checkpoint.metadata, "framework": checkpoint.framework, "bytes": nbytes, "sha256": sha256}
    json.dump(described, file, indent=2)
    file.write("\n")


def read(path: FilePath, sha256: Callable[[], str], notes: list[str]) -> dict[str, Any]:
    """Return the metadata of a checkpoint, {} if it has no side file or one of another content, which `notes` get.

    `sha256` computes the checkpoint's. A side file of older versions names the size only, by which all checkpoints of
    one architecture are alike: it is believed, and `notes` say so. Raises CheckpointError if the file is malformed.
    """
    side = path_of(path)
    try:
        with open(side, encoding="utf-8") as file:
            metadata = json.loads(file.read(_LARGEST))
        if not isinstance(metadata, dict):
            raise ValueError
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CheckpointError(f"{side}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{side}: is not a side file of a checkpoint; remove it, or restore it") from error
    size, digest = metadata.pop("bytes", None), metadata.pop("sha256", None)
    same_size = size == os.path.getsize(path)
    if not same_size or (digest is not None and digest != sha256()):
        what = "SHA-256" if same_size else "size"
        notes.append(
            f"{side}: is not believed: it describes a file of another {what}; {path} was replaced, or is damaged"
        )
        return {}
    if digest is None:
        notes.append(f"{side}: is believed by the file's size alone: an older version wrote it, without a SHA-256")
    return metadata
