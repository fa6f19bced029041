"""Video files and cameras read and written by OpenCV, whose silent failures become errors of one line.

Contents: Clip (frames of a file), Camera (frames of a camera, live), ClipWriter. Frames are uint8 RGB, (H,W,3).
"""

import contextlib
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data import kinds
from paddle_ugatit.data.images import reason
from paddle_ugatit.formats.atomic import WriteError
from paddle_ugatit.inference.hushed import hushed

FORMATS = {".webm": "VP90", ".mkv": "FFV1", ".avi": "FFV1", ".mp4": "mp4v"}  # suffix -> OpenCV's code of the codec
LOSSLESS = (".mkv", ".avi")
UNKNOWN_RATE = 25.0  # frames a second, where a file or camera names none
CAMERAS = 100  # numbers that cameras may have
_SNIFFED = 4096  # bytes at the beginning of a file that are looked at
_MOST_FRAMES = 10**9  # a container that promises more does not know
_TAIL = 0.05  # share of a clip's time, beyond one and a half frames, that a track of sound may be longer by
_WAITING = 16  # frames that a camera may hold from the time before


@dataclass(frozen=True)
class ClipFrame:
    """A frame, uint8 RGB (H,W,3), its number from 0 on in what is read, and when it is shown, in seconds."""

    pixels: np.ndarray
    number: int
    seconds: float


class Clip:
    """The frames of a video file, read in order. A context manager.

    `fps` is in frames a second, `count` what the container promises, None if it promises nothing. Raises InputError
    where there is no such file, or one that holds no video that OpenCV can decode.
    """

    live = False

    def __init__(self, path: str) -> None:
        self.name, self.read, self._last, self._ended = path, 0, 0.0, False
        _require_binary(path)
        self._capture = _opened(os.path.abspath(path))
        if not self._capture.isOpened():
            raise InputError(f"{path}: cannot be read: it is not a video, is damaged, or has a codec OpenCV lacks")
        fps, count = self._capture.get(cv2.CAP_PROP_FPS), self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.named_rate = math.isfinite(fps) and fps > 0
        self.fps = fps if self.named_rate else UNKNOWN_RATE
        self.count = int(count) if 0 < count < _MOST_FRAMES else None

    def __enter__(self) -> "Clip":
        return self

    def __exit__(self, *_: object) -> None:
        self._capture.release()

    def frames(self, every: int = 1) -> Iterator[ClipFrame]:
        """Yield the first frame and every `every`-th after it.

        Raises InputError if there is none at all, or if a frame is not of the size of those before it.
        """
        size: tuple[int, ...] | None = None
        while (pixels := self._next(self.read % every == 0)) is not None:
            if self.read % every == 0:
                size = size or pixels.shape
                if pixels.shape != size:
                    raise self._changed()
                yield ClipFrame(pixels, self.read // every, self.read / self.fps)
            self.read += 1
        self._ended = True
        if not self.read:
            raise InputError(f"{self.name}: holds no frame that can be decoded: it is damaged or truncated")

    def _next(self, wanted: bool) -> np.ndarray | None:
        """The next frame, or an empty array for one that is not wanted; None at the end."""
        with hushed() as heard:
            more, pixels = self._capture.read() if wanted else (self._capture.grab(), None)
        if "Slice parameters" in heard.text:  # OpenCV 4 then hands out the frame before it once more
            raise self._changed()
        if not more:
            return None
        self._last = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        return np.empty(0) if pixels is None else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)

    def _changed(self) -> InputError:
        return InputError(f"{self.name}: frame {self.read + 1} is of another size than those before it")

    def missing(self) -> str:
        """Return a line if the clip ended after fewer frames than promised, "" else."""
        if not self._ended or self.count is None or self.read >= self.count:
            return ""
        return f"{self.name}: {counted(self.read)} could be decoded, its header promises {self.count}"

    def ends_early(self) -> bool:
        """Return whether the last frame lies so far before the promised end that the file must be truncated.

        Fewer frames alone do not tell: in many containers their number is computed from the length and a rate.
        """
        if self.count is None or not self.missing():
            return False
        length = self.count / self.fps
        return length - self._last > 2.5 / self.fps + 1e-6 and self._last + 1 / self.fps < (1 - _TAIL) * length


class Camera:
    """The frames of a camera as they come: what was missed since the last one is left out. A context manager.

    Raises InputError if there is no such camera.
    """

    live, count, named_rate = True, None, True

    def __init__(self, number: int) -> None:
        self.name, self.read = f"camera {number}", 0
        with hushed():
            self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            raise InputError(f"{self.name}: there is none, or it is in use or may not be opened")
        with hushed():
            fps = self._capture.get(cv2.CAP_PROP_FPS)
            self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # where the system heeds it
        self.fps = fps if math.isfinite(fps) and 0 < fps <= 240 else UNKNOWN_RATE

    def __enter__(self) -> "Camera":
        return self

    def __exit__(self, *_: object) -> None:
        self._capture.release()

    def frames(self, every: int = 1) -> Iterator[ClipFrame]:
        """Yield the newest frame whenever one is asked for, or the `every`-th newer one.

        Raises InputError if the camera gives none at all, or changes their size.
        """
        began, size = None, None
        while self._grab(every):
            with hushed():
                got, pixels = self._capture.retrieve()
            if not got:
                break
            now = time.monotonic()
            began = now if began is None else began
            size = size or pixels.shape
            if pixels.shape != size:
                raise InputError(f"{self.name}: frame {self.read + 1} is of another size than those before it")
            yield ClipFrame(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), self.read, now - began)
            self.read += 1
        if not self.read:
            raise InputError(f"{self.name}: gives no frames")

    def _grab(self, every: int) -> bool:
        """Take frames until one had to be waited for, which so is new; those before it were made in the meantime."""
        for _ in range(_WAITING):
            began = time.monotonic()
            with hushed():
                got = self._capture.grab()
            if not got or time.monotonic() - began > 0.5 / self.fps:
                break
        for _ in range(every - 1):
            with hushed():
                got = got and self._capture.grab()
        return got

    def missing(self) -> str:
        """Return "": a camera promises nothing."""
        return ""

    def ends_early(self) -> bool:
        """Return False: a camera has no end."""
        return False


class ClipWriter:
    """Writes frames of one size to a video file, whose format its suffix names.

    OpenCV cuts the last row and column of odd sizes; here they are doubled instead, and `size` is (height, width) as
    written. `shown` is the name for messages. Raises WriteError if the file cannot be written.
    """

    def __init__(self, path: Path | str, fps: float, height: int, width: int, shown: Path | str) -> None:
        self.path, self.shown, self.frames = path, shown, 0
        self.size = (height + height % 2, width + width % 2)
        self._given = (height, width, 3)
        suffix = os.path.splitext(path)[1].lower()
        with hushed():
            code = cv2.VideoWriter.fourcc(*FORMATS[suffix])
            self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, fps, self.size[::-1])
        if not self._writer.isOpened():
            raise self._refused(f"OpenCV refuses {suffix} with {width}x{height} pixels at {fps:g} frames a second")

    def write(self, pixels: np.ndarray) -> None:
        """Write a frame. Raises ValueError if it is not of the size that was named: OpenCV would drop it silently."""
        if pixels.shape != self._given:
            raise ValueError(f"a frame of shape {pixels.shape} for a file of {self._given}")
        (height, width), (rows, columns) = pixels.shape[:2], self.size
        even = np.pad(pixels, ((0, rows - height), (0, columns - width), (0, 0)), "edge")
        with hushed():
            self._writer.write(cv2.cvtColor(even, cv2.COLOR_RGB2BGR))
        self.frames += 1

    def close(self) -> None:
        """Finish the file. Raises WriteError if it does not hold all frames: OpenCV tells of no full disk."""
        with hushed():
            self._writer.release()
            # As they are stored: nothing is decoded. What the header says is right even where the frames are not there.
            capture = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
            arrived = 0
            while arrived <= self.frames and capture.grab():
                arrived += 1
            capture.release()
        if arrived < self.frames:  # one more was written if an interrupt came before it was counted
            raise self._refused(f"{arrived} of {counted(self.frames)} arrived; is the disk full?")

    def _refused(self, why: str) -> WriteError:
        return WriteError(f"{self.shown}: cannot be written: {why}")


def counted(frames: int) -> str:
    """Return a number of frames for people: "1 frame"."""
    return f"{frames} frame{'s' * (frames != 1)}"


def opened(source: str) -> Clip | Camera:
    """Return the camera whose number is given, or the clip in a file. Raises InputError as they do."""
    if source.isascii() and source.isdigit():
        if int(source[:9]) >= CAMERAS:
            raise InputError(f"{source}: cameras have numbers from 0 to {CAMERAS - 1}")
        return Camera(int(source))
    return Clip(source)


def _opened(path: str) -> cv2.VideoCapture:
    with hushed():
        return cv2.VideoCapture(path, cv2.CAP_FFMPEG)


def _require_binary(path: str) -> None:
    """Raise InputError unless `path` is a regular file that OpenCV can name, has content, and is no text.

    FFmpeg films a text, and follows playlists, which are texts, wherever they lead.
    """
    try:
        kinds.require_file(path)
        path.encode("utf-8")
        with open(path, "rb") as file:
            head = file.read(_SNIFFED)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except UnicodeEncodeError:
        raise InputError(f"{path}: cannot be read: OpenCV takes no name that is not UTF-8") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {reason(error)}") from error
    if not head:
        raise InputError(f"{path}: is empty")
    if _is_text(head):
        raise InputError(f"{path}: is a text, not a video")


def _is_text(head: bytes) -> bool:
    control = set(range(32)) - set(b"\t\n\r\f\x1b")
    with contextlib.suppress(UnicodeDecodeError):
        head[: len(head) - 3 if len(head) == _SNIFFED else None].decode("utf-8", "strict")
        return not control.intersection(head)
    return False
