"""TensorFlow's checkpoints of version 2: PREFIX.index, and PREFIX.data-00000-of-00001 or several such shards.

They are read without TensorFlow, and nothing in them is executed. Arrays are views of the data files. A path may be
the prefix, any of the files, or their folder. PREFIX.meta, the graph, is not needed.
"""

import mmap
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from paddle_ugatit.formats.checkpoint import DTYPES, MAX_AXES, Account, Checkpoint, CheckpointError, FilePath
from paddle_ugatit.formats.crc32c import crc32c, masked
from paddle_ugatit.formats.sorted_table import MAGIC, Reader, entries

FRAMEWORK = "tensorflow"
_INDEX = ".index"
_PARTS = re.compile(r"(.+)\.(?:index|meta|data-\d{5}-of-\d{5})")
_LARGEST_INDEX = 64 << 20  # bytes; that of the official file has 31 KB
_LARGEST_STATE = 1 << 16  # of the text file `checkpoint`
_MOST_SHARDS = 1000
_TYPES = {1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 9: "int64", 10: "bool"}
_TYPES |= {14: "bfloat16", 19: "float16"}
_TEXT = 7
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_UNPACK = "it was not unpacked completely, as happens to the official archive with unzip: use 7z, or ditto on macOS"


@dataclass
class _Entry:
    """What the index says of one variable."""

    dtype: int = 0
    shape: tuple[int, ...] = ()
    shard: int = 0
    offset: int = 0
    size: int = 0
    crc: int = 0
    partitioned: bool = False


@dataclass
class Bundle(Checkpoint):
    """The variables of a TensorFlow checkpoint, all in the network "", by their names there."""

    crcs: dict[str, tuple[FilePath, int]] = field(default_factory=dict)  # variable -> data file, masked CRC-32C

    def require_intact(self, names: Iterable[str], progress: Callable[[int], object] | None = None) -> None:
        """Raise CheckpointError if the checksum of one of these variables is not the one in the index.

        `progress(n)` is called for every n bytes.
        """
        for name in names:
            path, crc = self.crcs[name]
            array = self.networks[""][name]
            data = array.reshape(-1).view(np.uint8).data if array.size else memoryview(b"")
            if masked(crc32c(data, progress)) != crc:
                raise CheckpointError(
                    f"{path}: is damaged: the checksum (CRC-32C) of {name!r} is not the one in the index"
                )


def index_of(path: FilePath) -> Path | None:
    """Return the .index file of the checkpoint that a path stands for, or None if it stands for none.

    The path may be the prefix, a file, or the folder, in which the file `checkpoint` says which is the newest. Raises
    CheckpointError if a file of a checkpoint has no index beside it.
    """
    place = Path(path)
    if place.is_dir():
        return _newest(place)
    if place.name == "checkpoint" and place.is_file() and _named_in(place):
        return _newest(place.parent)
    if match := _PARTS.fullmatch(place.name):
        index = place.with_name(match[1] + _INDEX)
        if index.is_file():
            return index
        if place.suffix != ".meta" and place.suffix != _INDEX and place.is_file():
            raise CheckpointError(
                f"{path}: is the data of a TensorFlow checkpoint, whose {index.name} is not beside it"
            )
        return None
    index = place.with_name(place.name + _INDEX) if place.name else place
    return index if not place.exists() and index.is_file() else None


def _newest(folder: Path) -> Path | None:
    """Return the index that the folder's file `checkpoint` names, or else the one with the highest number."""
    state = folder / "checkpoint"
    if state.is_file() and (name := _named_in(state)) and (folder / f"{name}{_INDEX}").is_file():
        return folder / f"{name}{_INDEX}"
    found = [each for each in folder.glob(f"*{_INDEX}") if each.is_file() and _ends_like_a_table(each)]
    return max(found, key=lambda each: (_number(each), each.name), default=None)


def _number(index: Path) -> int:
    match = re.search(r"(\d{1,18})\.index$", index.name)
    return int(match[1]) if match else -1


def _named_in(state: Path) -> str:
    """Return the base name of the checkpoint that a file `checkpoint` names: its folder is the author's."""
    with open(state, "rb") as file:
        text = file.read(_LARGEST_STATE).decode("utf-8", "replace")
    match = re.search(r'^\s*model_checkpoint_path:\s*"([^"\n\x00]{1,1000})"', text, re.MULTILINE)
    return re.split(r"[/\\]", match[1])[-1] if match else ""


def _ends_like_a_table(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - len(MAGIC)))
        return file.read(len(MAGIC)) == MAGIC


def is_version_1(path: FilePath) -> bool:
    """Return whether a file that is no index is a table, as a checkpoint of TensorFlow's version 1 is."""
    return not os.fspath(path).endswith(_INDEX) and _ends_like_a_table(Path(path))


def read(index: Path) -> Bundle:
    """Read a checkpoint by its index; see `index_of`. Its arrays are views of the data files.

    Variables that cannot be read, such as texts and partitioned ones, are left aside. The checksums of the index are
    verified here, those of variables by `require_intact`. Raises CheckpointError if a file is damaged or missing.
    """
    if index.stat().st_size > _LARGEST_INDEX:
        raise CheckpointError(f"{index}: is too large for the index of a checkpoint")
    table = entries(index, memoryview(index.read_bytes()))
    shards = _shards(index, *next(table, (b"", memoryview(b""))))
    account = Account()
    found: dict[str, _Entry] = {}
    for key, value in table:
        name = key.decode("utf-8", "backslashreplace")
        if name in found or name in account.dropped:
            raise CheckpointError(f"{index}: is damaged: names {name[:80]!r} twice")
        entry = _entry(index, name, value)
        if why := _unread(key, entry):
            account.dropped[name] = why
        else:
            found[name] = entry
    if not found:
        raise CheckpointError(f"{index}: holds no tensors")
    places = [index.with_name(f"{index.name[: -len(_INDEX)]}.data-{i:05d}-of-{shards:05d}") for i in range(shards)]
    data = _mapped(index, places, found)
    arrays = {name: _array(index, name, entry, data) for name, entry in found.items()}
    crcs: dict[str, tuple[FilePath, int]] = {name: (places[entry.shard], entry.crc) for name, entry in found.items()}
    return Bundle({"": arrays}, FRAMEWORK, account=account, crcs=crcs)


def _shards(index: Path, key: bytes, value: memoryview) -> int:
    """Return the number of data files, from the entry that comes first."""
    fields = list(_fields(index, "its header", value))
    if key or any(number == 1 and wire == _BYTES for number, wire, _ in fields):
        raise CheckpointError(f"{index}: is a TensorFlow checkpoint of version 1, which is not read; only version 2 is")
    numbers = {number: content for number, wire, content in fields if wire == _VARINT}
    if numbers.get(2, 0):
        raise CheckpointError(f"{index}: is of a machine with big-endian numbers, which is not supported")
    shards = int(numbers.get(1, 1))
    if not 1 <= shards <= _MOST_SHARDS:
        raise CheckpointError(f"{index}: is damaged: says that it has {shards} data files")
    return shards


def _fields(index: Path, what: str, value: memoryview) -> Iterator[tuple[int, int, "int | memoryview"]]:
    """Yield (number, wire type, content) of the fields of a protocol buffer."""
    reader = Reader(value)
    try:
        while reader:
            tag = reader.varint()
            number, wire = tag >> 3, tag & 7
            if wire == _VARINT:
                yield number, wire, reader.varint()
            elif wire in (_FIXED32, _FIXED64):
                yield number, wire, int.from_bytes(reader.take(4 if wire == _FIXED32 else 8), "little")
            elif wire == _BYTES:
                yield number, wire, reader.take(reader.varint())
            else:
                raise ValueError(f"a field of wire type {wire}")
    except ValueError as error:
        raise CheckpointError(f"{index}: is damaged: {what[:80]!r}: {error}") from error


def _entry(index: Path, name: str, value: memoryview) -> _Entry:
    entry = _Entry()
    for number, wire, content in _fields(index, name, value):
        if isinstance(content, int) and wire == _VARINT and number in (1, 3, 4, 5):
            setattr(entry, {1: "dtype", 3: "shard", 4: "offset", 5: "size"}[number], content)
        elif isinstance(content, int) and wire == _FIXED32 and number == 6:
            entry.crc = content
        elif isinstance(content, memoryview) and number == 2:
            entry.shape = tuple(_shape(index, name, content))
        elif number == 7:
            entry.partitioned = True
    return entry


def _shape(index: Path, name: str, value: memoryview) -> Iterator[int]:
    for number, _, content in _fields(index, name, value):
        if number == 2 and isinstance(content, memoryview):
            sizes = [size for inner, _, size in _fields(index, name, content) if inner == 1 and isinstance(size, int)]
            yield sizes[-1] if sizes else 0  # quirk: a size of 0 is written as an empty message


def _unread(key: bytes, entry: _Entry) -> str:
    """Return why a variable cannot be read, "" if it can."""
    if key.startswith(b"\0"):
        return "a slice of a partitioned variable, which is not read"
    if entry.partitioned:
        return "a partitioned variable, which is not read"
    if entry.dtype == _TEXT:
        return "a text, not an array"
    return "" if entry.dtype in _TYPES else f"of a type of values that is not read ({entry.dtype})"


def _mapped(index: Path, places: list[Path], found: dict[str, _Entry]) -> list[memoryview]:
    """Return the bytes of every data file, after checking that they are there and long enough."""
    needed = [0] * len(places)
    for name, entry in found.items():
        if entry.shard >= len(places):
            raise CheckpointError(f"{index}: is damaged: {name[:80]!r} is in data file {entry.shard} of {len(places)}")
        needed[entry.shard] = max(needed[entry.shard], entry.offset + entry.size)
    data = []
    for place, need in zip(places, needed, strict=True):
        if not place.is_file():
            raise CheckpointError(f"{place}: is not there, but belongs to {index.name}")
        with open(place, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < need:
                raise CheckpointError(f"{place}: has {size} bytes, but the index needs {need}: {_UNPACK}")
            empty = memoryview(b"")
            data.append(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) if size else empty)
    return data


def _array(index: Path, name: str, entry: _Entry, data: list[memoryview]) -> np.ndarray:
    dtype, count = DTYPES[_TYPES[entry.dtype]], 1
    for size in entry.shape:
        count *= size
    if len(entry.shape) > MAX_AXES or max(entry.shape, default=0) >= 2**62 or count * dtype.itemsize != entry.size:
        raise CheckpointError(
            f"{index}: is damaged: {name[:80]!r} has {entry.size} bytes, which do not fit its shape {entry.shape[:8]}"
        )
    return np.frombuffer(data[entry.shard][entry.offset : entry.offset + entry.size], dtype).reshape(entry.shape)
