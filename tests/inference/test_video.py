"""Video files as OpenCV gives and takes them, stderr of libraries, flicker, and sound by way of FFmpeg."""

import os
import resource
import shutil
import subprocess
import sys
import types
from contextlib import contextmanager

import cv2
import numpy as np
import pytest

import paddle_ugatit  # noqa: F401  first: it sets the process up before Paddle
from paddle_ugatit.formats import atomic
from paddle_ugatit.inference import sound, video
from paddle_ugatit.inference.flicker import Flicker, Smoother
from paddle_ugatit.inference.hushed import hushed


def noise(count, height=32, width=48):
    return list(np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8))


def write(path, frames, fps=10.0):
    writer = video.ClipWriter(path, fps, *frames[0].shape[:2], "shown")
    for frame in frames:
        writer.write(frame)
    writer.close()
    return path


def read(path):
    with video.Clip(str(path)) as clip:
        return [frame.pixels for frame in clip.frames()]


def test_what_is_printed_within_is_heard_and_kept_from_stderr(capfd):
    with hushed() as heard:
        os.write(2, b"by the library\n")
    os.write(2, b"after\n")
    with pytest.raises(ZeroDivisionError), hushed() as failing:
        os.write(2, b"before it failed\n")
        raise ZeroDivisionError
    os.write(2, b"still after\n")
    assert heard.text == "by the library\n" and failing.text == "before it failed\n"
    assert capfd.readouterr().err == "after\nstill after\n"


def test_without_a_stderr_the_block_is_run():
    code = "import os; os.close(2); from paddle_ugatit.inference.hushed import hushed\nwith hushed(): print('done')"
    environment = {**os.environ, "PADDLE_UGATIT_RUNTIME": "off"}
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment).stdout == b"done\n"


@pytest.mark.parametrize("suffix", video.LOSSLESS)
@pytest.mark.parametrize("size", [(2, 2), (5, 7), (32, 48), (33, 48), (32, 49)])
def test_lossless_formats_lose_nothing(tmp_path, suffix, size):
    height, width = size
    frames = noise(3, height, width)
    found = read(write(tmp_path / f"a{suffix}", frames))
    assert len(found) == 3
    for one, other in zip(found, frames, strict=True):
        assert one.shape == (height + height % 2, width + width % 2, 3)
        assert (one == np.pad(other, ((0, height % 2), (0, width % 2), (0, 0)), "edge")).all()


@pytest.mark.parametrize("suffix", video.FORMATS)
@pytest.mark.parametrize("fps", [0.5, 10 / 3, 23.976, 60])
def test_rate_and_number_of_frames_are_kept(tmp_path, suffix, fps):
    with video.Clip(str(write(tmp_path / f"a{suffix}", noise(7), fps))) as clip:
        assert clip.fps == pytest.approx(fps, abs=1e-3) and clip.count == 7 and clip.named_rate
        frames = list(clip.frames(3))
        assert [frame.number for frame in frames] == [0, 1, 2]
        assert [frame.seconds for frame in frames] == pytest.approx([0, 3 / fps, 6 / fps], rel=1e-3)
        assert clip.read == 7 and not clip.missing() and not clip.ends_early()


def test_a_frame_of_another_size_is_not_dropped_silently(tmp_path):
    writer = video.ClipWriter(tmp_path / "a.mkv", 10, 32, 48, "shown")
    with pytest.raises(ValueError, match=r"\(32, 46, 3\)"):
        writer.write(noise(1, 32, 46)[0])
    writer.write(noise(1)[0])
    writer.close()
    assert len(read(tmp_path / "a.mkv")) == 1


def test_an_interrupt_within_a_write_does_no_harm(tmp_path, monkeypatch):
    """The frame may be in the file and not be counted yet."""
    real = video.hushed

    @contextmanager
    def interrupted():
        with real() as heard:
            yield heard
        raise KeyboardInterrupt

    writer = video.ClipWriter(tmp_path / "a.mkv", 10, 32, 48, "shown")
    writer.write(noise(1)[0])
    monkeypatch.setattr(video, "hushed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.write(noise(1)[0])
    monkeypatch.setattr(video, "hushed", real)
    writer.close()
    assert writer.frames == 1 and len(read(tmp_path / "a.mkv")) == 2


@contextmanager
def largest_file(nbytes):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("suffix", video.FORMATS)
def test_a_full_disk_is_told(tmp_path, suffix, capfd):
    room = write(tmp_path / f"whole{suffix}", noise(12, 64, 64)).stat().st_size // 2
    with largest_file(room), pytest.raises(atomic.WriteError, match="^shown: cannot be written: .*disk full"):
        write(tmp_path / f"a{suffix}", noise(12, 64, 64))
    assert not capfd.readouterr().err


def test_a_file_that_cannot_be_opened_is_told(tmp_path, capfd):
    with pytest.raises(atomic.WriteError, match="shown: cannot be written: OpenCV refuses .mkv with 48x32 pixels"):
        video.ClipWriter(tmp_path / "none" / "a.mkv", 10, 32, 48, "shown")
    assert not capfd.readouterr().err


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    (tmp_path / "a.mkv").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic.replacing_file(tmp_path / "a.mkv") as temporary:
        assert temporary.suffix == ".mkv" and not temporary.exists()
        temporary.write_bytes(b"new")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["a.mkv"] and (tmp_path / "a.mkv").read_bytes() == b"old"
    with atomic.replacing_file(tmp_path / "a.mkv") as temporary:
        temporary.write_bytes(b"new")
    assert os.listdir(tmp_path) == ["a.mkv"] and (tmp_path / "a.mkv").read_bytes() == b"new"


def test_a_clip_without_a_rate_or_number(tmp_path):
    """Raw JPEG files, one after the other, promise neither."""
    jpeg = cv2.imencode(".jpg", noise(1)[0])[1].tobytes()
    (tmp_path / "a.mjpeg").write_bytes(4 * jpeg)
    with video.Clip(str(tmp_path / "a.mjpeg")) as clip:
        assert clip.count is None and clip.fps == 25
        assert len(list(clip.frames())) == 4 and not clip.missing() and not clip.ends_early()


def test_names_that_opencv_cannot_take_are_told(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.mkv")
    shutil.copy(write(tmp_path / "a.mkv", noise(1)), path)
    with pytest.raises(video.InputError, match="no name that is not UTF-8"):
        video.Clip(os.fsdecode(path))
    shutil.copy(tmp_path / "a.mkv", tmp_path / "caf\xe9 %03d.mkv")
    assert len(read(tmp_path / "caf\xe9 %03d.mkv")) == 1


def test_the_mean_is_exponential():
    frames = noise(4, 3, 5)
    smoother = Smoother(0.6)
    found = [smoother(frame) for frame in frames]
    weights = {0: [1], 1: [0.6, 0.4], 3: [0.216, 0.144, 0.24, 0.4]}
    for number, shares in weights.items():
        wanted = sum(share * frame.astype(float) for share, frame in zip(shares, frames, strict=False))
        assert np.abs(found[number] - wanted).max() <= 0.5 + 1e-9
    assert all(Smoother(0.0)(frame) is frame for frame in frames)


def test_the_change_from_frame_to_frame_is_measured():
    flicker = Flicker()
    for still, moving in zip([7, 7, 7], [0, 200, 100], strict=True):
        flicker.add("input", np.full((2, 3, 3), still, np.uint8))
        flicker.add("translated", np.full((2, 3, 3), moving, np.uint8))
    assert flicker.means() == {"input": 0, "translated": 150}
    assert flicker.line().endswith("input 0.00, translated 150.00")


STUB = """#!/bin/sh
echo "$@" >>"{log}"
case "$*" in
    *" -map "*) for last; do :; done; {then} ;;
    *) echo "  Stream #0:0: Video: vp9" >&2; {sound} exit 1 ;;
esac
"""


@pytest.fixture
def ffmpeg(tmp_path, monkeypatch):
    """A function that puts a stub of imageio-ffmpeg's program in place, which logs how it is called."""

    def put(then='cp "$0" "${last#file:}"', sound='echo "  Stream #0:1: Audio: opus, 48000 Hz" >&2;'):
        program = tmp_path / "ffmpeg"
        program.write_text(STUB.format(log=tmp_path / "calls", then=then, sound=sound))
        program.chmod(0o755)
        module = types.ModuleType("imageio_ffmpeg")
        module.__spec__ = types.SimpleNamespace()
        module.get_ffmpeg_exe = lambda: str(program)
        monkeypatch.setitem(sys.modules, "imageio_ffmpeg", module)
        return program

    return put


@pytest.fixture
def files(tmp_path):
    """A video, and a clip whose sound it is to have."""
    for name in ("out.webm", "clip.mp4"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path / "out.webm", tmp_path / "clip.mp4"


def test_sound_is_copied_by_ffmpeg(tmp_path, ffmpeg, files):
    program = ffmpeg()
    assert sound.copy_sound(*files, 1.5) == "sound copied"
    asked, called = (tmp_path / "calls").read_text().splitlines()
    assert f"-i file:{files[1]}" in asked
    assert f"-i file:{files[0]} -i file:{files[1]} -map 0:v:0 -map 1:a:0 -c:v copy -c:a copy -t 1.500000 " in called
    assert files[0].read_text() == program.read_text()  # what the stub wrote
    assert sorted(os.listdir(tmp_path)) == ["calls", "clip.mp4", "ffmpeg", "out.webm"]


def test_sound_that_the_format_does_not_take_is_encoded_anew(tmp_path, ffmpeg, files):
    ffmpeg('case "$*" in *"-c:a copy"*) exit 1 ;; *) cp "$0" "${last#file:}" ;; esac')
    assert sound.copy_sound(*files, 1) == "sound encoded anew (libopus)"
    assert "-c:v copy -c:a libopus" in (tmp_path / "calls").read_text().splitlines()[-1]
    assert len((tmp_path / "calls").read_text().splitlines()) == 3


def test_sound_that_players_do_not_expect_is_encoded_at_once(tmp_path, ffmpeg, files):
    ffmpeg(sound='echo "  Stream #0:1(und): Audio: aac (LC), 44100 Hz" >&2;')
    assert sound.copy_sound(*files, 1) == "sound encoded anew (libopus)"
    assert len((tmp_path / "calls").read_text().splitlines()) == 2


def test_where_sound_cannot_be_copied_the_video_stays(tmp_path, ffmpeg, files, monkeypatch):
    ffmpeg('echo begun >"${last#file:}"; echo "no room" >&2; exit 1')
    assert sound.copy_sound(*files, 1) == "sound was not copied: no room"
    ffmpeg(sound="")
    assert sound.copy_sound(*files, 1) == ""
    program = ffmpeg()
    program.write_bytes(b"no program")
    assert sound.copy_sound(*files, 1).startswith("sound was not copied: ")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    assert sound.copy_sound(*files, 1) == sound.MISSING
    assert files[0].read_bytes() == b"out.webm" and len(os.listdir(tmp_path)) == 4


@pytest.mark.parametrize(
    ("suffix", "codec", "done"),
    [
        (".webm", "libvorbis", "copied"),
        (".webm", "aac", "encoded anew (libopus)"),
        (".mkv", "libvorbis", "copied"),
        (".avi", "libvorbis", "encoded anew (pcm_s16le)"),
        (".mp4", "aac", "copied"),
        (".mp4", "libvorbis", "encoded anew (aac)"),
    ],
)
def test_real_sound_is_copied(tmp_path, suffix, codec, done):
    ffmpeg = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    silent = write(tmp_path / "silent.mkv", noise(20))
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=2", "-c:a", codec, "-c:v", "copy"]
    command = [ffmpeg, "-v", "error", "-i", silent, *tone, tmp_path / "clip.mkv"]
    assert subprocess.run(command).returncode == 0
    out = write(tmp_path / f"out{suffix}", noise(10))
    assert sound.codec_of(ffmpeg, out) == ""
    before = read(out)
    assert sound.copy_sound(out, tmp_path / "clip.mkv", 1.0) in (
        "sound copied",
        f"sound encoded anew ({sound.ENCODERS[suffix]})",
    )
    assert sound.codec_of(ffmpeg, out) in sound.USUAL.get(suffix, ("vorbis",))
    after = read(out)
    assert len(after) == 10 and all((one == other).all() for one, other in zip(before, after, strict=True))
    with video.Clip(str(out)) as clip:
        assert clip.fps == 10 and (clip.count or 10) <= 11
    assert sound.copy_sound(out, silent, 1.0) == ""
