"""The sound of a video copied to another one by FFmpeg, which the optional package imageio-ffmpeg brings."""

import importlib
import os
import re
import subprocess
from pathlib import Path

MISSING = "sound, if there is any, was not copied: that needs pip install imageio-ffmpeg"
# What players expect in a format, all of it if it is not listed, and what sound is encoded with otherwise.
USUAL = {".webm": ("opus", "vorbis"), ".avi": ("mp3", "ac3", "pcm_s16le"), ".mp4": ("aac", "mp3", "ac3", "eac3")}
ENCODERS = {".webm": "libopus", ".mkv": "flac", ".avi": "pcm_s16le", ".mp4": "aac"}


def program() -> str | None:
    """Return the path of FFmpeg's program; None if imageio-ffmpeg is not installed or has none."""
    try:
        return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError, OSError):  # it raises RuntimeError where it brings no program
        return None


def codec_of(ffmpeg: str, path: Path | str) -> str:
    """Return FFmpeg's name of the codec of a file's first track of sound, "" if it has none."""
    said = _run(ffmpeg, "-i", _file(path)).stderr
    found = re.search(r"^ *Stream #.* Audio: (\w+)", said, re.MULTILINE)
    return found[1] if found else ""


def copy_sound(video: Path, source: Path | str, seconds: float) -> str:
    """Add the sound of `source`, at most `seconds` of it, to the file `video`, whose frames are left as they are.

    Returns a line on what was done, "" if `source` has no sound. The file is unchanged if it cannot be done.
    """
    ffmpeg = program()
    if ffmpeg is None:
        return MISSING
    try:
        codec = codec_of(ffmpeg, source)
        return _copied(ffmpeg, video, source, seconds, codec) if codec else ""
    except OSError as error:  # FFmpeg cannot be run, or there is no room for another file
        return f"sound was not copied: {error.strerror or error}"


def _copied(ffmpeg: str, video: Path, source: Path | str, seconds: float, codec: str) -> str:
    suffix = video.suffix.lower()
    joined = video.with_name(f"{video.stem}.sound{suffix}")
    ways = {"copied": "copy"} if codec in USUAL.get(suffix, (codec,)) else {}
    ways[f"encoded anew ({ENCODERS[suffix]})"] = ENCODERS[suffix]
    try:
        for done, encoder in ways.items():
            inputs = ("-i", _file(video), "-i", _file(source))
            kept = ("-map", "0:v:0", "-map", "1:a:0", "-c:v", "copy", "-c:a", encoder, "-t", f"{seconds:.6f}")
            result = _run(ffmpeg, "-v", "error", *inputs, *kept, _file(joined))
            if result.returncode == 0 and joined.is_file():
                os.replace(joined, video)
                return f"sound {done}"
        why = (result.stderr.strip().splitlines() or ["FFmpeg failed"])[-1]
        return f"sound was not copied: {why}"
    finally:
        joined.unlink(missing_ok=True)


def _run(ffmpeg: str, *arguments: str) -> subprocess.CompletedProcess:
    command = [ffmpeg, "-nostdin", "-y", "-hide_banner", *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")


def _file(path: Path | str) -> str:
    return f"file:{os.path.abspath(path)}"  # so that no name is taken for an option or a protocol
