"""Which files are pictures, by name or by content, and in which formats results are written.

Pillow decides both. HEIC and HEIF, and AVIF where Pillow lacks it, are read if pillow-heif is installed.
"""

import os
import stat
from pathlib import Path
from typing import Any

from PIL import Image

from paddle_ugatit.backend.errors import InputError

NEEDS_HEIF = "HEIC, HEIF and old Pillow's AVIF need pillow-heif: pip install pillow-heif"
# Pillow registers these documents, streams and stubs, but they are not images of a data set.
_NOT_PICTURES = {".pdf", ".ps", ".eps", ".mpg", ".mpeg", ".bufr", ".grib", ".h5", ".hdf", ".wmf", ".emf"}
_NEVER = {"EPS", "MPEG", "BUFR", "GRIB", "HDF5", "WMF"}  # the formats of those, whatever a file's suffix
_HEIF = {".heic", ".heics", ".heif", ".heifs", ".hif", ".avif", ".avifs"}
_BRANDS = {  # the bytes after "ftyp" -> a suffix of that format
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), ".heic"),
    **dict.fromkeys((b"avif", b"avis"), ".avif"),
}
_SYSTEM = {"thumbs.db", "ehthumbs.db", "desktop.ini"}  # left by file managers; hidden like .DS_Store
# Recognised under any suffix. TIFF is not among them: a camera's raw file begins like one, and holds a thumbnail.
_SNIFFED = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "HEIF")

# Suffixes under which a result stays as it is, and the options with which it does. JPEG and AVIF are lossy but close;
# by default they would drop half of the colours' resolution, as lossy WebP always does.
_KEPT: dict[str, dict[str, Any]] = {
    **dict.fromkeys((".png", ".apng", ".bmp", ".dib", ".tif", ".tiff", ".ppm", ".pnm", ".tga", ".qoi"), {}),
    **dict.fromkeys((".jp2", ".j2k", ".j2c", ".jpc"), {}),
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), {"quality": 95, "subsampling": 0}),
    ".webp": {"lossless": True},
    ".avif": {"quality": 95, "subsampling": "4:4:4"},
}


def _register_heif() -> None:
    try:
        import pillow_heif

        pillow_heif.register_heif_opener()
        if ".avif" not in Image.registered_extensions():
            pillow_heif.register_avif_opener()  # there up to version 0.22; later ones leave AVIF to Pillow
    except Exception:  # absent, or broken in whatever way: without it everything else still works
        return


_register_heif()


def readable() -> list[str]:
    """Return Pillow's formats whose files are read; none that starts another program, as EPS does with Ghostscript."""
    Image.init()
    return [name for name in Image.ID if name not in _NEVER]


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is hidden, or left by a file manager."""
    base = os.path.basename(name)
    return base.startswith(".") or base.lower() in _SYSTEM


def is_image_name(name: str) -> bool:
    """Return whether Pillow reads files with this suffix as images. Hidden files are ignored."""
    return _known(os.path.splitext(name)[1].lower()) and not is_hidden(name)


def _known(suffix: str) -> bool:
    return suffix in Image.registered_extensions() and suffix not in _NOT_PICTURES


def why_left_out(path: Path | str) -> str:
    """Return why a file is not taken as a picture, "" if it is.

    A known suffix decides; under any other, or none, the content does. A picture that turns out to be damaged is taken,
    and found when it is read.
    """
    suffix = os.path.splitext(path)[1].lower()
    if _known(suffix):
        return ""
    if suffix in _HEIF:
        return NEEDS_HEIF
    if suffix in _NOT_PICTURES:
        return "not pictures"
    try:
        require_file(path)
    except InputError:
        return "not regular files"
    except OSError as error:
        return error.strerror or "cannot be read"
    if lacks_reader(path):
        return NEEDS_HEIF
    return "" if _has_content(path) else "not pictures"


def _has_content(path: Path | str) -> bool:
    known = [name for name in _SNIFFED if name in Image.OPEN]
    try:
        with Image.open(path, formats=known):
            return True
    except Exception:  # a damaged header may make Pillow's plugins raise any exception
        return False


def lacks_reader(path: Path | str) -> bool:
    """Return whether a file begins like HEIC, HEIF or AVIF and nothing installed reads that."""
    try:
        with open(path, "rb") as file:
            head = file.read(12)
    except OSError:
        return False
    suffix = _BRANDS.get(head[8:12]) if head[4:8] == b"ftyp" else None
    return suffix is not None and not _known(suffix)


def require_file(path: Path | str) -> None:
    """Raise InputError unless `path` is a regular file: a named pipe or a device would be waited for without end.

    Raises OSError if there is nothing.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: cannot be read: it is {'a folder' if stat.S_ISDIR(mode) else 'not a regular file'}")


def keeps(suffix: str) -> bool:
    """Return whether a result that is written under this suffix keeps its size and, nearly or exactly, its colours."""
    return suffix.lower() in _KEPT and Image.registered_extensions().get(suffix.lower(), "") in Image.SAVE


def save_options(path: Path | str) -> tuple[str, dict[str, Any]]:
    """Return Pillow's format and options for a result of this name.

    Raises InputError if Pillow writes no such format, or none that keeps the picture.
    """
    suffix = os.path.splitext(path)[1].lower()
    kind = Image.registered_extensions().get(suffix, "")
    if kind not in Image.SAVE:
        raise InputError(f"{path}: images cannot be written with the suffix {suffix or '(none)'}")
    if suffix not in _KEPT:
        raise InputError(f"{path}: {suffix} would not keep the image's size and colours: write .png instead")
    return kind, _KEPT[suffix]
