"""Image files of any kind are read as upright RGB; anything else is refused in one line that names it."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import paddle_ugatit  # noqa: F401  first: it sets the process up before Paddle
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data.images import ImageError, image_files, is_image_name, read_image, write_image

GREY = np.arange(0, 256, 16, dtype=np.uint8).reshape(4, 4)
COLOUR = np.stack([GREY, GREY[::-1], GREY.T], 2)


def saved(path, picture, **options):
    picture.save(path, **options)
    return path


def png(width, height, depth=8, kind=2, data=b""):
    """A PNG file with any header."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp", "gif", "ppm"])
def test_lossless_formats(tmp_path, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    found = read_image(saved(tmp_path / f"a.{suffix}", Image.fromarray(COLOUR), **options))
    assert found.dtype == np.uint8 and found.shape == (4, 4, 3) and (found == COLOUR).all()


def test_jpeg(tmp_path):
    smooth = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    found = read_image(saved(tmp_path / "a.jpg", Image.fromarray(smooth), quality=95))
    assert np.abs(found.astype(int) - smooth).max() <= 3


@pytest.mark.parametrize(
    ("picture", "wanted"),
    [
        (Image.fromarray(GREY), np.repeat(GREY[..., None], 3, 2)),
        (Image.fromarray(GREY).convert("LA"), np.repeat(GREY[..., None], 3, 2)),
        (Image.fromarray(np.dstack([COLOUR, GREY])), COLOUR),  # transparency is dropped
        (Image.fromarray(COLOUR).quantize(256), COLOUR),
        (Image.fromarray(GREY > 99), np.repeat(np.where(GREY > 99, 255, 0)[..., None], 3, 2)),
    ],
    ids=["grey", "grey and alpha", "RGBA", "palette", "bits"],
)
def test_modes(tmp_path, picture, wanted):
    assert (read_image(saved(tmp_path / "a.png", picture)) == wanted).all()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_become_8(tmp_path, suffix):
    """Scaled and rounded, where Pillow alone would clip to 255."""
    values = np.array([[0, 128, 129, 257], [32896, 65278, 65407, 65535]], np.uint16)
    found = read_image(saved(tmp_path / f"a.{suffix}", Image.fromarray(values)))
    assert (found[..., 0] == [[0, 0, 1, 1], [128, 254, 255, 255]]).all() and (found == found[..., :1]).all()


def test_cmyk(tmp_path):
    ink = np.zeros((8, 8, 4), np.uint8)
    ink[..., 0] = 255  # cyan alone
    found = read_image(saved(tmp_path / "a.jpg", Image.fromarray(ink, "CMYK"), quality=95))
    assert found.shape == (8, 8, 3) and (found[..., 0] < 10).all() and (found[..., 1:] > 245).all()


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (1, COLOUR),
        (2, COLOUR[:, ::-1]),
        (3, COLOUR[::-1, ::-1]),
        (6, np.rot90(COLOUR, -1)),
        (8, np.rot90(COLOUR)),
    ],
)
def test_exif_rotation(tmp_path, orientation, turned):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert (read_image(saved(tmp_path / "a.png", Image.fromarray(COLOUR), exif=exif)) == turned).all()


def test_truncated_at_any_length(tmp_path):
    for suffix in ("png", "jpg", "bmp"):
        buffer = io.BytesIO()
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(
            buffer, {"jpg": "JPEG"}.get(suffix, suffix)
        )
        whole, path = buffer.getvalue(), tmp_path / f"a.{suffix}"
        for length in range(0, len(whole) // 2, max(1, len(whole) // 40)):
            path.write_bytes(whole[:length])
            with pytest.raises(ImageError, match=f"a.{suffix}: "):
                read_image(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not an image"),
        (b"junk" * 100, "is not an image"),
        (png(40_000, 40_000), "is too large to be decoded safely"),
        (png(8, 8), "cannot be read"),
        (png(8, 8, depth=8, kind=2, data=b"\x09" * 200), "cannot be read"),
    ],
    ids=["empty", "junk", "bomb", "no pixels", "unknown filter"],
)
def test_what_is_no_image_is_named(tmp_path, content, reason):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=f"a.png: {reason}") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


def test_floating_point_and_absent_files_are_named(tmp_path):
    with pytest.raises(ImageError, match="floating-point"):
        read_image(saved(tmp_path / "a.tif", Image.fromarray(np.float32(GREY))))
    with pytest.raises(ImageError, match=r"absent\.png: cannot be read: No such file"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(tmp_path)


def test_a_folder_is_listed_by_relative_name(tmp_path):
    for name in ("b.PNG", "a.jpg", "sub/c.webp", "sub/.d.png", ".hidden/e.png", "notes.txt", "f.pdf"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in image_files(tmp_path)] == ["a.jpg", "b.PNG", "sub/c.webp"]
    assert not is_image_name("a") and not is_image_name("a.eps")


def test_links_that_lead_back_are_followed_once(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.png").touch()
    (tmp_path / "sub" / "back").symlink_to(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in image_files(tmp_path)] == ["a.png", "sub/b.png"]


def test_folders_that_cannot_be_listed_are_named(tmp_path):
    (tmp_path / "file.png").touch()
    (tmp_path / "empty").mkdir()
    for path, reason in ((tmp_path / "absent", "no such"), (tmp_path / "file.png", "not a folder")):
        with pytest.raises(InputError, match=reason):
            image_files(path)
    with pytest.raises(InputError, match="holds no images"):
        image_files(tmp_path / "empty")


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "PNG"])
def test_written_and_read_again(tmp_path, suffix):
    for pixels in (COLOUR, COLOUR[::-1, ::-1], GREY):
        write_image(tmp_path / f"a.{suffix}", pixels)
        found = read_image(tmp_path / f"a.{suffix}")
        assert (found == (pixels if pixels.ndim == 3 else pixels[..., None])).all()


def test_what_cannot_be_written_is_named_and_nothing_is_left(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"images cannot be written with the suffix \.xyz"):
        write_image(tmp_path / "a.xyz", COLOUR)
    with pytest.raises(InputError, match="there is no folder"):
        write_image(tmp_path / "absent" / "a.png", COLOUR)
    write_image(tmp_path / "a.png", COLOUR)
    before = (tmp_path / "a.png").read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"a\.png: cannot be written: No space left"):
        write_image(tmp_path / "a.png", COLOUR[::-1])
    assert (tmp_path / "a.png").read_bytes() == before and len(list(tmp_path.iterdir())) == 1
