"""Read image files of any format as RGB arrays, and write arrays to files."""

import contextlib
import errno
import io
import os
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data import kinds
from paddle_ugatit.data.kinds import is_image_name
from paddle_ugatit.data.listing import image_files
from paddle_ugatit.formats import atomic

__all__ = [
    "ImageError",
    "further_frames",
    "image_files",
    "is_image_name",
    "picture_size",
    "read_image",
    "read_picture",
    "write_image",
    "require_writable",
]

_FRAMES = "frames"  # in a picture's info: how many its file has; a phone's MPO holds a preview besides, no frames
_LONGEST_REASON = 200  # characters
_TURNS = {  # by the EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Refusals that lie in the name of one file; after any other, such as a full disk, the next file fares no better.
_OWN_FAULTS = {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP}


class ImageError(InputError):
    """A picture that cannot be read, used or written, which says nothing about others; one line that names it."""


def read_picture(path: Path | str) -> Image.Image:
    """Read a file as an RGB image, rotated as its EXIF data say.

    Greyscale, palette and CMYK images are converted, transparency is dropped, and 16 bits are reduced to 8; of an
    animation or of many pages the first is read. Raises
    ImageError if the file is not an image or not a regular file, is truncated or damaged, or is too large to be decoded
    safely.
    """
    try:
        kinds.require_file(path)
        with Image.open(path, formats=kinds.readable()) as picture:
            picture.load()
            turn = _TURNS.get(_orientation(picture))
            upright = _rgb(picture, path)
            upright.info[_FRAMES] = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)
        return upright if turn is None else upright.transpose(turn)
    except ImageError:
        raise
    except InputError as error:
        raise ImageError(str(error)) from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path}: is too large to be decoded safely: {error}") from error
    except Image.UnidentifiedImageError as error:
        raise ImageError(f"{path}: {kinds.NEEDS_HEIF if kinds.lacks_reader(path) else 'is not an image'}") from error
    except Exception as error:  # Pillow's plugins raise exceptions of any type for damaged files
        raise ImageError(f"{path}: cannot be read: {reason(error)}") from error


def further_frames(picture: Image.Image, name: Path | str) -> str:
    """Return a line on the frames, or pages, of a file beyond the first, which `read_picture` reads; "" without."""
    frames = picture.info.get(_FRAMES, 1)
    return f"note: {name}: the first of {frames} frames is used" if frames > 1 else ""


def reason(error: Exception) -> str:
    """Return what an exception says, in one line that is not empty."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(f"not enough memory: {said}".split() if isinstance(error, MemoryError) else said.split())[
        :_LONGEST_REASON
    ]


def _orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 where it cannot be read. The other tags do not matter, and may be damaged."""
    with contextlib.suppress(Exception):
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    return 1


def _rgb(picture: Image.Image, path: Path | str) -> Image.Image:
    if picture.mode == "F":
        raise ImageError(f"{path}: has floating-point pixels of unknown range")
    if picture.mode.startswith("I"):  # 16 bits, which convert() would clip to 255
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ImageError(f"{path}: has more than 16 bits per channel")
        picture = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    return picture.convert("RGB")


def read_image(path: Path | str) -> np.ndarray:
    """Read a file as an RGB array, uint8 (H,W,3). Raises ImageError as `read_picture` does."""
    return np.array(read_picture(path))


def picture_size(path: Path | str) -> tuple[int, int] | None:
    """Return width and height from a file's header, before any rotation; None if it cannot be read."""
    with contextlib.suppress(Exception):  # what is wrong is told when the picture is read
        kinds.require_file(path)
        with Image.open(path, formats=kinds.readable()) as picture:
            return picture.size
    return None


def write_image(path: Path | str, pixels: np.ndarray) -> None:
    """Write uint8 pixels, (H,W,3) or (H,W), atomically, in the format that the suffix names.

    Raises InputError if that format cannot be written or would not keep the image, see `kinds.keeps`; ImageError if
    this image does not fit the format, or if its name cannot be used; WriteError if the disk refuses.
    """
    kind, options = kinds.save_options(path)
    buffer = io.BytesIO()
    try:
        Image.fromarray(pixels).save(buffer, kind, **options)
    except Exception as error:
        raise ImageError(f"{path}: cannot be written as {kind}: {reason(error)}") from error
    try:
        with atomic.replacing(path) as file:
            file.write(buffer.getvalue())
    except atomic.WriteError as error:
        if is_own_fault(path, error.__cause__):
            raise ImageError(str(error)) from error
        raise


def require_writable(path: Path | str) -> None:
    """Raise InputError if an image cannot be written there, as far as can be told before it is made."""
    kinds.save_options(path)
    atomic.require_replaceable(path)


def is_own_fault(path: Path | str, error: BaseException | None) -> bool:
    """Return whether a refusal to write lies in this one path, not in the disk."""
    if isinstance(error, OSError):
        return error.errno in _OWN_FAULTS
    return os.path.exists(path) and not os.path.isfile(path)
