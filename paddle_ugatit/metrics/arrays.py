"""Arrays in .npz and .npy files, read without trusting them, and images in them of any usual layout.

Contents: read_array, Layout, layout_of.
"""

import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data.images import reason

_ARRAYS = ("images", "features", "arr_0")  # names that are looked for first in an .npz file
_MAGIC = {b"PK\x03\x04": "npz", b"\x93NUM": "npy"}
_CHUNK = 64  # images looked at together
_RATIO = 1100  # deflate packs at most 1032 bytes into one


def is_array_file(path: Path) -> bool:
    """Return whether a file is .npz or .npy by its suffix or its first bytes."""
    if path.suffix.lower() in (".npz", ".npy"):
        return True
    with open(path, "rb") as file:
        return file.read(4) in _MAGIC


def read_array(path: Path) -> np.ndarray:
    """Read the array of an .npy file, or the one of an .npz file.

    Raises InputError, in one line, if the file is damaged, encrypted, holds several arrays or Python objects, or claims
    to hold more than its size allows.
    """
    try:
        with open(path, "rb") as file:
            if file.read(4) == b"\x93NUM":
                file.seek(0)
                return _array(file, path.stat().st_size)
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            chosen = [name for name in _ARRAYS if name in names][:1] or names
            if len(chosen) != 1:
                held = ", ".join(chosen[:5]) or "nothing"
                raise InputError(f"{path}: holds {held}; one array is needed, such as `images`")
            member = archive.infolist()[names.index(chosen[0])]
            if member.file_size > _RATIO * member.compress_size + _RATIO:
                raise ValueError(f"it claims to hold {member.file_size} bytes in {member.compress_size}")
            with archive.open(member) as stream:
                return _array(stream, member.file_size)  # type: ignore[arg-type]
    except InputError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise exceptions of many types for damaged files
        raise InputError(f"{path}: cannot be read: {reason(error)}") from error


def _array(stream: BinaryIO, size: int) -> np.ndarray:
    """Read one array of a stream of `size` bytes, after looking at its header."""
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are not read")
    count = math.prod(shape)  # NumPy's own product may overflow
    if min(shape, default=0) < 0 or count * dtype.itemsize > size:
        raise ValueError(f"it claims to hold {dtype} of shape {shape}, more than its {size} bytes")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)


@dataclass(frozen=True)
class Layout:
    """How the images of an array become uint8 (H,W,3); `note` says what had to be assumed, "" if nothing."""

    convert: Callable[[np.ndarray], np.ndarray]  # of one image
    note: str


def layout_of(array: np.ndarray, path: Path) -> Layout | None:
    """Return how to take the images of an array (N,...), None if it holds no images.

    Images are (H,W,3), (3,H,W), grey (H,W), (H,W,1) or (1,H,W), or with a fourth channel of transparency, which is
    dropped; integers from 0 to 255, or floats from 0 to 1, -1 to 1 or 0 to 255. Raises InputError if their values fit
    none of these.
    """
    shape = array.shape
    if array.dtype.kind not in ("u", "i", "f") or len(shape) not in (3, 4) or 0 in shape:
        return None
    if len(shape) == 3:
        colours, notes = _grey, ["grey images"]
    elif shape[3] in (3, 4):
        colours, notes = _channels_last, []
    elif shape[1] in (3, 4):
        colours, notes = _channels_first, [f"channels first, {shape[1]}x{shape[2]}x{shape[3]}"]
    elif 1 in (shape[1], shape[3]):
        colours, notes = _grey, ["grey images"]
    else:
        return None
    if array.dtype == np.uint8:
        return Layout(lambda image: np.ascontiguousarray(colours(image)), ", ".join(notes))
    scale, offset, said = _range(array, path)
    return Layout(lambda image: _bytes(colours(image), scale, offset), ", ".join([*notes, said]))


def _range(array: np.ndarray, path: Path) -> tuple[float, float, str]:
    """The scale and offset that bring the values to 0 ... 255."""
    parts = [array[start : start + _CHUNK] for start in range(0, len(array), _CHUNK)]
    low, high = min(float(part.min()) for part in parts), max(float(part.max()) for part in parts)
    if array.dtype.kind == "f":
        if low >= 0 and high <= 1:
            return 255.0, 0.0, "floats from 0 to 1"
        if low >= -1 and high <= 1:
            return 127.5, 127.5, "floats from -1 to 1"
    if low >= 0 and high <= 255:
        return 1.0, 0.0, f"{array.dtype} from 0 to 255"
    raise InputError(f"{path}: {array.dtype} from {low:g} to {high:g} is no range of pixels: use 0 to 1 or 0 to 255")


def _grey(image: np.ndarray) -> np.ndarray:
    plane = image if image.ndim == 2 else image[..., 0] if image.shape[-1] == 1 else image[0]
    return np.repeat(plane[..., None], 3, 2)


def _channels_last(image: np.ndarray) -> np.ndarray:
    return image[..., :3]


def _channels_first(image: np.ndarray) -> np.ndarray:
    return image[:3].transpose(1, 2, 0)


def _bytes(image: np.ndarray, scale: float, offset: float) -> np.ndarray:
    return np.rint(image.astype(np.float64) * scale + offset).astype(np.uint8)
