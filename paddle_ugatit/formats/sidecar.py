"""The side file `<checkpoint>.json`, for formats that have no place for metadata."""

import json
import os

from paddle_ugatit.formats.checkpoint import CheckpointError

_LARGEST = 1 << 20  # bytes; ours have a few hundred


def path_of(path) -> str:
    """Where the side file of a checkpoint stands."""
    return f"{os.fspath(path)}.json"


def dump(file, checkpoint, nbytes):
    """Write the metadata to a text file, with the checkpoint's size, by which `read` knows that the two belong."""
    described = {**checkpoint.metadata, "framework": checkpoint.framework, "bytes": nbytes}
    json.dump(described, file, indent=2)
    file.write("\n")


def read(path) -> dict:
    """The metadata of a checkpoint, {} where it has no side file.

    Raises CheckpointError for a side file that makes no sense or describes a file of another size.
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
