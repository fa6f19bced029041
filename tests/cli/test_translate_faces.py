"""translate --faces: crops, names, pasting back, and what becomes of photos without a face."""

import os

import numpy as np
import pytest
from PIL import Image

from paddle_ugatit.cli.face_translation import stems
from paddle_ugatit.data.faces import draw
from paddle_ugatit.data.images import read_image
from paddle_ugatit.inference import face_finder
from paddle_ugatit.inference.face_crop import cropped, frame_of
from paddle_ugatit.inference.face_finder import FoundFace
from paddle_ugatit.inference.published_faces import published_file
from tests.cli.test_translate import (  # noqa: F401
    expected,
    generator,
    light,
    listed,
    put,
    refusal,
    run,
    there,
    write_weights,
)

# Of drawn photos of 96 px, about where the faces are, so that most tests need no detector.
LANDMARKS = np.array([[38.0, 46], [62, 46], [50, 58], [42, 70], [58, 70]])
GREY = 120


class Patches:
    """Finds the drawn photos that `scene` puts on a grey wall."""

    note = ""

    def find(self, pixels):
        columns = np.flatnonzero((pixels[40] != GREY).any(1))
        starts = [int(part[0]) for part in np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1) if len(part)]
        return [FoundFace(np.array([x, 0, x + 96, 96.0]), LANDMARKS + (x, 4), 1.0) for x in starts]


@pytest.fixture
def patches(monkeypatch):
    monkeypatch.setattr("paddle_ugatit.cli.translate.load_finder", Patches)


def scene(*lefts, width=400):
    """A wall of 120 px with drawn photos at these places."""
    pixels = np.full((120, width, 3), GREY, np.uint8)
    for number, left in enumerate(lefts):
        pixels[4:100, left : left + 96] = np.where((face := draw.draw("testA", number, 96, 0)) == GREY, GREY + 1, face)
    return pixels


def photos(folder, **scenes):
    folder.mkdir(parents=True, exist_ok=True)
    for name, pixels in scenes.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def test_every_face_is_cut_out_translated_and_put_back(tmp_path, light, there, patches, capsys):  # noqa: F811
    where = photos(tmp_path / "in", wall=scene(), one=scene(20), two=scene(150, 280))
    out = tmp_path / "out"
    assert run(light, where, out, "--faces", "--paste", "--resize", 32, "--heatmap", "--sheet", "--batch", 2) == 0
    said = capsys.readouterr()
    assert "3 faces in 2 photos translated, a2b, 32 px, margin 1" in said.out and "1 skipped: wall.png" in said.out
    assert said.err.count("\n") == 1 and f"skipped: {where / 'wall.png'}: no face was found" in said.err
    names = ["one_face1.png", "two_face1.png", "two_face2.png"]
    assert listed(out) == listed(tmp_path / "out-crops") == names
    assert listed(tmp_path / "out-pasted") == ["one.png", "two.png"]
    for extra in ("heatmaps", "sheets"):
        assert listed(tmp_path / f"out-{extra}") == [f"{name}.png" for name in names]
    for name, left in zip(names, (20, 150, 280), strict=True):
        crop = read_image(tmp_path / "out-crops" / name)
        frame = frame_of(LANDMARKS + (left, 4))
        pixels = read_image(where / f"{name[:3]}.png")
        assert (crop == cropped(pixels, frame, 32)).all()
        difference = read_image(out / name).astype(int) - expected(there, crop)
        assert np.abs(difference).max() <= 1  # in a batch of two
        result = read_image(tmp_path / "out-pasted" / f"{name[:3]}.png")
        assert (result[int(frame.y), int(frame.x)] != pixels[int(frame.y), int(frame.x)]).any()


def test_pixels_outside_the_faces_stay_as_they_are(tmp_path, light, patches):  # noqa: F811
    where = photos(tmp_path / "in", two=scene(20, 250))
    assert run(light, where, tmp_path / "out", "--faces", "--paste", "--resize", 32) == 0
    before, after = read_image(where / "two.png"), read_image(tmp_path / "out-pasted" / "two.png")
    inside = np.zeros(before.shape[:2], bool)
    for left in (20, 250):
        corners = frame_of(LANDMARKS + (left, 4)).corners()
        (x0, y0), (x1, y1) = np.maximum(np.floor(corners.min(0)), 0).astype(int), np.ceil(corners.max(0)).astype(int)
        inside[y0:y1, x0:x1] = True
    assert (~inside).sum() > 1000 and (before[~inside] == after[~inside]).all() and (before != after).any()


def test_a_wider_margin_shows_more(tmp_path, light, patches):  # noqa: F811
    where = photos(tmp_path / "in", one=scene(150))
    assert run(light, where, tmp_path / "out", "--faces", "--resize", 32, "--margin", 1.5) == 0
    wanted = cropped(read_image(where / "one.png"), frame_of(LANDMARKS + (150, 4), 1.5), 32)
    assert (read_image(tmp_path / "out-crops" / "one_face1.png") == wanted).all()


def test_an_image_turned_by_its_exif_data_is_turned_first(tmp_path, light, patches):  # noqa: F811
    pixels, where = scene(60, 250), tmp_path / "in"
    photos(where, upright=pixels)
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(pixels))).save(where / "turned.png", exif=exif)
    assert run(light, where, tmp_path / "out", "--faces", "--resize", 32, "--paste") == 0
    for folder, name in (("out", "_face1.png"), ("out", "_face2.png"), ("out-pasted", ".png")):
        one, other = (read_image(tmp_path / folder / f"{stem}{name}") for stem in ("upright", "turned"))
        assert (one == other).all()


@pytest.mark.parametrize("options", [(), ("--strict",)])
def test_one_photo_without_a_face_is_a_line(tmp_path, light, patches, capsys, options):  # noqa: F811
    where = photos(tmp_path / "in", wall=scene())
    code, line = refusal(capsys, light, where / "wall.png", tmp_path / "out", "--faces", *options)
    assert code == 1 and line == f"translate: {where / 'wall.png'}: no face was found"


def test_a_folder_without_a_face(tmp_path, light, patches, capsys):  # noqa: F811
    where = photos(tmp_path / "in", wall=scene(), other=scene())
    (where / "junk.png").write_bytes(b"junk")
    assert run(light, where, tmp_path / "out", "--faces") == 1
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.endswith("no face was found") for line in lines) == 2
    assert lines[-1] == f"translate: {where}: no face there can be translated"
    assert run(light, where, tmp_path / "out", "--faces", "--strict") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--margin", 1.2], "--margin is about faces: add --faces"),
        (["--paste"], "--paste is about faces: add --faces"),
        (["--faces", "--margin", 0.1], "--margin must be from 0.2 to 5.0, got 0.1"),
        (["--faces", "--margin", -1], "--margin must be from 0.2 to 5.0, got -1.0"),
        (["--faces", "--compare", "in"], "--compare is about whole pictures: it cannot be combined with --faces"),
        (["--faces", "--as", "official"], "--as official is about whole pictures"),
    ],
)
def test_options_that_do_not_go_together(tmp_path, light, patches, capsys, options, said):  # noqa: F811
    where = photos(tmp_path / "in", one=scene(20))
    code, line = refusal(capsys, light, where, tmp_path / "out", *options)
    assert code == 2 and said in line and not (tmp_path / "out").exists()


def test_the_demo_has_its_own_faces(capsys):
    from paddle_ugatit.cli import translate

    assert translate.main(["--demo", "--faces"]) == 2
    assert "--demo is about whole pictures" in capsys.readouterr().err


def test_an_input_is_never_overwritten(tmp_path, light, patches, capsys):  # noqa: F811
    where = photos(tmp_path / "in", a=scene(20), a_face1=scene(20))
    code, line = refusal(capsys, light, where, where, "--faces")
    assert code == 2 and "a_face1.png: is an input, which a result could overwrite" in line
    os.rename(where / "a_face1.png", where / "b_face1.png")  # nobody's result
    assert run(light, where, where, "--faces", "--resize", 32) == 0


def test_crops_have_the_size_of_a_full_model(tmp_path, patches):
    network = generator(2, light=False, img_size=16)
    full = write_weights(tmp_path / "full.pt", genA2B=network, genB2A=network)
    where = photos(tmp_path / "in", one=scene(20))
    assert run(full, where, tmp_path / "out", "--faces") == 0
    assert read_image(tmp_path / "out" / "one_face1.png").shape == (16, 16, 3)


def test_crops_have_the_size_of_the_model_that_ships(tmp_path, patches):
    where = photos(tmp_path / "in", one=scene(20))
    assert run("faces", where, tmp_path / "out", "--faces") == 0
    assert read_image(tmp_path / "out" / "one_face1.png").shape == (96, 96, 3)


def test_names_of_faces_never_meet():
    assert stems(["a.png", "sub/b.v2.jpg"]) == {"a.png": "a", "sub/b.v2.jpg": "sub/b.v2"}
    assert stems(["a.png", "a.jpg"]) == {"a.png": "a.png", "a.jpg": "a.jpg"}
    assert stems(["a.png", "A.jpg", "a.png.bmp"]) == {"a.png": "a.png_2", "A.jpg": "A.jpg", "a.png.bmp": "a.png"}


def test_without_any_finder_one_line_says_what_to_install(tmp_path, light, monkeypatch, capsys):  # noqa: F811
    monkeypatch.setattr(face_finder, "published_file", lambda name: None)
    monkeypatch.setattr(face_finder, "find_spec", lambda name: None)
    code, line = refusal(capsys, light, photos(tmp_path / "in", one=scene(20)), tmp_path / "out", "--faces")
    assert code == 2 and line.endswith("pip install --no-deps facenet-pytorch==2.6.0")


def test_the_weaker_finder_is_told(tmp_path, light, monkeypatch, capsys):  # noqa: F811
    data = pytest.importorskip("skimage.data")
    monkeypatch.setattr(face_finder, "published_file", lambda name: None)
    where = photos(tmp_path / "in", astronaut=data.astronaut())
    assert run(light, where, tmp_path / "out", "--faces", "--resize", 32) == 0
    assert listed(tmp_path / "out") == ["astronaut_face1.png"]
    assert "note: faces are found by scikit-image's cascade" in capsys.readouterr().err


def test_photographs(tmp_path, light, capsys):  # noqa: F811
    data = pytest.importorskip("skimage.data")
    if published_file("pnet") is None:
        pytest.skip("facenet-pytorch is not installed")
    where = photos(tmp_path / "in", astronaut=data.astronaut(), cat=data.cat(), tiny=data.astronaut()[:10, :10])
    assert run(light, where, tmp_path / "out", "--faces", "--resize", 32, "--paste") == 0
    assert listed(tmp_path / "out") == ["astronaut_face1.png"] and listed(tmp_path / "out-pasted") == ["astronaut.png"]
    assert "2 skipped: cat.png, tiny.png" in capsys.readouterr().out
