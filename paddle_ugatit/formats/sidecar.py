"""The side file `<checkpoint>.json`, for formats that cannot hold metadata."""

import json
import os
from typing import IO, Any

from paddle_ugatit.formats.checkpoint import Checkpoint, CheckpointError, FilePath

_LARGEST = 1 << 20  # bytes; a side file has a few hundred


def path_of(path: FilePath) -> str:
    """Return the path of a checkpoint's side file."""
    return f"{os.fspath(path)}.json"


def dump(file: IO[str], checkpoint: Checkpoint, nbytes: int) -> None:
    """Write the metadata to a text file, with the checkpoint's size, by which `read` recognises a stale side file."""
    described = {**checkpoint.metadata, "framework": checkpoint.framework, "bytes": nbytes}
    json.dump(described, file, indent=2)
    file.write("\n")


def read(path: FilePath) -> dict[str, Any]:
    """Return the metadata of a checkpoint, {} if it has no side file.

    Raises CheckpointError if the side file is malformed or describes a file of another size.
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
    size = metadata.pop("bytes", None)
    if size != os.path.getsize(path):
        raise CheckpointError(f"{side}: describes a file of {size} bytes, not {path}; if it is a leftover, remove it")
    return metadata
