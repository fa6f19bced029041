"""translate-video --faces: what translate --faces --paste makes of a frame, steadied and smoothed through a video."""

import numpy as np
import pytest
from clips import equal, faces, read, refusal, run, write, write_weights
from PIL import Image

from paddle_ugatit.cli import translate
from paddle_ugatit.data.faces.draw import draw
from paddle_ugatit.data.images import read_image
from paddle_ugatit.inference import sound
from paddle_ugatit.inference.face_finder import FoundFace, load_finder
from paddle_ugatit.inference.published_faces import published_file

GREY = 120
LANDMARKS = np.array([[19.0, 23], [31, 23], [25, 29], [21, 35], [29, 35]])  # of a drawn photo of 48 px, about


class Patches:
    """Finds the drawn photos of 48 px that `scene` puts on a grey wall."""

    note = ""

    def find(self, pixels):
        columns = np.flatnonzero((pixels[20] != GREY).any(1))
        starts = [int(part[0]) for part in np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1) if len(part)]
        return [FoundFace(np.array([x, 0, x + 48, 48.0]), LANDMARKS + (x, 4), 1.0) for x in starts]


def scene(*lefts):
    """A wall of 140x60 px with drawn photos at these places."""
    pixels = np.full((60, 140, 3), GREY, np.uint8)
    for number, left in enumerate(lefts):
        photo = draw("testA", number, 48, 0)
        pixels[4:52, left : left + 48] = np.where(photo == GREY, GREY + 1, photo)
    return pixels


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A small light generator in both directions."""
    return write_weights(tmp_path_factory.mktemp("weights") / "light.pdparams", light=True)


@pytest.fixture(autouse=True)
def patches(monkeypatch):
    """Neither a detector nor FFmpeg is needed."""
    for command in ("translate", "translate_video"):
        monkeypatch.setattr(f"paddle_ugatit.cli.{command}.load_finder", Patches)
    monkeypatch.setattr(sound, "program", lambda: None)


def pasted(weights, frame, folder, *options):
    """What tools/translate.py --faces --paste makes of a frame."""
    folder.mkdir()
    Image.fromarray(frame).save(folder / "a.png")
    words = ["--weights", weights, "--input", folder / "a.png", "--out", folder / "out", "--faces", "--paste"]
    assert translate.main(list(map(str, [*words, "--resize", 16, *options]))) == 0
    return read_image(folder / "out-pasted" / "a.png")


@pytest.mark.parametrize("options", [[], ["--margin", "1.4"], ["--direction", "b2a"]])
def test_the_first_frame_is_what_translate_makes_of_it(tmp_path, weights, options, capsys):
    frame = scene(0, 80)
    clip = write(tmp_path / "in.avi", 3 * [frame])
    assert run(weights, clip, tmp_path / "out.mkv", "--faces", "--resize", 16, *options) == 0
    assert "faces in 3 of 3 frames, at 16 px" in capsys.readouterr().out
    wanted = pasted(weights, frame, tmp_path / "one", *options)
    found = read(tmp_path / "out.mkv")[0]
    assert (found[0] == wanted).all() and (wanted != frame).mean() > 0.2
    assert all(
        np.abs(one.astype(int) - wanted).max() <= 1 for one in found[1:]
    )  # landmarks are means, but for rounding


def test_a_moving_face_is_steadied_and_the_wall_is_left_alone(tmp_path, weights):
    frames = [scene(left) for left in (40, 46, 52)]
    clip = write(tmp_path / "in.avi", frames)
    assert run(weights, clip, tmp_path / "out.mkv", "--faces", "--resize", 16, "--side-by-side", "--heatmap") == 0
    found = read(tmp_path / "out.mkv")[0]
    left, middle, right = (list(each) for each in zip(*(np.split(frame, 3, axis=1) for frame in found), strict=True))
    assert equal(left, frames)
    wanted = [pasted(weights, frame, tmp_path / str(number)) for number, frame in enumerate(frames)]
    assert (middle[0] == wanted[0]).all() and (middle[1] != wanted[1]).any()
    for panel, frame in [*zip(middle, frames, strict=True), *zip(right, frames, strict=True)]:
        assert (panel[:, :10] == frame[:, :10]).all() and (panel != frame).any()


def test_the_mean_follows_the_face(tmp_path, weights, capsys):
    """A face that moves as a whole becomes the same every time, so that smoothing changes little; a new one does."""
    clip = write(tmp_path / "in.avi", [scene(40), scene(40), scene(40)])
    for name, options in (("plain", []), ("smooth", ["--smooth", "0.9"])):
        assert run(weights, clip, tmp_path / f"{name}.mkv", "--faces", "--resize", 16, *options) == 0
    plain, smooth = (read(tmp_path / f"{name}.mkv")[0] for name in ("plain", "smooth"))
    assert all(np.abs(one.astype(int) - other).max() <= 2 for one, other in zip(plain, smooth, strict=True))
    assert "smoothed 0.0" in capsys.readouterr().out


def test_what_a_face_becomes_is_smoothed_in_its_crop(tmp_path, weights):
    """Where another face takes the place of one, the mean of the two crops is put back, and the wall is left alone."""
    frames = [scene(40), scene(0, 40)[:, :140]]
    frames[1][:, :40] = GREY
    clip = write(tmp_path / "in.avi", frames)
    for name, options in (("plain", []), ("smooth", ["--smooth", "0.8"])):
        assert run(weights, clip, tmp_path / f"{name}.mkv", "--faces", "--resize", 16, *options) == 0
    plain, smooth = (read(tmp_path / f"{name}.mkv")[0] for name in ("plain", "smooth"))
    assert (plain[0] == smooth[0]).all() and (plain[1][:, 110:] == smooth[1][:, 110:]).all()
    middle = (slice(20, 40), slice(55, 75))  # where a crop is put back in full
    mean = 0.8 * plain[0][middle].astype(float) + 0.2 * plain[1][middle]
    assert np.abs(plain[1][middle] - mean).mean() > 10 > 1.5 > np.abs(smooth[1][middle] - mean).mean()


def test_frames_without_a_face_stay_as_they_are(tmp_path, weights, capsys):
    frames = [scene(), scene(), scene(30)]
    assert run(weights, write(tmp_path / "in.avi", frames), tmp_path / "out.mkv", "--faces", "--resize", 16) == 0
    found = read(tmp_path / "out.mkv")[0]
    assert equal(found[:2], frames[:2]) and (found[2] != frames[2]).any()
    assert "faces in 1 of 3 frames" in capsys.readouterr().out


def test_no_face_at_all_is_one_line(tmp_path, weights, capsys):
    clip, out = write(tmp_path / "in.avi", 2 * [scene()]), tmp_path / "out.mkv"
    assert "no face was found in any frame" in refusal(capsys, 1, weights, clip, out, "--faces", "--resize", 16)
    assert not out.exists()


def test_options_that_need_faces_or_fit_none(tmp_path, weights, capsys):
    clip, out = write(tmp_path / "in.avi", faces(1)), tmp_path / "out.mkv"
    assert "--margin is about faces: add --faces" in refusal(capsys, 2, weights, clip, out, "--margin", "1.2")
    assert "--margin must be from" in refusal(capsys, 2, weights, clip, out, "--faces", "--margin", "99")


@pytest.mark.skipif(published_file("pnet") is None, reason="facenet-pytorch is not installed")
def test_the_real_finder_finds_the_faces(tmp_path, weights, monkeypatch, capsys):
    monkeypatch.setattr("paddle_ugatit.cli.translate_video.load_finder", load_finder)
    photo = draw("testA", 0, 96, 0)
    clip = write(tmp_path / "in.avi", [photo, np.roll(photo, 3, 1)])
    assert run(weights, clip, tmp_path / "out.mkv", "--faces", "--resize", 32) == 0
    assert "faces in 2 of 2 frames" in capsys.readouterr().out
    assert (read(tmp_path / "out.mkv")[0][0] != photo).mean() > 0.2
