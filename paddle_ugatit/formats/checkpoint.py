"""What every checkpoint file holds, in any format: named arrays, the framework, notes on their origin."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from paddle_ugatit.backend.errors import InputError

FilePath = str | os.PathLike[str]

# Every dtype that a file may hold, by name. NumPy has no bfloat16: as in Paddle, its bits are held as uint16.
DTYPES: dict[str, np.dtype] = {
    "float64": np.dtype("<f8"),
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype("<u2"),
    "int64": np.dtype("<i8"),
    "int32": np.dtype("<i4"),
    "int16": np.dtype("<i2"),
    "int8": np.dtype("i1"),
    "uint8": np.dtype("u1"),
    "bool": np.dtype("?"),
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
MAX_AXES = 32  # of an array in numpy 1
_LONGEST_TEXT = 80
_MOST_NAMES = 5  # in one line
_CHUNK = 32 << 20  # bytes held at once while an array is written


class CheckpointError(InputError):
    """A file cannot be read or written; the message is one line that names the file, and the key if there is one."""


@dataclass
class Account:
    """What became of what a file holds: nothing is left aside or changed without an entry here."""

    used: dict[str, str] = field(default_factory=dict)  # name of a network -> its name in the file
    dropped: dict[str, str] = field(default_factory=dict)  # entry of the file -> why it was left aside
    notes: list[str] = field(default_factory=list)  # lines on what was changed, or is odd

    def lines(self, path: FilePath) -> list[str]:
        """Return the account as lines for the user; `path` is the file's."""
        renamed = [f"{name or 'the network'} from {where!r}" for name, where in self.used.items() if name != where]
        lines = [f"{path}: read {', '.join(renamed)}"] if renamed else []
        reasons: dict[str, list[str]] = {}
        for name, why in self.dropped.items():
            reasons.setdefault(why, []).append(repr(name))
        for why, names in reasons.items():
            more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
            lines.append(f"{path}: left aside {', '.join(names[:_MOST_NAMES])}{more}: {why}")
        return lines + self.notes


@dataclass
class Checkpoint:
    """The state dicts of a file.

    Arrays may be read-only views of the file, which take no memory until they are used, and may be strided, such as a
    transpose. They become invalid if the file is changed in place; replacing the file is harmless.
    """

    networks: dict[str, dict[str, np.ndarray]]  # name -> key -> array; a bare state dict has the name ""
    framework: str  # "torch" or "paddle": whose layout the weights of a Linear have
    metadata: dict[str, Any] = field(default_factory=dict)  # JSON values
    texts: dict[str, str] = field(default_factory=dict)  # beside the networks of a .pt file, for example a version
    account: Account = field(default_factory=Account)  # of what the file holds besides

    def tensors(self) -> Iterator[tuple[str, str, np.ndarray]]:
        """Yield every (network, key, array) in order."""
        for network, state in self.networks.items():
            for key, array in state.items():
                yield network, key, array

    def nbytes(self) -> int:
        """Return the size of all arrays in bytes."""
        return sum(array.nbytes for _, _, array in self.tensors())


def dtype_name(array: np.ndarray) -> str | None:
    """Return the array's dtype as a key of DTYPES, or None if no format can hold it."""
    return _NAMES.get(array.dtype)


def held_dtype(array: np.ndarray) -> str:
    """Return the dtype's name, for an array that `require_writable` has let pass."""
    return _NAMES[array.dtype]


def require_writable(path: FilePath, checkpoint: Checkpoint) -> None:
    """Raise CheckpointError if the formats cannot hold an array or a name."""
    for network, key, array in checkpoint.tensors():
        if not isinstance(array, np.ndarray) or dtype_name(array) is None:
            kind = getattr(array, "dtype", type(array).__name__)
            raise CheckpointError(f"{path}: {joined(network, key)!r} is {kind}, which a checkpoint cannot hold")
        if "/" in network or "/" in key:
            raise CheckpointError(f"{path}: {joined(network, key)!r}: a name must not contain '/'")
    if "" in checkpoint.networks and len(checkpoint.networks) > 1:
        raise CheckpointError(f"{path}: a bare state dict cannot stand beside named networks")
    if not any(checkpoint.networks.values()):
        raise CheckpointError(f"{path}: refuses to write a checkpoint without tensors")


def joined(network: str, key: str) -> str:
    """Return "network/key", or the key alone for a bare state dict."""
    return f"{network}/{key}" if network else key


def is_text(value: object) -> bool:
    """Return whether this is a short printable string, as may stand beside networks, or name one."""
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT and value.isprintable()


def chunks(array: np.ndarray) -> Iterator[memoryview]:
    """Yield the array's bytes in C order, in buffers of about 32 MiB: a transposed gigabyte is never copied whole."""
    if array.flags.c_contiguous:
        flat = array.reshape(-1).view(np.uint8)
        for start in range(0, flat.size, _CHUNK):
            yield flat[start : start + _CHUNK].data
        return
    rows = max(1, _CHUNK * len(array) // array.nbytes) if array.nbytes else len(array)
    for start in range(0, len(array), rows):
        yield from chunks(np.ascontiguousarray(array[start : start + rows]))


def widened(array: np.ndarray) -> np.ndarray:
    """Return a bfloat16 array (uint16 bits) as float32, exactly; return any other array unchanged."""
    return (array.astype(np.uint32) << 16).view(np.float32) if dtype_name(array) == "bfloat16" else array


def cast(array: np.ndarray, name: str) -> np.ndarray:
    """Convert an array to the floating dtype `name` of DTYPES, rounding to nearest, half to even."""
    if dtype_name(array) == name:
        return array
    values = widened(array)
    if name != "bfloat16":
        return values.astype(DTYPES[name])
    bits = values.astype(np.float32).view(np.uint32)
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)  # half to even
    nan = bits | 0x400000  # rounding could carry a NaN into an infinity
    return (np.where(np.isnan(values), nan, rounded) >> 16).astype(np.uint16)
