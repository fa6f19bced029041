"""Paddle's checkpoints, `.pdparams`: a pickle of state dicts of NumPy arrays. Read and written without Paddle.

Nothing in a file is executed, and arrays are views of it. paddle.load reads what is written here, in Paddle 2.6 and 3.3
and with NumPy 1 and 2.
"""

import mmap
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from paddle_ugatit.formats import pickle_writer as p
from paddle_ugatit.formats.checkpoint import (
    DTYPES,
    MAX_AXES,
    Account,
    Checkpoint,
    CheckpointError,
    FilePath,
    chunks,
    held_dtype,
    joined,
)
from paddle_ugatit.formats.contents import contents_of
from paddle_ugatit.formats.pickle_machine import Machine

_NAME_TABLE = "StructuredToParameterName@@"  # Paddle 2.0's note of variable names in a state dict
_PIECES = "UnpackBigParamInfor@@"  # its note of arrays that were cut into pieces
_KINDS: dict[str, np.dtype] = {dtype.str[1:]: dtype for dtype in DTYPES.values()}  # "f4" -> float32


@dataclass
class _Dtype:
    kind: np.dtype


@dataclass
class _Array:
    """An array made by `_reconstruct`; its value is set later, by `build`."""

    value: np.ndarray | None = None


class PaddleMachine(Machine):
    """Builds the arrays that paddle.save wrote."""

    allowed = Machine.allowed | {
        "builtins.tuple",
        "_codecs.encode",
        "numpy.ndarray",
        "numpy.dtype",
        "numpy.core.multiarray._reconstruct",
        "numpy._core.multiarray._reconstruct",
    }

    def call(self, name: str, arguments: tuple) -> Any:
        """Return an array, a dtype, bytes, or the pair of a variable's name and its array."""
        if name.endswith("_reconstruct"):
            return _Array()
        if name == "numpy.dtype":
            return self._dtype(arguments[0])
        if name == "_codecs.encode" and len(arguments) == 2 and arguments[1] == "latin1":
            return self._encoded(arguments[0])
        if name == "builtins.tuple":
            self.spend(8 * len(arguments[0]))
            return tuple(arguments[0])
        return super().call(name, arguments)

    def build(self, target: Any, state: Any) -> None:
        """Set the bytes of an array, or check the byte order of a dtype."""
        if type(target) is _Array:
            target.value = self._filled(*state)
        elif type(target) is _Dtype:
            if state[1] not in ("<", "|"):
                raise CheckpointError(f"{self.path}: holds big-endian arrays, which are not supported")
        else:
            super().build(target, state)

    def _encoded(self, text: str) -> memoryview:
        self.spend(len(text))
        return memoryview(text.encode("latin-1"))

    def _dtype(self, text: str) -> _Dtype:
        kind = _KINDS.get(text.lstrip("<|"))
        if kind is None:
            what = "arrays of Python objects" if text.startswith(("O", "|O")) else f"arrays of dtype {text[:20]!r}"
            raise CheckpointError(f"{self.path}: refuses to load {what}")
        return _Dtype(kind)

    def _filled(self, _version: Any, shape: Any, dtype: Any, column_order: Any, data: Any) -> np.ndarray:
        if type(dtype) is not _Dtype or type(data) not in (memoryview, str) or type(shape) is not tuple:
            raise ValueError("not an array")
        if len(shape) > MAX_AXES or not all(type(size) is int and 0 <= size < 2**62 for size in shape):
            raise ValueError("not a shape")
        data = self._encoded(data) if isinstance(data, str) else data  # str: Python 2's bytes
        if int(np.prod(shape, dtype=object)) * dtype.kind.itemsize != len(data):
            raise ValueError("an array of the wrong number of bytes")
        return np.frombuffer(data, dtype.kind).reshape(shape, order="F" if column_order else "C")


def read(path: FilePath) -> Checkpoint:
    """Read a checkpoint whose arrays are views of the file. Raises CheckpointError if it is none."""
    with open(path, "rb") as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    if data[0] != 0x80:
        raise CheckpointError(f"{path}: is not a Paddle checkpoint: it does not begin like a pickle")
    contents = contents_of(path, PaddleMachine(path, data).load(), _is_array, len(data), ignored=(_NAME_TABLE,))
    if any(name.rpartition("/")[2] == _PIECES for name in contents.aside):
        raise CheckpointError(f"{path}: was saved in pieces by pickle protocol 2 or 3; save it with protocol=4")
    named = {
        network: {key: _array(path, joined(network, key), leaf) for key, leaf in state.items()}
        for network, state in contents.networks.items()
    }
    return Checkpoint(named, "paddle", texts=contents.texts, account=Account(dropped=contents.aside))


def _is_array(leaf: Any) -> bool:
    named = type(leaf) is tuple and len(leaf) == 2 and type(leaf[0]) is str
    return type(leaf[1] if named else leaf) is _Array


def _array(path: FilePath, name: str, leaf: Any) -> np.ndarray:
    array = (leaf[1] if isinstance(leaf, tuple) else leaf).value
    if array is None:
        raise CheckpointError(f"{path}: {name!r} is an array without data")
    return array


def write(file: IO[bytes], checkpoint: Checkpoint, progress: Callable[[int], object]) -> None:
    """Write the pickle, array by array; bfloat16 is written as uint16, as Paddle itself does."""
    bare = "" in checkpoint.networks
    file.write(p.PROTOCOL_4 + (b"" if bare else b"}("))
    for network, state in checkpoint.networks.items():
        file.write((b"" if bare else p.text(network)) + b"}(")
        for key, array in state.items():
            file.write(p.text(key))
            _write_array(file, array, progress)
        file.write(b"u")
    file.write((b"" if bare else b"u") + p.STOP)


def _write_array(file: IO[bytes], array: np.ndarray, progress: Callable[[int], object]) -> None:
    ndarray = p.name("numpy", "ndarray")
    # numpy 2 moved this name to numpy._core, but still knows it here.
    rebuild = p.name("numpy.core.multiarray", "_reconstruct")
    file.write(p.call(rebuild, ndarray, p.integers([0]), p.short_bytes(b"b")))
    dtype = p.call(p.name("numpy", "dtype"), p.text(DTYPES[held_dtype(array)].str))
    # The state that numpy's __setstate__ takes: version, shape, dtype, column order, bytes.
    file.write(b"(" + p.integer(1) + p.integers(array.shape) + dtype + p.FALSE + p.bytes_header(array.nbytes))
    for buffer in chunks(array):
        file.write(buffer)
        progress(len(buffer))
    file.write(b"tb")
