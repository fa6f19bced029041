"""CRC-32C, the checksum of TensorFlow's files: by a C library if one is installed, else by NumPy.

The libraries that are used are `google_crc32c` and `crc32c`; neither is required. NumPy computes many equal pieces at
once and joins them, which makes about 100 MB/s.
"""

import functools
from collections.abc import Callable
from importlib import import_module

import numpy as np

_POLYNOMIAL = 0x82F63B78  # reflected
_ONES = 0xFFFFFFFF
_CHUNK = 16 << 20  # bytes that are computed at once
_MOST_LANES = 1 << 13
_STEPS = 64  # words of every lane that are laid out in one go
_LIBRARIES = (("google_crc32c", "value"), ("crc32c", "crc32c"))


def crc32c(data: memoryview, progress: Callable[[int], object] | None = None) -> int:
    """Return the CRC-32C of a buffer of bytes; `progress(n)` is called for every n bytes."""
    progress = progress or (lambda nbytes: None)
    if library := _library():
        return _by_library(library, data, progress)
    raw = 0
    first = len(data) % _CHUNK
    for start in [0] * (first > 0) + list(range(first, len(data), _CHUNK)):
        chunk = data[start : start + (_CHUNK if start or not first else first)]
        raw = _shifted(raw, len(chunk)) ^ _raw(chunk)
        progress(len(chunk))
    return raw ^ _shifted(_ONES, len(data)) ^ _ONES


def masked(crc: int) -> int:
    """Return a checksum in the form in which files hold it, so that a checksum of checksums is not degenerate."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & _ONES


@functools.cache
def _library() -> tuple[str, Callable[..., int]] | None:
    for module, name in _LIBRARIES:
        try:
            return module, getattr(import_module(module), "extend" if module == "google_crc32c" else name)
        except (ImportError, AttributeError):
            continue
    return None


def _by_library(library: tuple[str, Callable[..., int]], data: memoryview, progress: Callable[[int], object]) -> int:
    name, extend = library
    crc = 0
    for start in range(0, len(data), _CHUNK):
        chunk = bytes(data[start : start + _CHUNK])
        crc = extend(crc, chunk) if name == "google_crc32c" else extend(chunk, crc)
        progress(len(chunk))
    return crc


@functools.cache
def _tables() -> tuple[np.ndarray, np.ndarray]:
    """The checksum of every byte, and of every pair of bytes, begun at 0."""
    byte: np.ndarray = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        byte = (byte >> 1) ^ (np.uint32(_POLYNOMIAL) * (byte & 1))
    pairs = np.arange(1 << 16, dtype=np.uint32)
    once = byte[pairs & 255] ^ (pairs >> 8)
    return byte, byte[once & 255] ^ (once >> 8)


def _raw(data: memoryview) -> int:
    """Return the checksum begun at 0, without the inversion at the end: zeros before the data do not change it."""
    if len(data) < 64:
        table, crc = _tables()[0], 0
        for byte in bytes(data):
            crc = int(table[(crc ^ byte) & 255]) ^ (crc >> 8)
        return crc
    lanes = 1
    while lanes < _MOST_LANES and lanes * 256 < len(data):
        lanes *= 2
    padding = -len(data) % (2 * lanes)
    held = np.frombuffer(data, np.uint8)
    held = np.concatenate([np.zeros(padding, np.uint8), held]) if padding else held
    words = held.view("<u2").reshape(lanes, -1)
    table, crcs = _tables()[1], np.zeros(lanes, np.uint32)
    for start in range(0, words.shape[1], _STEPS):
        for word in np.ascontiguousarray(words[:, start : start + _STEPS].T):
            crcs = table[(crcs ^ word) & 0xFFFF] ^ (crcs >> 16)
    matrix = _zeros(2 * words.shape[1])
    while len(crcs) > 1:  # each lane and the next become one
        crcs = _applied(matrix, crcs[0::2]) ^ crcs[1::2]
        matrix = _applied(matrix, matrix)
    return int(crcs[0])


def _applied(matrix: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Multiply a matrix over the field of two elements, as 32 columns of 32 bits, by vectors of 32 bits."""
    result = np.zeros_like(values)
    for bit in range(32):
        result ^= matrix[bit] * ((values >> np.uint32(bit)) & np.uint32(1))
    return result


@functools.lru_cache(maxsize=64)
def _zeros(count: int) -> np.ndarray:
    """Return the matrix by which `count` zero bytes change a checksum that is not yet inverted."""
    columns = np.uint32(1) << np.arange(32, dtype=np.uint32)
    result = columns
    power = _tables()[0][columns & 255] ^ (columns >> 8)
    while count:
        if count & 1:
            result = _applied(power, result)
        power = _applied(power, power)
        count >>= 1
    return result


def _shifted(crc: int, count: int) -> int:
    return int(_applied(_zeros(count), np.array([crc], np.uint32))[0])
