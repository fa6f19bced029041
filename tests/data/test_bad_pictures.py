"""Whatever one picture raises is that picture's line; formats that would damage a result are not written."""

import io
import os
import struct
import sys
import threading
import types

import numpy as np
import pytest
from PIL import Image

import paddle_ugatit  # noqa: F401  first: it sets the process up before Paddle
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data import kinds
from paddle_ugatit.data.images import ImageError, image_files, picture_size, read_image, write_image

Image.init()  # fills the tables that tests are made from
Y, X = np.mgrid[:64, :48]
PIXELS = np.stack([4 * X, 3 * Y, (X // 8 + Y // 8) % 2 * 255], -1).astype(np.uint8)  # with saturated edges


def encoded(kind, pixels=PIXELS, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """Files at which Pillow's plugins raise RuntimeError, NotImplementedError and an error class of their own."""
    folder = tmp_path_factory.mktemp("damaged")
    if "AVIF" in Image.SAVE:
        (folder / "half.avif").write_bytes(encoded("AVIF")[:300])
    (folder / "unknown.dds").write_bytes(encoded("DDS", pixel_format="DXT1").replace(b"DXT1", b"DXT9", 1))
    blp = io.BytesIO()
    Image.fromarray(PIXELS).convert("P").save(blp, "BLP")
    (folder / "unknown.blp").write_bytes(blp.getvalue()[:8] + b"i" + blp.getvalue()[9:])
    return folder


def test_damaged_files_of_every_plugin_are_named(damaged):
    for path in damaged.iterdir():
        with pytest.raises(ImageError, match=f"{path.name}: ") as caught:
            read_image(path)
        assert "\n" not in str(caught.value)


ERRORS = [
    struct.error("unpack requires 4 bytes"),
    AttributeError("no attribute"),
    ZeroDivisionError("division by zero"),
    RuntimeError("decoder"),
    NotImplementedError("pixel format"),
    MemoryError(),
    RecursionError("too deep"),
    AssertionError(),
    Image.DecompressionBombError("bomb"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("stage", ["open", "load", "save"])
def test_whatever_is_raised_is_one_line_that_names_the_picture(tmp_path, monkeypatch, stage, error):
    path = tmp_path / "a.png"
    path.write_bytes(encoded("PNG"))

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(
        *{"open": (Image, "open"), "load": (Image.Image, "load"), "save": (Image.Image, "save")}[stage], fail
    )
    if stage == "load":
        monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    with pytest.raises(ImageError, match=r"a\.png: \S+ \S+") as caught:
        write_image(path, PIXELS) if stage == "save" else read_image(path)
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert (read_image(path) == PIXELS).all()


FUZZED = {"png": "PNG", "jpg": "JPEG", "gif": "GIF", "webp": "WEBP", "tif": "TIFF", "bmp": "BMP", "ico": "ICO"}
FUZZED |= {"pcx": "PCX", "dds": "DDS", "jp2": "JPEG2000", "tga": "TGA", "ppm": "PPM", "avif": "AVIF"}


@pytest.mark.parametrize("suffix", [suffix for suffix, kind in FUZZED.items() if kind in Image.SAVE])
def test_flipped_bits_and_cut_files_are_pictures_or_one_line(tmp_path, suffix):
    whole, rng = encoded(FUZZED[suffix]), np.random.default_rng(0)
    for turn in range(40):
        data = bytearray(whole)
        for place in rng.integers(0, min(len(data), 200 if turn % 2 else len(data)), 2):
            data[place] ^= 1 << rng.integers(8)
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(data if turn % 5 else data[: rng.integers(len(data))])
        said = refused(path)
        assert isinstance(said, np.ndarray | Image.Image) or (str(path) in said and "\n" not in said)


def test_no_other_program_is_started_for_a_picture(tmp_path, monkeypatch):
    """A PostScript file under the suffix of a picture, for which Pillow would run Ghostscript."""
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("started"))
    monkeypatch.setattr("PIL.EpsImagePlugin.has_ghostscript", lambda: True)
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", "gs")
    (tmp_path / "a.png").write_bytes(encoded("EPS"))
    with pytest.raises(ImageError, match=r"a\.png: is not an image"):
        read_image(tmp_path / "a.png")
    assert picture_size(tmp_path / "a.png") is None


def exif_with(tag, kind, count, value, tail=b""):
    """EXIF data of a quarter turn and one more tag, of which the value may follow in `tail`."""
    value = struct.pack("<I", 38) if tail else value
    entries = struct.pack("<HHIHH", 0x112, 3, 1, 6, 0) + struct.pack("<HHI", tag, kind, count) + value
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + struct.pack("<I", 0) + tail


@pytest.mark.parametrize(
    "odd",
    [
        (0x10F, 5, 1, b"", struct.pack("<II", 1, 3)),  # the maker is a fraction
        (0x100, 5, 1, b"", struct.pack("<II", 1, 3)),  # the width is
        (0x132, 3, 1, struct.pack("<HH", 1, 0)),  # the date is a number
        (0x8769, 2, 4, b"abc\0"),  # a table of tags is text
        (0x101, 9, 1, struct.pack("<i", -5)),  # the height is negative
        (0x11A, 2, 4, b"abc\0"),  # the resolution is text
    ],
    ids=lambda odd: hex(odd[0]),
)
def test_a_sound_photo_is_turned_whatever_else_its_exif_data_say(tmp_path, odd):
    (tmp_path / "a.jpg").write_bytes(encoded("JPEG", quality=95, exif=exif_with(*odd)))
    found = read_image(tmp_path / "a.jpg").astype(int)
    assert found.shape == (48, 64, 3) and np.abs(found - np.rot90(PIXELS, -1)).mean() < 12


def within(seconds, work):
    """The result of `work`, or a failure instead of waiting for ever."""
    found = []
    thread = threading.Thread(target=lambda: found.append(work()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert found, "blocked"
    return found[0]


def refused(path):
    try:
        return read_image(path)
    except ImageError as error:
        return str(error)


def test_pipes_and_devices_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "pipe")
    os.symlink("/dev/zero", tmp_path / "zero.png")
    for name in ("pipe.png", "zero.png"):
        assert "it is not a regular file" in within(5, lambda name=name: refused(tmp_path / name))
        assert within(5, lambda name=name: [picture_size(tmp_path / name)]) == [None]
    said = []
    files = within(5, lambda: image_files(tmp_path, said.append))
    assert [path.name for path in files] == ["pipe.png", "zero.png"]
    assert said == [f"{tmp_path}: left out 1 without a suffix (not regular files)"]


# What is left out.


def test_an_unknown_suffix_is_told_by_its_content_and_the_rest_is_said(tmp_path):
    jpeg = encoded("JPEG")
    for name in ("a.jpg", "b.jpg_large", "c", "d.jpg.1", "e.PART"):
        (tmp_path / name).write_bytes(jpeg)
    (tmp_path / "raw.nef").write_bytes(encoded("TIFF"))  # a raw photo begins so, and holds no more than a thumbnail
    for name in ("notes.txt", "more.txt", "f.pdf", "Thumbs.db", ".hidden.jpg", "empty"):
        (tmp_path / name).write_bytes(b"words" if name != "empty" else b"")
    said = []
    assert [path.name for path in image_files(tmp_path, said.append)] == [
        "a.jpg",
        "b.jpg_large",
        "c",
        "d.jpg.1",
        "e.PART",
    ]
    assert len(said) == 1 and said[0].startswith(f"{tmp_path}: left out 2 .txt, ") and "(not pictures)" in said[0]
    assert all(what in said[0] for what in ("1 .nef", "1 .pdf", "1 without a suffix")) and ".db" not in said[0]
    assert (read_image(tmp_path / "c") == read_image(tmp_path / "a.jpg")).all()
    said.clear()
    (tmp_path / "tidy").mkdir()
    (tmp_path / "tidy" / "a.jpg").write_bytes(jpeg)
    assert image_files(tmp_path / "tidy", said.append) and not said


def test_a_folder_that_cannot_be_read_is_said(tmp_path, monkeypatch):
    for name in ("a.png", "closed/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encoded("PNG"))
    scandir = os.scandir

    def closed(path):
        if str(path) == str(shut):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    shut, said = tmp_path / "closed", []
    assert [path.name for path in image_files(tmp_path, said.append)] == ["a.png"]
    assert said == [f"{tmp_path}: left out the folder {shut} (Permission denied)"]
    with pytest.raises(InputError, match="closed: cannot be read: Permission denied"):
        image_files(shut)


def heic(path):
    """A file that begins like HEIC; for the stub below, with a PNG in it."""
    path.write_bytes(b"\0\0\0\x18ftypheic" + encoded("PNG"))
    return path


@pytest.mark.skipif(".heic" in Image.registered_extensions(), reason="pillow-heif is installed")
def test_without_pillow_heif_heic_is_left_out_with_what_to_do(tmp_path):
    heic(tmp_path / "IMG_1.HEIC")
    heic(tmp_path / "IMG_2")
    with pytest.raises(InputError, match=r"holds no images, left out .*1 \.HEIC.* \(.*pip install pillow-heif\)"):
        image_files(tmp_path)
    with pytest.raises(ImageError, match=r"IMG_1\.HEIC: .*pip install pillow-heif"):
        read_image(tmp_path / "IMG_1.HEIC")


@pytest.mark.skipif(".heic" in Image.registered_extensions(), reason="pillow-heif is installed")
def test_with_pillow_heif_heic_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "ID", [*Image.ID])
    for table in ("OPEN", "EXTENSION"):
        monkeypatch.setattr(Image, table, dict(getattr(Image, table)))

    def opened(file, _):
        file.seek(12)
        return Image.open(io.BytesIO(file.read()))

    def register():
        Image.register_open("HEIF", opened, lambda head: head[4:12] == b"ftypheic")
        Image.register_extension("HEIF", ".heic")

    monkeypatch.setitem(sys.modules, "pillow_heif", types.SimpleNamespace(register_heif_opener=register))
    kinds._register_heif()
    heic(tmp_path / "IMG_1.HEIC")
    heic(tmp_path / "IMG_2")
    assert [(read_image(path) == PIXELS).all() for path in image_files(tmp_path)] == [True, True]
    assert not kinds.keeps(".heic")


def test_a_broken_pillow_heif_does_no_harm(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", types.SimpleNamespace())
    kinds._register_heif()
    assert kinds.is_image_name("a.png")


# What is written.


WRITTEN = sorted(suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.SAVE)


@pytest.mark.parametrize("suffix", WRITTEN)
def test_a_format_that_would_damage_the_result_is_not_written(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    if not kinds.keeps(suffix):
        with pytest.raises(InputError, match="would not keep the image's size and colours: write .png"):
            write_image(path, PIXELS)
        assert not path.exists()
        return
    write_image(path, PIXELS)
    found = read_image(path).astype(int)
    limit = 2 if suffix in (".jpg", ".jpeg", ".jpe", ".jfif", ".avif") else 0
    assert found.shape == PIXELS.shape and np.abs(found - PIXELS).mean() <= limit


def test_the_usual_formats_are_kept_and_the_harmful_are_not():
    assert all(map(kinds.keeps, (".png", ".JPG", ".jpeg", ".bmp", ".tif", ".webp", ".ppm")))
    assert not any(map(kinds.keeps, (".gif", ".ico", ".icns", ".mpo", ".xbm", ".msp", ".palm", ".blp", ".pdf", "")))


def test_a_picture_that_does_not_fit_its_format_is_its_own_line(tmp_path):
    with pytest.raises(ImageError, match=r"a\.webp: cannot be written as WEBP"):
        write_image(tmp_path / "a.webp", np.zeros((1, 20_000, 3), np.uint8))


@pytest.mark.parametrize(
    "name", ["漫" * 80 + ".png", "a" * 251 + ".png", os.fsdecode(b"caf\xe9.png")], ids=["Chinese", "long", "Latin-1"]
)
def test_every_legal_name_is_written(tmp_path, name):
    write_image(tmp_path / name, PIXELS)
    assert os.listdir(tmp_path) == [name] and (read_image(tmp_path / name) == PIXELS).all()


def test_a_name_that_cannot_be_used_is_its_own_line_and_a_full_disk_is_not(tmp_path, monkeypatch):
    (tmp_path / "folder.png").mkdir()
    for name in ("a" * 252 + ".png", "folder.png"):
        with pytest.raises(ImageError, match="cannot be written"):
            write_image(tmp_path / name, PIXELS)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left") as caught:
        write_image(tmp_path / "a.png", PIXELS)
    assert not isinstance(caught.value, ImageError)
