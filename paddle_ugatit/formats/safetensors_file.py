"""`.safetensors`: a length, a JSON header, then the arrays. Names are "network/key"; metadata are in the header.

The safetensors library checks the header when a file is read. Arrays are then views of the file, and are written one by
one, which the library cannot do.
"""

import json
import mmap
import struct
from collections.abc import Callable
from typing import IO, Any

import numpy as np
from safetensors import SafetensorError, safe_open

from paddle_ugatit.formats.checkpoint import (
    DTYPES,
    Checkpoint,
    CheckpointError,
    FilePath,
    chunks,
    held_dtype,
    joined,
)

_CODES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}
_DTYPES = {code: DTYPES[name] for name, code in _CODES.items()}
_OURS = "paddle_ugatit"  # our metadata as JSON: the header itself holds strings only
_FRAMEWORKS = {"pt": "torch", "pd": "paddle", "paddle": "paddle"}  # the "format" in headers written by others


def read(path: FilePath) -> Checkpoint:
    """Read a checkpoint whose arrays are views of the file.

    Raises CheckpointError if the file is damaged, or if its header does not name the framework: the layout of a
    Linear's weight would be ambiguous.
    """
    try:
        with safe_open(path, framework="np") as checked:
            header = checked.metadata() or {}
    except SafetensorError as error:
        raise CheckpointError(f"{path}: truncated or not a safetensors file: {error}") from error
    metadata, framework = _describe(path, header)
    with open(path, "rb") as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    (length,) = struct.unpack_from("<Q", data)
    entries = json.loads(bytes(data[8 : 8 + length]))
    entries.pop("__metadata__", None)
    if not entries:
        raise CheckpointError(f"{path}: holds no tensors")
    networks: dict[str, dict[str, np.ndarray]] = {}
    for name, entry in entries.items():
        network, _, key = name.rpartition("/")
        array = _array(path, name, entry, data[8 + length :])
        if "/" in network or not key:
            raise CheckpointError(f"{path}: {name!r} is not of the form key or network/key")
        networks.setdefault(network, {})[key] = array
    if "" in networks and len(networks) > 1:
        bare = next(iter(networks[""]))
        raise CheckpointError(f"{path}: {bare!r} stands beside networks but belongs to none: no network/ before it")
    return Checkpoint(networks, framework, metadata)


def _describe(path: FilePath, header: dict[str, str]) -> tuple[dict[str, Any], str]:
    """Return our metadata, and the framework that they or the header's "format" name."""
    try:
        metadata = json.loads(header.get(_OURS, "{}"))
        if not isinstance(metadata, dict):
            raise ValueError
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: its header's {_OURS} entry is damaged") from error
    framework = metadata.get("framework") or _FRAMEWORKS.get(header.get("format", ""))
    if framework not in ("torch", "paddle"):
        raise CheckpointError(
            f"{path}: its header names no framework (neither {_OURS} metadata nor format 'pt' or 'pd'), "
            "so the layout of its Linear weights is unknown; convert it from the original checkpoint"
        )
    return metadata, framework


def _array(path: FilePath, name: str, entry: dict[str, Any], data: memoryview) -> np.ndarray:
    dtype = _DTYPES.get(entry["dtype"])
    if dtype is None:
        raise CheckpointError(f"{path}: {name!r} has the dtype {entry['dtype']}, which is not supported")
    start, end = entry["data_offsets"]
    return np.frombuffer(data[start:end], dtype).reshape(entry["shape"])


def write(file: IO[bytes], checkpoint: Checkpoint, progress: Callable[[int], object]) -> None:
    """Write header and arrays; the header's length is a multiple of 8, as the format recommends."""
    metadata = {**checkpoint.metadata, "framework": checkpoint.framework}
    # "format" is what other programs read.
    format_name = {"torch": "pt", "paddle": "pd"}[checkpoint.framework]
    header: dict[str, Any] = {"__metadata__": {"format": format_name, _OURS: json.dumps(metadata)}}
    # Wider dtypes first, as the library writes them: every array is then aligned to its elements.
    tensors = sorted(checkpoint.tensors(), key=lambda item: -item[2].itemsize)
    position = 0
    for network, key, array in tensors:
        end = position + array.nbytes
        entry = {"dtype": _CODES[held_dtype(array)], "shape": list(array.shape), "data_offsets": [position, end]}
        header[joined(network, key)] = entry
        position = end
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    file.write(struct.pack("<Q", len(encoded)) + encoded)
    for _, _, array in tensors:
        for buffer in chunks(array):
            file.write(buffer)
            progress(len(buffer))
