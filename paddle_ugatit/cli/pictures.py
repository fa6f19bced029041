"""What the commands on many pictures share: one that cannot be done is a line, and the others are done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np

from paddle_ugatit.backend.errors import InputError, one_line
from paddle_ugatit.data.images import ImageError, is_own_fault, write_image

_NAMED = 5  # skipped pictures listed at the end


class Skipped:
    """The pictures that could not be done: one line each on stderr, or the error itself if `strict`.

    `word` says what was not done with them.
    """

    def __init__(self, strict: bool, say: Callable[[str], None], word: str = "skipped") -> None:
        self.strict, self.say, self.word = strict, say, word
        self.names: list[str] = []

    @contextmanager
    def one(self, name: str) -> Iterator[None]:
        """Within the block, an error that lies in one picture skips that picture, and no other."""
        try:
            yield
        except (ImageError, MemoryError) as error:
            if isinstance(error, MemoryError):
                error = ImageError(f"{name}: there is not enough memory for it")
            if self.strict:
                raise error from None
            if name not in self.names:
                self.names.append(name)
                self.say(f"{self.word}: {error}")

    def report(self) -> None:
        """Print how many were skipped, if any were."""
        if self.names:
            more = ", ..." if len(self.names) > _NAMED else ""
            print(one_line(f"{len(self.names)} {self.word}: {', '.join(self.names[:_NAMED])}{more}"))


def make_folder(folder: Path) -> None:
    """Make a folder for results. Raises InputError, or ImageError if only this one name cannot be used."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        kind = ImageError if is_own_fault(folder, error) else InputError
        raise kind(f"{folder}: cannot be made: {error.strerror}") from error


def write_result(folder: Path | str, name: str, pixels: np.ndarray) -> None:
    """Write a result below a folder, under a name with forward slashes. Raises as `make_folder` and `write_image`."""
    path = Path(folder, PurePosixPath(name))
    make_folder(path.parent)
    write_image(path, pixels)
