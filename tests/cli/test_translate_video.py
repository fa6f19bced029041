"""Videos as a command: frames equal what translate makes of them, and what cannot be done is one line."""

import os

import numpy as np
import pytest
from clips import by_translate, equal, faces, left_in, read, refusal, run, write, write_weights

from paddle_ugatit.inference import sound


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A small light generator in both directions."""
    return write_weights(tmp_path_factory.mktemp("weights") / "light.pdparams", light=True)


@pytest.fixture(autouse=True)
def no_ffmpeg(monkeypatch):
    """Sound has tests of its own: an imageio-ffmpeg that may be installed would make these ones slower."""
    monkeypatch.setattr(sound, "program", lambda: None)


@pytest.mark.parametrize("suffix", [".mkv", ".avi"])
@pytest.mark.parametrize("fps", [10.0, 29.97])
def test_every_frame_is_what_translate_makes_of_it(tmp_path, weights, suffix, fps, capsys):
    frames = faces(5)
    clip, out = write(tmp_path / "in.avi", frames, fps), tmp_path / "new folder" / f"out{suffix}"
    assert run(weights, clip, out) == 0
    said = capsys.readouterr()
    found, rate = read(out)
    assert equal(found, by_translate(weights, frames, tmp_path)[0])
    assert rate == pytest.approx(fps) and not said.err
    assert f"{out}: 5 frames translated, a2b, 48x32 pixels at {fps:g} frames a second" in said.out
    assert left_in(out.parent) == [out.name]


@pytest.mark.parametrize("options", [["--direction", "b2a"], ["--resize", "24"], ["--max-side", "24"]])
def test_options_mean_what_they_mean_to_translate(tmp_path, weights, options):
    frames = faces(2)
    clip = write(tmp_path / "in.mkv", frames)
    assert run(weights, clip, tmp_path / "out.mkv", *options) == 0
    assert equal(read(tmp_path / "out.mkv")[0], by_translate(weights, frames, tmp_path, *options)[0])


def test_odd_sides_keep_every_pixel(tmp_path, weights, capsys):
    """OpenCV would cut the last column and row."""
    clip = write(tmp_path / "in.mkv", faces(2))
    assert run(weights, clip, tmp_path / "out.mkv", "--resize", "25") == 0
    wanted = by_translate(weights, faces(2), tmp_path, "--resize", "25")[0]
    found = read(tmp_path / "out.mkv")[0]
    assert equal([frame[:25, :25] for frame in found], wanted)
    assert equal(found, [np.pad(frame, ((0, 1), (0, 1), (0, 0)), "edge") for frame in wanted])
    assert "25x25 pixels are written as 26x26" in capsys.readouterr().err


def test_input_and_heatmap_stand_beside(tmp_path, weights):
    frames = faces(3)
    clip = write(tmp_path / "in.mkv", frames)
    assert run(weights, clip, tmp_path / "out.mkv", "--side-by-side", "--heatmap") == 0
    results, heatmaps = by_translate(weights, frames, tmp_path)
    wanted = [np.concatenate(panels, axis=1) for panels in zip(frames, results, heatmaps, strict=True)]
    assert equal(read(tmp_path / "out.mkv")[0], wanted)


@pytest.mark.parametrize(
    ("options", "numbers", "fps"),
    [
        (["--every", "3"], [0, 3, 6], 10 / 3),
        (["--max-frames", "2"], [0, 1], 10),
        (["--every", "2", "--max-frames", "3"], [0, 2, 4], 5),
        (["--max-frames", "7"], list(range(7)), 10),
    ],
)
def test_some_frames(tmp_path, weights, options, numbers, fps, capsys):
    frames = faces(7)
    assert run(weights, write(tmp_path / "in.mkv", frames), tmp_path / "out.mkv", *options) == 0
    found, rate = read(tmp_path / "out.mkv")
    wanted = by_translate(weights, [frames[number] for number in numbers], tmp_path)[0]
    assert equal(found, wanted) and rate == pytest.approx(fps, abs=1e-3)
    assert not capsys.readouterr().err


def test_frames_are_smoothed_and_the_change_is_measured(tmp_path, weights, capsys):
    frames = faces(4)
    assert run(weights, write(tmp_path / "in.mkv", frames), tmp_path / "out.mkv", "--smooth", "0.75") == 0
    said = capsys.readouterr().out
    results = by_translate(weights, frames, tmp_path)[0]
    mean, wanted = results[0].astype(float), [results[0]]
    for result in results[1:]:
        mean = 0.75 * mean + 0.25 * result
        wanted.append(np.rint(mean).astype(np.uint8))
    assert equal(read(tmp_path / "out.mkv")[0], wanted)

    def change(clip):
        return np.mean([np.abs(one.astype(int) - other).mean() for one, other in zip(clip, clip[1:], strict=False)])

    at_first, then, smooth = (change(clip) for clip in (frames, results, wanted))
    figures = f"input {at_first:.2f}, translated {then:.2f} ({then / at_first:.2f} times), "
    assert f"levels of 255: {figures}smoothed {smooth:.2f} ({smooth / at_first:.2f} times)" in said
    assert smooth < then / 2


def test_one_frame(tmp_path, weights, capsys):
    assert run(weights, write(tmp_path / "in.mkv", faces(1)), tmp_path / "out.mkv") == 0
    assert len(read(tmp_path / "out.mkv")[0]) == 1
    said = capsys.readouterr().out
    assert "1 frame translated" in said and "one frame: nothing changes" in said


@pytest.mark.parametrize("suffix", [".webm", ".mp4", ".WEBM"])
def test_lossy_formats_hold_the_same_frames(tmp_path, weights, suffix, capsys):
    frames = faces(6)
    assert run(weights, write(tmp_path / "in.avi", frames, 12.5), tmp_path / f"out{suffix}", "--max-frames", "5") == 0
    found, rate = read(tmp_path / f"out{suffix}")
    wanted = by_translate(weights, frames[:5], tmp_path)[0]
    assert len(found) == 5 and rate == 12.5
    assert np.mean([np.abs(one.astype(int) - other).mean() for one, other in zip(found, wanted, strict=True)]) < 40
    note = "browsers do not play it"
    assert (note in capsys.readouterr().err) == (suffix == ".mp4")


def test_what_is_no_video_is_one_line(tmp_path, weights, capfd):
    clip = write(tmp_path / "in.avi", faces(4))
    whole = clip.read_bytes()
    (tmp_path / "text.txt").write_text("hello, this is text\n" * 300)
    (tmp_path / "list.m3u8").write_text(f"#EXTM3U\n#EXTINF:10,\n{clip}\n")
    (tmp_path / "empty.avi").touch()
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(9999))
    (tmp_path / "codec.avi").write_bytes(whole.replace(b"FFV1", b"QQQQ"))
    webm = write(tmp_path / "whole.webm", faces(4)).read_bytes()
    (tmp_path / "head.webm").write_bytes(webm[: webm.index(b"\x1f\x43\xb6\x75") + 60])  # a cluster begins so
    wanted = {
        "text.txt": "is a text, not a video",
        "list.m3u8": "is a text, not a video",
        "empty.avi": "is empty",
        "noise.mp4": "is not a video",
        "codec.avi": "has a codec OpenCV lacks",
        "head.webm": "holds no frame that can be decoded",
        "none.avi": "there is no such file",
        ".": "it is a folder",
        "in.avi/x.avi": "Not a directory",
    }
    out = tmp_path / "out.mkv"
    out.write_bytes(b"from before")
    for name, words in wanted.items():
        line = refusal(capfd, 1, weights, tmp_path / name, out)
        assert words in line and str(tmp_path / name) in line
    assert "cameras have numbers from 0 to 99" in refusal(capfd, 1, weights, "12345", out)
    assert "camera 87: there is none" in refusal(capfd, 1, weights, 87, out)
    assert not capfd.readouterr().err  # nothing of OpenCV's own
    assert out.read_bytes() == b"from before" and len(left_in(tmp_path)) == 9


def test_what_cannot_be_meant_is_one_line(tmp_path, weights, capsys):
    clip = write(tmp_path / "in.avi", faces(2))
    os.link(clip, tmp_path / "same.mkv")
    os.symlink(clip, tmp_path / "link.avi")
    before = clip.read_bytes()
    for name in ("in.avi", "same.mkv", "link.avi", "../" + tmp_path.name + "/in.avi"):
        assert "is the input" in refusal(capsys, 2, weights, clip, tmp_path / name)
    assert ".webm, .mkv, .avi, .mp4" in refusal(capsys, 2, weights, clip, tmp_path / "out.mov")
    out = tmp_path / "out.mkv"
    for options in (["--smooth", "1"], ["--smooth=-0.1"], ["--every", "0"], ["--max-frames", "0"], ["--max-side", "3"]):
        assert options[0].partition("=")[0] in refusal(capsys, 2, weights, clip, out, *options)
    assert "are too few" in refusal(capsys, 1, weights, clip, out, "--resize", "4")
    assert clip.read_bytes() == before and not out.exists()


def test_a_full_model_says_which_size_it_needs(tmp_path, capsys):
    full = write_weights(tmp_path / "full.pdparams", light=False, img_size=16)
    clip = write(tmp_path / "in.avi", faces(2))
    assert "takes images of 16x16 pixels only, not 48x32: add --resize" in refusal(
        capsys, 1, full, clip, tmp_path / "out.mkv"
    )
    assert run(full, clip, tmp_path / "out.mkv", "--resize") == 0
    assert equal(
        read(tmp_path / "out.mkv")[0], by_translate(full, faces(2), tmp_path, "--resize", "16")[0]
    )  # fmt: skip
