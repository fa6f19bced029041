"""Image files of any format as RGB arrays, and arrays as files."""

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.formats import atomic

# What Pillow opens but cannot be meant by "an image of the set": documents and streams.
_NOT_PICTURES = {".pdf", ".ps", ".eps", ".mpg", ".mpeg"}


class ImageError(InputError):
    """A file that cannot be read as an image; one line that names it."""


def is_image_name(name):
    """Whether Pillow reads files of this suffix as pictures; hidden files are none."""
    suffix = os.path.splitext(name)[1].lower()
    known = suffix in Image.registered_extensions() and suffix not in _NOT_PICTURES
    return known and not os.path.basename(name).startswith(".")


def image_files(folder) -> list[Path]:
    """Every image file below `folder`, in the order of their relative names. Raises InputError for none at all."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder" if not folder.exists() else f"{folder}: is not a folder")
    found, seen = [], set()
    for base, folders, names in os.walk(folder, followlinks=True):
        place = os.path.realpath(base)
        if place in seen:  # a link back, which would be followed for ever
            folders.clear()
            continue
        seen.add(place)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(base, name) for name in names if is_image_name(name)]
    if not found:
        raise InputError(f"{folder}: holds no images")
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def read_picture(path) -> Image.Image:
    """The file as an RGB picture, turned upright where its EXIF data say so.

    Grey and palette pictures become RGB, transparency is dropped, CMYK is converted, 16 bits become 8. Raises
    ImageError for whatever is no readable image: another kind of file, a truncated one, one too large to be safe.
    """
    try:
        with Image.open(path) as picture:
            return _rgb(ImageOps.exif_transpose(picture), path)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path}: is too large to be safe: {error}") from error
    except Image.UnidentifiedImageError as error:
        raise ImageError(f"{path}: is not an image") from error
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, KeyError, MemoryError) as error:
        # Pillow's decoders raise all of these for damaged files.
        raise ImageError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _rgb(picture, path):
    if picture.mode == "F":
        raise ImageError(f"{path}: has floating-point pixels, whose range is not known")
    if picture.mode.startswith("I"):  # 16 bits, which convert() would clip to 255
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ImageError(f"{path}: has pixels of more than 16 bits")
        picture = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    return picture.convert("RGB")


def read_image(path) -> np.ndarray:
    """`read_picture` as an array: uint8 (H,W,3)."""
    return np.array(read_picture(path))


def write_image(path, pixels):
    """Write uint8 pixels, (H,W,3) or (H,W), in the format of the suffix, as a whole or not at all."""
    suffix = os.path.splitext(path)[1].lower()
    kind = Image.registered_extensions().get(suffix)
    if kind not in Image.SAVE:
        raise InputError(f"{path}: no image format is written under the suffix {suffix or '(none)'}")
    buffer = io.BytesIO()
    options = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, kind, **options)
    with atomic.replacing(path) as file:
        file.write(buffer.getvalue())
