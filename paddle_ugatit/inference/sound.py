"""The sound of a video copied to another one by FFmpeg, which the optional package imageio-ffmpeg brings."""

import importlib
import os
import subprocess
from pathlib import Path

MISSING = "sound, if there is any, was not copied: that needs pip install imageio-ffmpeg"
# What sound is encoded with where the file's format does not take it as it is.
ENCODERS = {".webm": "libopus", ".mkv": "flac", ".avi": "pcm_s16le", ".mp4": "aac"}


def program() -> str | None:
    """Return the path of FFmpeg's program; None if imageio-ffmpeg is not installed or has none."""
    try:
        return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError, OSError):  # it raises RuntimeError where it brings no program
        return None


def has_sound(ffmpeg: str, path: Path | str) -> bool:
    """Return whether a file has a track of sound, as FFmpeg sees it."""
    said = _run(ffmpeg, "-i", _file(path)).stderr
    return any(line.lstrip().startswith("Stream #") and " Audio: " in line for line in said.splitlines())


def copy_sound(video: Path, source: Path | str, seconds: float) -> str:
    """Add the sound of `source`, at most `seconds` of it, to the file `video`, whose frames are left as they are.

    Returns a line on what was done, "" if `source` has no sound. The file is unchanged if it cannot be done.
    """
    ffmpeg = program()
    if ffmpeg is None:
        return MISSING
    try:
        return _copied(ffmpeg, video, source, seconds) if has_sound(ffmpeg, source) else ""
    except OSError as error:  # FFmpeg cannot be run, or there is no room for another file
        return f"sound was not copied: {error.strerror or error}"


def _copied(ffmpeg: str, video: Path, source: Path | str, seconds: float) -> str:
    suffix = video.suffix.lower()
    joined = video.with_name(f"{video.stem}.sound{suffix}")
    ways = {"copied": "copy", f"encoded anew ({ENCODERS[suffix]})": ENCODERS[suffix]}
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
