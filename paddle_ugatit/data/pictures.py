"""The image files of a folder as a training reads them: unreadable ones reported and skipped.

Contents: Pictures, small_pictures.
"""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.backend.progress import to_stderr
from paddle_ugatit.data.images import ImageError, picture_size, read_picture

_LOOKED_AT = 200  # files whose size is checked before a run
_REPORTED = 20  # unreadable files of a folder that are reported one by one


class Pictures:
    """The image files of a folder. Unreadable ones are reported once and skipped, or raise ImageError if `strict`.

    Whatever a decoder raises makes a file unreadable. Only the first few of many such files are reported.
    """

    def __init__(self, files: Iterable[Path], size: int, strict: bool = False, say: Callable[[str], None] = to_stderr):
        if size < 1:
            raise InputError(f"the image size must be 1 or more, got {size}")
        self.files, self.size, self.strict, self.say = list(files), size, strict, say
        self.bad_files: list[str] = []
        self._lock = threading.Lock()

    def read(self, order: Sequence[int] | np.ndarray, position: int) -> Image.Image:
        """Read the image at a position of `order`, or the next readable one, wrapping around at the end.

        The choice depends on the files alone, so that it is the same when a run is repeated. Raises ImageError if a
        file is unreadable and `strict` is set, InputError if no file can be read or their folder has vanished.
        """
        for shift in range(len(order)):
            path = self.files[order[(position + shift) % len(order)]]
            try:
                return self._read(path)
            except ImageError as error:
                if self.strict:
                    raise
                self._note(path, error)
                if not self._folder().is_dir():
                    raise InputError(f"{self._folder()}: there is no such folder any more") from error
        raise InputError(f"{self._folder()}: none of its images can be read")

    def is_bad(self, index: int) -> bool:
        """Return whether the file of this index was found to be unreadable."""
        return str(self.files[index]) in self.bad_files

    def _folder(self) -> Path:
        return Path(os.path.commonpath([path.parent for path in self.files]))

    def _read(self, path: Path) -> Image.Image:
        try:
            picture = read_picture(path)
        except ImageError:
            raise
        except Exception as error:
            raise ImageError(f"{path}: cannot be read: {type(error).__name__}: {error}") from error
        if self.strict and min(picture.size) < self.size:
            raise ImageError(_too_small(path, picture.size, self.size))
        return picture

    def _note(self, path: Path, error: ImageError) -> None:
        with self._lock:
            if str(path) in self.bad_files:
                return
            self.bad_files.append(str(path))
            count = len(self.bad_files)
        if count <= _REPORTED:
            self.say(f"skipped: {error}")
        if count == _REPORTED:
            self.say(f"{self._folder()}: further images that cannot be read are skipped without a line")


def _too_small(path: Path, found: tuple[int, int], size: int) -> str:
    return f"{path}: {found[0]}x{found[1]} pixels, smaller than the {size}x{size} crop"


def small_pictures(files: Sequence[Path], size: int) -> str:
    """Check a sample of the files for images smaller than the crop, by their headers.

    Returns a message in one line, empty if there are none.
    """
    looked_at = files[:: -(-len(files) // _LOOKED_AT)]
    small = []
    for path in looked_at:
        found = picture_size(path)
        if found and min(found) < size:
            small.append((path, found))
    if not small:
        return ""
    count = f"{len(small)} of {len(looked_at)} images checked are that small"
    return f"{_too_small(*small[0], size)}; {count} and are enlarged, as in the public code"
