"""PyTorch's checkpoints, `.pt` and `.pth`, read and written without PyTorch.

Since PyTorch 1.6 such a file is a zip archive: `NAME/data.pkl`, a pickle that refers to storages, and the storages as
uncompressed records `NAME/data/KEY`. Older files: see torch_legacy.py. Nothing in a file is executed.
"""

import functools
import io
import mmap
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from typing import IO

import numpy as np

from paddle_ugatit.formats import pickle_writer as p
from paddle_ugatit.formats import torch_legacy
from paddle_ugatit.formats.checkpoint import (
    Account,
    Checkpoint,
    CheckpointError,
    FilePath,
    chunks,
    held_dtype,
    joined,
)
from paddle_ugatit.formats.contents import contents_of
from paddle_ugatit.formats.torch_tensors import STORAGES, TorchMachine, View, array_of

_CLASS_OF = {dtype: storage for storage, dtype in STORAGES.items()}
_ALIGNMENT = 64  # of every storage in the file, as PyTorch writes it
_BIG = 1 << 30  # bytes from which zipfile is told beforehand that it may need 64-bit sizes
_MOST_INFLATED = 20  # times as large as the file may all its records be together; weights hardly shrink
_LOCAL_HEADER = 30  # bytes, then name and extra field


def read(path: FilePath) -> Checkpoint:
    """Read a checkpoint whose arrays are views of the file. Raises CheckpointError if it is none."""
    with open(path, "rb") as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return _read_archive(path, file, data) if recognises_archive(data) else torch_legacy.read(path, data)


def recognises_archive(data: memoryview) -> bool:
    """Return whether the file begins like a zip archive."""
    return bytes(data[:4]) in (b"PK\3\4", b"PK\5\6")


def _read_archive(path: FilePath, file: IO[bytes], data: memoryview) -> Checkpoint:
    try:
        records = {info.filename: info for info in zipfile.ZipFile(file).infolist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, struct.error, EOFError) as error:
        raise CheckpointError(f"{path}: truncated or not a checkpoint: {error}") from error
    root = _root(path, list(records))

    inflated: list[int] = []  # bytes of records that were compressed

    @functools.cache  # several tensors may share a storage, which is then held and checked once
    def record(name: str) -> memoryview:
        if root + name not in records:
            raise CheckpointError(f"{path}: truncated or damaged: it lacks its record {name!r}")
        info = records[root + name]
        found = _record(path, info, data)
        if info.compress_type != zipfile.ZIP_STORED:
            inflated.append(info.file_size)
            if sum(inflated) > _MOST_INFLATED * len(data):
                raise CheckpointError(f"{path}: refuses its compressed record {info.filename!r}: it is far too large")
            found = _inflated(path, info, found)
        _require_sound(path, info, found)
        return found

    if f"{root}byteorder" in records and bytes(record("byteorder")) != b"little":
        raise CheckpointError(f"{path}: was written on a big-endian machine, which is not supported")
    pickled = record("data.pkl")
    contents = contents_of(path, TorchMachine(path, pickled).load(), lambda leaf: isinstance(leaf, View), len(pickled))
    arrays = {
        network: {
            key: array_of(path, joined(network, key), view, record(f"data/{view.storage.key}"))
            for key, view in state.items()
        }
        for network, state in contents.networks.items()
    }
    return Checkpoint(arrays, "torch", texts=contents.texts, account=Account(dropped=contents.aside))


def _root(path: FilePath, records: list[str]) -> str:
    """Return the folder of the archive that holds data.pkl."""
    roots = [name.removesuffix("data.pkl") for name in records if name.endswith("/data.pkl")]
    if len(roots) != 1:
        inside = next((name for name in records if name.endswith((".pt", ".pth", ".tar", ".ckpt", ".bin"))), None)
        hint = f"; unpack it, it holds {inside!r}" if inside and not roots else ""
        raise CheckpointError(
            f"{path}: a zip archive, but not a PyTorch checkpoint: it has {len(roots)} data.pkl{hint}"
        )
    if f"{roots[0]}constants.pkl" in records:
        raise CheckpointError(f"{path}: a TorchScript program; save the state dict of the network instead")
    return roots[0]


def _require_sound(path: FilePath, info: zipfile.ZipInfo, data: memoryview) -> None:
    """Raise CheckpointError if the record is not what was written; a checksum of 0 says that none was made."""
    if info.CRC and zlib.crc32(data) != info.CRC:
        raise CheckpointError(f"{path}: damaged: its record {info.filename!r} does not have its checksum")


def _record(path: FilePath, info: zipfile.ZipInfo, data: memoryview) -> memoryview:
    """Return a view of a record's bytes as they are in the file. Every number is checked: the index may be wrong."""
    stored = info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size
    if not (stored or info.compress_type == zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
        raise CheckpointError(
            f"{path}: refuses its compressed or encrypted record {info.filename!r}: pack it anew without (zip -0)"
        )
    header = data[info.header_offset : info.header_offset + _LOCAL_HEADER] if info.header_offset >= 0 else b""
    if len(header) != _LOCAL_HEADER or bytes(header[:4]) != b"PK\3\4":
        raise CheckpointError(f"{path}: truncated or damaged at its record {info.filename!r}")
    start = info.header_offset + _LOCAL_HEADER + sum(struct.unpack_from("<HH", header, 26))
    if start + info.compress_size > len(data):
        raise CheckpointError(f"{path}: truncated or damaged in its record {info.filename!r}")
    return data[start : start + info.compress_size]


def _inflated(path: FilePath, info: zipfile.ZipInfo, data: memoryview) -> memoryview:
    """Return the bytes of a record that a mail program or archiver has compressed."""
    try:
        found = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, info.file_size + 1)
    except zlib.error as error:
        raise CheckpointError(f"{path}: damaged in its record {info.filename!r}: {error}") from error
    if len(found) != info.file_size:
        raise CheckpointError(f"{path}: damaged: its record {info.filename!r} is not as long as the index says")
    return memoryview(found)


def write(file: IO[bytes], checkpoint: Checkpoint, progress: Callable[[int], object]) -> None:
    """Write an archive that torch.load reads, also with weights_only or mmap; equal input gives equal bytes."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _write_record(archive, file, "data.pkl", [_pickled(checkpoint)])
        _write_record(archive, file, "byteorder", [b"little"])
        for index, (_, _, array) in enumerate(checkpoint.tensors()):
            _write_record(archive, file, f"data/{index}", chunks(array), array.nbytes, progress)
        _write_record(archive, file, "version", [b"3\n"])


def _write_record(
    archive: zipfile.ZipFile,
    file: IO[bytes],
    name: str,
    buffers: Iterable[bytes | memoryview],
    nbytes: int = 0,
    progress: Callable[[int], object] | None = None,
) -> None:
    info = zipfile.ZipInfo(f"archive/{name}", (1980, 1, 1, 0, 0, 0))
    big = nbytes >= _BIG
    start = file.tell() + _LOCAL_HEADER + len(info.filename) + 4 + 20 * big  # 4: header of the padding itself
    padding = -start % _ALIGNMENT
    info.extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
    with archive.open(info, "w", force_zip64=big) as record:
        for buffer in buffers:
            record.write(buffer)
            if progress:
                progress(len(buffer))


def _pickled(checkpoint: Checkpoint) -> bytes:
    """Return the pickle, in which storages are numbered in the order of the tensors."""
    out = io.BytesIO()
    out.write(p.PROTOCOL_2)
    keys = iter(range(2**31))
    bare = "" in checkpoint.networks
    out.write(b"" if bare else b"}(")
    for network, state in checkpoint.networks.items():
        out.write(b"" if bare else p.text(network))
        out.write(p.ORDERED_DICT + b"(")
        for key, array in state.items():
            out.write(p.text(key) + _tensor(array, str(next(keys))))
        out.write(b"u")
    for name, text in {} if bare else checkpoint.texts.items():
        out.write(p.text(name) + p.text(text))
    out.write((b"" if bare else b"u") + p.STOP)
    return out.getvalue()


def _tensor(array: np.ndarray, key: str) -> bytes:
    storage_class = p.name("torch", _CLASS_OF[held_dtype(array)])
    storage = p.many(p.text("storage"), storage_class, p.text(key), p.text("cpu"), p.integer(array.size)) + b"Q"
    strides: list[int] = []
    step = 1
    for size in reversed(array.shape):
        strides.insert(0, step)
        step *= max(size, 1)
    layout = p.integer(0), p.integers(array.shape), p.integers(strides)
    return p.call(p.name("torch._utils", "_rebuild_tensor_v2"), storage, *layout, p.FALSE, p.ORDERED_DICT)
