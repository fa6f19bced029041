"""Read image files of any format as RGB arrays, and write arrays to files."""

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.formats import atomic

# Pillow opens these documents and streams, but they are not images of a data set.
_NOT_PICTURES = {".pdf", ".ps", ".eps", ".mpg", ".mpeg"}


class ImageError(InputError):
    """A file that cannot be read as an image; the message is one line that names it."""


def is_image_name(name: str) -> bool:
    """Return whether Pillow reads files with this suffix as images. Hidden files are ignored."""
    suffix = os.path.splitext(name)[1].lower()
    known = suffix in Image.registered_extensions() and suffix not in _NOT_PICTURES
    return known and not os.path.basename(name).startswith(".")


def image_files(folder: Path | str) -> list[Path]:
    """Return every image file below `folder`, sorted by relative path.

    Hidden files and folders are ignored. Raises InputError if there is no such folder or it holds no images.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder" if not folder.exists() else f"{folder}: is not a folder")
    found, seen = [], set()
    for base, folders, names in os.walk(folder, followlinks=True):
        place = os.path.realpath(base)
        if place in seen:  # a link back to a parent, which would be followed forever
            folders.clear()
            continue
        seen.add(place)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(base, name) for name in names if is_image_name(name)]
    if not found:
        raise InputError(f"{folder}: holds no images")
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def read_picture(path: Path | str) -> Image.Image:
    """Read a file as an RGB image, rotated as its EXIF data say.

    Greyscale, palette and CMYK images are converted, transparency is dropped, and 16 bits are reduced to 8. Raises
    ImageError if the file is not an image, is truncated or damaged, or is too large to be decoded safely.
    """
    try:
        with Image.open(path) as picture:
            return _rgb(ImageOps.exif_transpose(picture), path)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path}: is too large to be decoded safely: {error}") from error
    except Image.UnidentifiedImageError as error:
        raise ImageError(f"{path}: is not an image") from error
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, KeyError, MemoryError) as error:
        # Pillow's decoders raise all of these for damaged files.
        raise ImageError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


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


def write_image(path: Path | str, pixels: np.ndarray) -> None:
    """Write uint8 pixels, (H,W,3) or (H,W), atomically, in the format that the suffix names.

    Raises InputError if Pillow writes no format under that suffix, or if the file cannot be written.
    """
    suffix = os.path.splitext(path)[1].lower()
    kind = Image.registered_extensions().get(suffix)
    if kind not in Image.SAVE:
        raise InputError(f"{path}: images cannot be written with the suffix {suffix or '(none)'}")
    buffer = io.BytesIO()
    options = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, kind, **options)
    with atomic.replacing(path) as file:
        file.write(buffer.getvalue())
