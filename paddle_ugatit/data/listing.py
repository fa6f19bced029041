"""The image files below a folder, and an account of what is left out and why."""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data import kinds

Say = Callable[[str], None]
_NAMED = 3  # folders listed in a message


class LeftOut:
    """What a search found and did not take; `str` gives one line, "" if there is nothing."""

    def __init__(self) -> None:
        self.files: dict[str, Counter[str]] = {}  # reason -> suffixes
        self.folders: list[str] = []

    def add(self, path: Path | str, reason: str) -> None:
        """Count a file."""
        suffix = os.path.splitext(path)[1] or "without a suffix"
        self.files.setdefault(reason, Counter())[suffix] += 1

    def add_folder(self, error: OSError) -> None:
        """Note a folder that cannot be read; os.walk calls this."""
        self.folders.append(f"{error.filename} ({error.strerror})")

    def __bool__(self) -> bool:
        return bool(self.files or self.folders)

    def __str__(self) -> str:
        parts = [
            f"{', '.join(f'{count} {suffix}' for suffix, count in suffixes.most_common(5))}"
            f"{' and others' if len(suffixes) > 5 else ''} ({reason})"
            for reason, suffixes in sorted(self.files.items())
        ]
        more = f" and {len(self.folders) - _NAMED} more" if len(self.folders) > _NAMED else ""
        if self.folders:
            parts.append(f"the folder {', '.join(self.folders[:_NAMED])}{more}")
        return "; ".join(parts)


def image_files(folder: Path | str, say: Say | None = None) -> list[Path]:
    """Return every image file below `folder`, sorted by relative path.

    A file is an image by its suffix or, under an unknown one, by its content; hidden files and folders are ignored.
    `say` is called with one line on what is left out, if anything is. Raises InputError if there is no such folder, or
    if it cannot be read or holds no images.
    """
    folder = Path(folder)
    require_folder(folder)
    left_out = LeftOut()
    found = pictures_of(_walked(folder, left_out), left_out)
    if not found:
        raise InputError(f"{folder}: holds no images" + (f", left out {left_out}" if left_out else ""))
    if say and left_out:
        say(f"{folder}: left out {left_out}")
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def require_folder(folder: Path | str) -> None:
    """Raise InputError unless the folder exists."""
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: {'is not a folder' if os.path.exists(folder) else 'there is no such folder'}")


def pictures_of(paths: Iterable[Path], left_out: LeftOut) -> list[Path]:
    """Return those of the files that are images; the others are counted in `left_out`, but not the hidden ones."""
    found = []
    for path in paths:
        if kinds.is_hidden(path.name):
            continue
        if reason := kinds.why_left_out(path):
            left_out.add(path, reason)
        else:
            found.append(path)
    return found


def _walked(folder: Path, left_out: LeftOut) -> Iterable[Path]:
    """Every file below a folder, in folders that are not hidden; a link back to a parent is followed once."""
    seen = set()

    def unreadable(error: OSError) -> None:
        if error.filename == str(folder):
            raise InputError(f"{folder}: cannot be read: {error.strerror}") from error
        left_out.add_folder(error)

    for base, folders, names in os.walk(folder, onerror=unreadable, followlinks=True):
        place = os.path.realpath(base)
        if place in seen:
            folders.clear()
            continue
        seen.add(place)
        folders[:] = sorted(name for name in folders if not kinds.is_hidden(name))
        yield from (Path(base, name) for name in names)
