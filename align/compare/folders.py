"""A folder as people have it, and a plain statement of which of its files are pictures, under which names.

Everything is written down by hand, so that no table of the port is asked. What Pillow itself may lack (AVIF) or gain
(HEIF, by pillow-heif) is asked of Pillow.
"""

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

NEEDS_READER = "HEIC, HEIF and old Pillow's AVIF need pillow-heif: pip install pillow-heif"
NO_PICTURES = ("pdf", "ps", "eps", "mpg", "mpeg", "bufr", "grib", "h5", "hdf", "wmf", "emf")
UNREAD = {"EPS", "MPEG", "BUFR", "GRIB", "HDF5", "WMF"}  # Pillow's formats that are never read
BY_CONTENT = ("JPEG", "PNG", "WEBP", "GIF", "BMP")  # recognised without a suffix; Pillow may add AVIF
HEIF = ("heic", "heics", "heif", "heifs", "hif", "avif", "avifs")
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
AVIF_BRANDS = (b"avif", b"avis")
HIDDEN = (".hidden.png", "Thumbs.db", "ehthumbs.db", "Desktop.ini", ".folder/in.png", "b/.inner/x.png")
LINKED = "linked/in.png"  # in a folder that a link leads to, though its own name is hidden
TAKEN = (  # by their suffixes, in the order in which they are found: by the path below the folder
    *("B.PNG", "a.bmp", "a.gif", "a.jpeg", "a.tiff", "a.webp"),
    *("b-1.png", "b/1.png", "b/2.JPG", "b/c/3.ppm", "c.png/4.png"),
)
LOSSLESS = ("png", "apng", "bmp", "dib", "tif", "tiff", "ppm", "pnm", "tga", "qoi", "webp")
WAVELETS = ("jp2", "j2k", "j2c", "jpc")
LOSSY = ("jpg", "jpeg", "jpe", "jfif")
NOT_WRITTEN = ("gif", "xyz", "", "ico", "pdf")


def content(kind: str = "PNG", seed: int = 0, size: tuple[int, int] = (8, 6)) -> bytes:
    """Return the bytes of a small picture in one of Pillow's formats."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def can(kind: str) -> bool:
    """Return whether Pillow reads a format here."""
    Image.init()
    return kind in Image.OPEN


def by_content() -> tuple[str, ...]:
    """Return the formats that are recognised without a suffix."""
    return (*BY_CONTENT, "AVIF") if can("AVIF") and "AVIF" in Image.SAVE else BY_CONTENT


def known(suffix: str) -> bool:
    """Return whether Pillow has a format of this suffix."""
    return f".{suffix}" in Image.registered_extensions()


def brand(name: bytes) -> bytes:
    """Return the head of a file of this brand, which is damaged after it."""
    return b"\0\0\0\x18ftyp" + name + b"\0" * 16


def write_tree(folder: Path) -> None:
    """Fill a new folder: pictures, hidden files, other files, and what is none by its suffix though it looks so."""
    suffixes = {"jpg": "JPEG", "jpeg": "JPEG", "tiff": "TIFF", "webp": "WEBP", "gif": "GIF", "bmp": "BMP", "ppm": "PPM"}
    for seed, name in enumerate(TAKEN):
        _write(folder / name, content(suffixes.get(name.rpartition(".")[2].lower(), "PNG"), seed))
    for name in HIDDEN:
        _write(folder / name, content())
    for kind in (*by_content(), "TIFF", "PPM"):
        _write(folder / f"{kind.lower()}_inside", content(kind))
    for suffix in NO_PICTURES:
        _write(folder / f"other/paper.{suffix}", content())
    _write(folder / "notes.txt", b"no picture")
    _write(folder / "odd.dat", brand(b"heic"))
    _write(folder / "other/empty", b"")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "other/pipe")
    (folder / "other/gone").symlink_to(folder / "nowhere")
    (folder / "linked").symlink_to(folder / ".folder", target_is_directory=True)
    (folder / "b/loop").symlink_to(folder, target_is_directory=True)


def listed() -> list[str]:
    """Return the paths of the pictures in that folder, in order."""
    return sorted([*TAKEN, LINKED, *(f"{kind.lower()}_inside" for kind in by_content())])


def left_out() -> dict[str, dict[str, int]]:
    """Return what is not taken there: reason -> suffix -> number of files. Hidden files are not mentioned."""
    found = {"not pictures": dict.fromkeys((f".{suffix}" for suffix in NO_PICTURES), 1)}
    found["not pictures"] |= {".txt": 1, "without a suffix": 3}
    found["not pictures" if can("HEIF") else NEEDS_READER] = {".dat": 1}
    if hasattr(os, "mkfifo"):
        found["not regular files"] = {"without a suffix": 1}
    return found | {"No such file or directory": {"without a suffix": 1}}


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
