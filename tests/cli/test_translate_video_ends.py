"""Whatever ends a video leaves a file that plays; a camera, which has no end, is translated live."""

import os
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import by_translate, equal, faces, interrupted, left_in, read, refusal, run, write, write_weights

from paddle_ugatit.cli import picture_translator
from paddle_ugatit.inference import sound, video


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A small light generator in both directions."""
    return write_weights(tmp_path_factory.mktemp("weights") / "light.pdparams", light=True)


@pytest.fixture(autouse=True)
def no_ffmpeg(monkeypatch):
    """Sound has tests of its own: an imageio-ffmpeg that may be installed would make these ones slower."""
    monkeypatch.setattr(sound, "program", lambda: None)


@pytest.fixture(autouse=True)
def heard():
    """A process that a shell has put into the background would ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_truncated_clip_is_translated_as_far_as_it_goes(tmp_path, weights, capsys):
    whole = write(tmp_path / "in.mkv", faces(12)).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    there = len(read(tmp_path / "cut.mkv")[0])
    assert 4 < there < 11
    out = tmp_path / "out.mkv"
    line = refusal(capsys, 1, weights, tmp_path / "cut.mkv", out)
    assert f"{there} frames could be decoded, its header promises 12: it is truncated or damaged" in line
    assert f"{out} holds the {there} frames so far" in line and len(read(out)[0]) == there
    assert run(weights, tmp_path / "cut.mkv", out, "--max-frames", "2") == 0


def test_a_frame_that_is_missing_is_a_note(tmp_path, weights, capsys):
    clip = write(tmp_path / "in.avi", faces(12))
    promising = clip.read_bytes()
    for header, field in ((b"avih", 4), (b"strh", 8)):  # both say how many frames there are
        at = promising.index(header) + 8 + 4 * field
        assert promising[at] == 12
        promising = promising[:at] + bytes([13]) + promising[at + 1 :]
    clip.write_bytes(promising)
    assert run(weights, clip, tmp_path / "out.mkv") == 0
    said = capsys.readouterr().err.splitlines()
    assert said == [f"note: {clip}: 12 frames could be decoded, its header promises 13"]
    assert run(weights, clip, tmp_path / "out.mkv", "--max-frames", "12") == 0
    assert not capsys.readouterr().err


@pytest.mark.skipif(int(cv2.__version__.split(".")[0]) > 4, reason="OpenCV 5 resizes such frames itself")
def test_frames_of_another_size_are_refused(tmp_path, weights, capsys):
    clip = write(tmp_path / "in.mjpeg", [*faces(3), *faces(3, 40, 24)])
    line = refusal(capsys, 1, weights, clip, tmp_path / "out.mkv")
    assert "frame 4 is of another size" in line and "holds the 3 frames so far" in line
    assert len(read(tmp_path / "out.mkv")[0]) == 3


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("suffix", [".webm", ".mkv"])
def test_an_interrupted_video_plays(tmp_path, weights, monkeypatch, capsys, signum, suffix):
    clip, out = write(tmp_path / "in.avi", faces(5)), tmp_path / f"out{suffix}"
    interrupted(monkeypatch, 4, signum)
    assert refusal(capsys, 130, weights, clip, out).endswith("a video that was begun holds the frames so far")
    assert len(read(out)[0]) == 3 and left_in(tmp_path) == sorted(["in.avi", out.name])


def test_interrupted_before_the_first_frame_nothing_is_left(tmp_path, weights, monkeypatch, capsys):
    clip, out = write(tmp_path / "in.avi", faces(2)), tmp_path / "out.webm"
    interrupted(monkeypatch, 1, signal.SIGINT)
    refusal(capsys, 130, weights, clip, out)
    assert left_in(tmp_path) == ["in.avi"]


@pytest.mark.parametrize("where", ["close", "copy_sound"])
def test_an_interrupt_at_the_very_end_loses_nothing(tmp_path, weights, monkeypatch, capsys, where):
    """While the file is read back, or its sound is copied."""
    clip, out, pressed = write(tmp_path / "in.avi", faces(4)), tmp_path / "out.mkv", []

    def press(*_):
        if not pressed:
            pressed.append(1)
            os.kill(os.getpid(), signal.SIGINT)
        return ""

    if where == "copy_sound":
        monkeypatch.setattr(sound, where, press)
    else:
        close = video.ClipWriter.close
        monkeypatch.setattr(video.ClipWriter, "close", lambda writer: (press(), close(writer)))
    refusal(capsys, 130, weights, clip, out)
    assert pressed and len(read(out)[0]) == 4 and left_in(tmp_path) == ["in.avi", "out.mkv"]


def test_short_memory_keeps_what_is_done(tmp_path, weights, monkeypatch, capsys):
    clip, out = write(tmp_path / "in.avi", faces(4)), tmp_path / "out.mkv"
    generate, calls = picture_translator.generate, []

    def failing(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise MemoryError
        return generate(*arguments)

    monkeypatch.setattr(picture_translator, "generate", failing)
    line = refusal(capsys, 1, weights, clip, out)
    assert "not enough memory" in line and "holds the 2 frames so far" in line and len(read(out)[0]) == 2


class StubCapture:
    """A camera of 10 frames a second, seen from a process whose clock stands still but for it."""

    def __init__(self, frames, clock, waiting=()):
        self.frames, self.clock, self.waiting, self.at = frames, clock, list(waiting), -1

    def isOpened(self):
        return True

    def get(self, key):
        return 10.0 if key == cv2.CAP_PROP_FPS else 0.0

    def set(self, *_):
        return False

    def grab(self):
        self.at += 1
        if self.at not in self.waiting:
            self.clock[0] += 0.1
        return self.at < len(self.frames)

    def retrieve(self):
        return True, np.ascontiguousarray(self.frames[self.at][..., ::-1])

    def release(self):
        pass


@pytest.fixture
def camera(monkeypatch):
    """A function that puts a camera of these frames in the place of number 0; `waiting` were made before asked for."""

    def put(frames, waiting=()):
        clock = [100.0]
        stub, real = StubCapture(frames, clock, waiting), cv2.VideoCapture
        monkeypatch.setattr(cv2, "VideoCapture", lambda *place: stub if place == (0,) else real(*place))
        monkeypatch.setattr(video.time, "monotonic", lambda: clock[0])
        return clock

    return put


def test_a_camera_is_translated_live(tmp_path, weights, camera, capsys):
    """Frames 1 and 2 waited in the camera; the newest is taken, and the one before shown for as long as it took."""
    frames = faces(6)
    camera(frames, waiting=(1, 2))
    out = tmp_path / "me.mkv"
    assert run(weights, 0, out, "--max-frames", "3") == 0
    wanted = by_translate(weights, [frames[number] for number in (0, 3, 4)], tmp_path)[0]
    found, rate = read(out)
    assert rate == 10 and equal(found, wanted)
    assert "3 frames translated" in capsys.readouterr().out


def test_a_camera_keeps_up_with_the_clock(tmp_path, weights, camera, monkeypatch):
    """Each frame takes 0.25 s to be translated, and is shown for 0.35 s, three or four frames at 10 frames a second."""
    clock, generate = camera(faces(4)), picture_translator.generate

    def slow(*arguments):
        clock[0] += 0.25
        return generate(*arguments)

    monkeypatch.setattr(picture_translator, "generate", slow)
    assert run(weights, 0, tmp_path / "me.mkv") == 0
    found = read(tmp_path / "me.mkv")[0]
    starts = [0, *(k for k in range(1, len(found)) if (found[k] != found[k - 1]).any())]
    assert len(starts) == 4
    assert np.abs(np.array(starts) / 10 - 0.35 * np.arange(4)).max() <= 0.05 + 1e-9


def test_ctrl_c_ends_a_camera_without_an_error(tmp_path, weights, camera, monkeypatch, capsys):
    camera(faces(5))
    interrupted(monkeypatch, 3, signal.SIGINT)
    assert run(weights, 0, tmp_path / "me.webm") == 0
    assert len(read(tmp_path / "me.webm")[0]) == 2 and not capsys.readouterr().err


def test_a_camera_whose_frames_change_or_that_gives_none(tmp_path, weights, camera, capsys):
    camera([*faces(2), *faces(2, 40, 24)])
    line = refusal(capsys, 1, weights, 0, tmp_path / "me.mkv")
    assert "camera 0: frame 3 is of another size" in line and "holds the 2 frames so far" in line
    camera([])
    assert "camera 0: gives no frames" in refusal(capsys, 1, weights, 0, tmp_path / "me.mkv")


def test_a_name_that_is_a_number_is_a_file_where_it_has_a_folder(tmp_path, weights, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("0").write_bytes(write(tmp_path / "in.avi", faces(2)).read_bytes())
    assert run(weights, "./0", "out.mkv") == 0
