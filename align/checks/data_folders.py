"""Which files are taken as pictures, how each is read, and how results are written, against plain statements."""

import errno
import io
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
from PIL import EpsImagePlugin, Image, ImageOps

from align.compare import folders as plain
from align.compare.values import same, told
from align.compare.verdict import Row
from paddle_ugatit.data import images, inputs, kinds, listing

SOURCES = {  # case -> the file that it is about
    "file kinds": "paddle_ugatit/data/kinds.py",
    "folder": "paddle_ugatit/data/listing.py",
    "command line": "paddle_ugatit/data/inputs.py",
    "reading": "paddle_ugatit/data/images.py",
    "writing": "paddle_ugatit/data/images.py",
}


def folder_cases():
    """Yield (name, rows, "") of each case."""
    cases = (_kinds, _listing, _inputs, _reading, _writing)
    for name, case in zip(SOURCES, cases, strict=True):
        with tempfile.TemporaryDirectory() as folder:
            yield name, case(Path(folder)), ""


def _kinds(folder: Path) -> list[Row]:
    """By suffix and by content."""
    rows = [same("formats that are read", set(kinds.readable()), set(Image.ID) - plain.UNREAD)]
    for suffix in (*plain.HEIF, *plain.NO_PICTURES, "png", "JPG"):
        taken = plain.known(suffix.lower()) and suffix not in plain.NO_PICTURES
        reason = "" if taken else plain.NEEDS_READER if suffix in plain.HEIF else "not pictures"
        (folder / f"x.{suffix}").write_bytes(b"no picture")
        rows.append(same(f".{suffix}", kinds.why_left_out(folder / f"x.{suffix}"), reason))
        rows.append(same(f".{suffix}: a picture by its name", kinds.is_image_name(f"a/x.{suffix}"), taken))
    for name in ("no_suffix", "x.txt", ".x.png", ".folder/.x.png"):
        rows.append(same(f"{name}: a picture by its name", kinds.is_image_name(name), False))
    for brands, suffix in ((plain.HEIC_BRANDS, "heic"), (plain.AVIF_BRANDS, "avif"), ((b"isom", b"xxxx"), "")):
        for number, name in enumerate(brands):
            path = folder / f"{number}{suffix}"
            path.write_bytes(plain.brand(name))
            lacks = bool(suffix) and not plain.known(suffix)
            rows.append(same(f"begins like {name.decode()}", kinds.lacks_reader(path), lacks))
    (folder / "moved").write_bytes(b"\0" + plain.brand(b"heic"))
    rows.append(same("no brand at that place", kinds.lacks_reader(folder / "moved"), False))
    (folder / "other").write_bytes(plain.brand(b"heic").replace(b"ftyp", b"moov"))
    rows.append(same("another box", kinds.lacks_reader(folder / "other"), False))
    rows.append(same("no such file", kinds.lacks_reader(folder / "absent"), False))
    return [*rows, *_registered(), *_readers(folder)]


def _registered() -> list[Row]:
    """What is asked of pillow_heif where it is installed: AVIF too, unless Pillow reads that itself."""
    rows = []
    for known, wanted in (({".png": "PNG"}, ["heif", "avif"]), ({".avif": "AVIF"}, ["heif"])):
        asked: list[str] = []
        openers = {f"register_{name}_opener": partial(asked.append, name) for name in ("heif", "avif")}
        module = SimpleNamespace(**openers)
        with patch.dict(sys.modules, pillow_heif=module), patch.object(Image, "registered_extensions", lambda: known):  # noqa: B023
            kinds._register_heif()
        rows.append(same(f"readers asked for beside {', '.join(known)}", asked, wanted))
    with patch.dict(sys.modules, pillow_heif=None):  # as if it were absent
        rows.append(same("without them", kinds._register_heif(), None))
    return rows


def _readers(folder: Path) -> list[Row]:
    """Whatever Pillow can read here: a format is lacking if, and only if, no reader of its suffix is there."""
    rows, own = [], Image.registered_extensions()
    for suffix, name in ((".heic", b"mif1"), (".avif", b"avis")):
        (folder / "x").write_bytes(plain.brand(name))
        others = {key: value for key, value in own.items() if key != suffix}
        for there, known in ((True, others | {suffix: "X"}), (False, others)):
            with patch.object(Image, "registered_extensions", return_value=known):
                rows.append(same(f"{suffix} with a reader: {there}", kinds.lacks_reader(folder / "x"), not there))
    return rows


def _listing(folder: Path) -> list[Row]:
    """Every picture below a folder, in order, and what is left out."""
    plain.write_tree(folder)
    said: list[str] = []
    found = [path.relative_to(folder).as_posix() for path in listing.image_files(folder, said.append)]
    left = listing.LeftOut()
    again = listing.pictures_of(listing._walked(folder, left), left)
    counted = {reason: dict(suffixes) for reason, suffixes in left.files.items()}
    rows = [same("pictures", found, plain.listed()), same("left out", counted, plain.left_out())]
    rows.append(same("number of pictures", len(again), len(plain.listed())))
    rows.append(same("a line on what is left out", [line.startswith(f"{folder}: left out ") for line in said], [True]))
    rows.append(same("whether anything is left out", (bool(left), bool(listing.LeftOut())), (True, False)))
    return [*rows, *_unreadable(folder)]


def _unreadable(folder: Path) -> list[Row]:
    """A folder that cannot be read is left out; nothing is said where all is taken."""
    left, said, scan = listing.LeftOut(), [], os.scandir

    def refused(place):
        if Path(place) == folder / "b/c":
            raise OSError(errno.EACCES, "Permission denied", str(place))
        return scan(place)

    listing.image_files(str(folder / "b/c"), said.append)
    with patch.object(os, "scandir", refused):
        found = [path.name for path in listing._walked(folder / "b", left) if "loop" not in path.parts]
    rows = [same("a closed folder", (bool(left), left.folders), (True, [f"{folder / 'b/c'} (Permission denied)"]))]
    return [*rows, same("its neighbours", sorted(found), ["1.png", "2.JPG"]), same("nothing left out", said, [])]


def _inputs(folder: Path) -> list[Row]:
    """Files, folders and patterns as a command line takes them, with the names of their results."""
    for number, name in enumerate(
        ("a.png", "x/a.png", "x/b.gif", "x/y/a.png", "x/y/notes.txt", "z/a.png", "out/a.png", "w/b.gif")
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"text" if name.endswith("txt") else plain.content("GIF" if "gif" in name else "PNG", number))
    (folder / "x/d.png").mkdir()
    (folder / "z/bare").write_bytes(plain.content("JPEG"))
    (folder / "z/.a.png").write_bytes(plain.content())
    (folder / "z/again.png").symlink_to(folder / "a.png")
    at = lambda *names: [folder / name for name in names]  # noqa: E731
    wanted = {
        "a file": (at("a.png"), [("a.png", "a.png")]),
        "a file without a suffix": (at("z/bare"), [("z/bare", "bare.png")]),
        "a folder": (at("x"), [("x/a.png", "a.png"), ("x/b.gif", "b.gif.png"), ("x/y/a.png", "y/a.png")]),
        "one name twice": (
            at("a.png", "x/a.png", "z/a.png"),
            [("a.png",) * 2, ("x/a.png", "a_2.png"), ("z/a.png", "a_3.png")],
        ),
        "one name twice, renamed": (at("x/b.gif", "w/b.gif"), [("x/b.gif", "b.gif.png"), ("w/b.gif", "b.gif_2.png")]),
        "a file twice": (at("z/again.png", "a.png", "z/a.png"), [("z/again.png", "again.png"), ("z/a.png", "a.png")]),
        "a pattern": (at("x/*"), [("x/a.png", "a.png"), ("x/b.gif", "b.gif.png")]),
        "a deep pattern": (at("x/**/a.png"), [("x/a.png", "a.png"), ("x/y/a.png", "y/a.png")]),
        "a pattern in its middle": (
            at("*/a.png"),
            [("out/a.png", "out/a.png"), ("x/a.png", "x/a.png"), ("z/a.png", "z/a.png")],
        ),
        "a pattern of hidden files": (at("z/*.png"), [("z/a.png", "a.png"), ("z/again.png", "again.png")]),
    }
    rows = []
    for stage, (values, pairs) in wanted.items():
        found = [(path.relative_to(folder).as_posix(), name) for path, name in inputs.collect(values)]
        rows.append(same(stage, found, pairs))
    return [*rows, *_results_aside(folder), *_renamed()]


def _results_aside(folder: Path) -> list[Row]:
    """Results of an earlier run in a searched folder are no inputs, unless the search is for them."""
    everything = ["a.png", "out/a.png", "w/b.gif", "x/a.png", "x/b.gif", "x/y/a.png", "z/a.png", "z/bare"]
    rows, said = [], []
    for stage, value, outs, wanted in (
        ("without its results", folder, [folder / "out"], [name for name in everything if not name.startswith("out")]),
        ("the folder itself is the output", folder, [folder], everything),
        ("all of it in the output", folder / "z", [folder], ["z/a.png", "z/again.png", "z/bare"]),
        ("an output elsewhere", folder / "x", [folder / "out"], ["x/a.png", "x/b.gif", "x/y/a.png"]),
        ("a pattern without results", folder / "*/a.png", [folder / "out", folder / "z"], ["x/a.png"]),
    ):
        found = [path.relative_to(folder).as_posix() for path, _ in inputs.collect([value], outs, said.append)]
        rows.append(same(stage, found, wanted))
    inputs.collect([folder / "x/y/*"], say=said.append)
    heads = [line.rpartition("left out")[0] for line in said]
    lines = [f"{folder}: ", f"{folder}: ", f"{folder / 'x'}: ", f"{folder / 'x/y/*'}: "]
    return [*rows, same("lines on what is left out", heads, lines)]


def _renamed() -> list[Row]:
    pairs = [(Path(name), "") for name in ("a.png", "b.gif", "c", "d.gif", "e.JPG")]
    said = inputs.renamed(pairs)
    rows = [same("a line on other suffixes", said[:28], "3 written as .png, as .gif, ")]
    return [*rows, same("no line", inputs.renamed(pairs[:1]), "")]


def _reading(folder: Path) -> list[Row]:
    """Every orientation, mode and depth, against Pillow's own functions and arithmetic."""
    rng = np.random.default_rng(3)
    pixels, path = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8), folder / "x.png"
    rows = []
    for turn in (*range(10), "odd"):
        exif = Image.Exif()
        exif[0x0112 if turn != "odd" else 0x010E] = turn
        Image.fromarray(pixels).save(path, exif=exif)
        with Image.open(path) as picture:
            wanted = np.array(ImageOps.exif_transpose(picture))
        rows.append(same(f"EXIF orientation {turn}", images.read_image(path), wanted))
    Image.fromarray(pixels).save(path, exif=b"Exif\0\0damaged")
    rows.append(same("damaged EXIF", images.read_image(path), pixels))
    Image.fromarray(pixels).save(path)
    rows.append(same("no orientation", images.read_image(path), pixels))
    rows.append(same("size", images.picture_size(path), (7, 5)))
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for suffix in ("png", "tiff"):
        Image.fromarray(levels).save(folder / f"16.{suffix}")
        wanted = np.repeat(np.rint(levels / 257).astype(np.uint8)[..., None], 3, 2)
        rows.append(same(f"16 bits, {suffix}", images.read_image(folder / f"16.{suffix}"), wanted))
    for mode in ("L", "LA", "P", "RGBA", "CMYK", "1", "YCbCr"):
        name = folder / f"{mode}.{'tiff' if mode in ('CMYK', 'YCbCr') else 'png'}"
        Image.fromarray(pixels).convert(mode).save(name)
        with Image.open(name) as picture:
            rows.append(same(f"mode {mode}", images.read_image(name), np.array(picture.convert("RGB"))))
    return [*rows, *_refused(folder, pixels)]


def _refused(folder: Path, pixels: np.ndarray) -> list[Row]:
    """What is no picture, or one of unknown range, is an ImageError, and has no size."""
    Image.fromarray(pixels[..., 0].astype(np.float32)).save(folder / "float.tiff")
    Image.fromarray(np.int32([[0, 65536]])).save(folder / "deep.tiff")
    Image.fromarray(pixels).save(folder / "document.eps")
    (folder / "document.png").write_bytes((folder / "document.eps").read_bytes())
    (folder / "cut.png").write_bytes(plain.content()[:60])
    rows = []
    with patch.object(EpsImagePlugin, "Ghostscript") as started:
        for name in ("float.tiff", "deep.tiff", "document.png", "cut.png", "absent.png", "."):
            try:
                images.read_image(folder / name)
                note = "is read"
            except images.ImageError:
                note = ""
            except Exception as error:
                note = f"raises {type(error).__name__}"
            rows.append(told(f"{name} is refused", note))
    rows.append(same("no other program is started", started.called, False))
    sizes = [images.picture_size(folder / name) for name in ("document.png", "absent.png", ".")]
    return [*rows, same("no size", sizes, [None] * 3)]


def _writing(folder: Path) -> list[Row]:
    """Results keep their pixels, and their colours where the format is lossy: the bytes are Pillow's at its best."""
    pixels = np.random.default_rng(4).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    rows, formats = [], Image.registered_extensions()
    written = lambda suffix: formats.get(f".{suffix}") in Image.SAVE  # noqa: E731
    for suffix in filter(written, (*plain.LOSSLESS, *plain.WAVELETS)):
        images.write_image(folder / f"x.{suffix}", pixels[::-1])
        with Image.open(folder / f"x.{suffix}") as picture:
            rows.append(same(f"{suffix} keeps the pixels", np.array(picture.convert("RGB")), pixels[::-1]))
    for suffix in filter(written, (*plain.LOSSY, "avif")):
        images.write_image(folder / f"x.{suffix}", pixels)
        avif, file = suffix == "avif", io.BytesIO()
        Image.fromarray(pixels).save(file, formats[f".{suffix}"], quality=95, subsampling="4:4:4" if avif else 0)
        rows.append(same(f"{suffix} at its best", (folder / f"x.{suffix}").read_bytes(), file.getvalue()))
    images.write_image(folder / "grey.PNG", pixels[..., 0])
    with Image.open(folder / "grey.PNG") as picture:
        rows.append(same("grey", np.array(picture), pixels[..., 0]))
    kept = (*plain.LOSSLESS, *plain.WAVELETS, *plain.LOSSY, "avif", "PNG")
    for suffix in (*kept, *plain.NOT_WRITTEN):
        wanted = suffix in kept and written(suffix.lower())
        rows.append(same(f"{suffix or 'no suffix'} keeps a result", kinds.keeps(f".{suffix}"), wanted))
    return [*rows, *_faults(folder)]


def _faults(folder: Path) -> list[Row]:
    """Whether a refusal to write lies in one name or in the disk."""
    own = ("ENAMETOOLONG", "EINVAL", "EILSEQ", "ENOTDIR", "EISDIR", "EEXIST", "ELOOP")
    rows = []
    for name in (*own, "ENOSPC", "EACCES", "EROFS"):
        found = images.is_own_fault(folder, OSError(getattr(errno, name), "refused"))
        rows.append(same(f"{name} is the name's fault", found, name in own))
    (folder / "file").write_bytes(b"")
    others = [images.is_own_fault(folder / name, None) for name in (".", "file", "absent")]
    return [*rows, same("a folder in the place of a file", others, [True, False, False])]
