"""Replace a file or a folder as a whole, or leave it untouched: used for checkpoints, tables, pages and images.

A folder is replaced by three renames and removals, none of which loses anything: what a kill leaves in between is put
right by `repair_folders`. In their parent, hidden folders hold what is on its way:
    .NAME.unfinished    the new content of NAME, being written
    .NAME.replaced      its old content, while the new one takes its place
    .NAME.removed       being deleted
"""

import contextlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from paddle_ugatit.formats.checkpoint import CheckpointError, FilePath


class WriteError(CheckpointError):
    """A destination cannot be written; the message is one line that names it."""


@contextlib.contextmanager
def replacing(path: FilePath, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a file for writing that replaces `path` when the block ends without an exception.

    The file is written next to `path` under a temporary name, flushed to disk, then renamed. On any exception,
    including an interrupt, it is removed and `path` is unchanged. `mode` is "wb", "w+b" or "w", which is UTF-8; bytes
    of file names that are not are escaped. If `path` is a symbolic link, the file it points to is replaced. Raises
    WriteError if the operating system refuses, for example because the disk is full or the folder read-only; an OSError
    raised by the block counts as one, so the block should not read other files.
    """
    encoding, errors = (None, None) if "b" in mode else ("utf-8", "backslashreplace")
    with (
        _renamed(path, "") as temporary,
        open(temporary, mode.replace("w", "x"), encoding=encoding, errors=errors) as file,
    ):
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def replacing_file(path: FilePath) -> Iterator[Path]:
    """Yield the name of a file, not there yet, that replaces `path` when the block ends without an exception.

    For libraries that open files themselves, and tell a format by the suffix, which is that of `path`. Otherwise as
    `replacing`.
    """
    with _renamed(path, os.path.splitext(path)[1]) as temporary:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())


@contextlib.contextmanager
def _renamed(path: FilePath, suffix: str) -> Iterator[Path]:
    """Yield a temporary name next to `path` for what is renamed to `path` after the block."""
    require_replaceable(path)
    target = Path(os.path.realpath(path))
    temporary = target.with_name(temporary_name(target.name) + suffix)
    try:
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        _remove(temporary)
        raise WriteError(f"{path}: cannot be written: {error.strerror or error}") from error
    except BaseException:
        _remove(temporary)
        raise
    sync_folder(target.parent)


def temporary_name(name: str) -> str:
    """Return a new hidden name of at most 150 bytes, whatever the file system's encoding: it keeps ASCII alone."""
    return f".{name.encode('ascii', 'ignore')[:100].decode('ascii')}.{secrets.token_hex(6)}.tmp"


def require_replaceable(path: FilePath) -> None:
    """Raise WriteError if `replacing(path)` could not begin; ask before a long work whose result goes there."""
    target = Path(os.path.realpath(path))
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        if not target.parent.is_dir():
            raise WriteError(f"{path}: cannot be written: there is no folder {target.parent}") from None
        return
    except (OSError, ValueError) as error:
        raise WriteError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from error
    if stat.S_ISDIR(mode):
        raise WriteError(f"{path}: cannot be written: it is a folder")
    if not stat.S_ISREG(mode):
        raise WriteError(f"{path}: cannot be written: it is not a regular file")


def _remove(temporary: Path) -> None:
    with contextlib.suppress(OSError):
        temporary.unlink()


def unfinished(folder: Path) -> Path:
    """Return the place in which the new content of a folder is written before `replace_folder` puts it in."""
    return folder.with_name(f".{folder.name}.unfinished")


def replace_folder(folder: Path) -> None:
    """Replace a folder, or make it, from what has been written to `unfinished(folder)`.

    At any moment the old or the new content is there, under its own name or one that `repair_folders` knows. Raises
    OSError if the operating system refuses; the old content is then in its place.
    """
    old = folder.with_name(f".{folder.name}.replaced")
    if os.path.lexists(folder):
        _delete(old)
        os.rename(folder, old)
    try:
        os.rename(unfinished(folder), folder)
    except OSError:
        if os.path.lexists(old):
            os.rename(old, folder)
        raise
    sync_folder(folder.parent)
    _delete(old)


def remove_folder(folder: Path) -> None:
    """Delete a folder so that no part of it is left under its name if that is interrupted. Errors are ignored."""
    hidden = folder.with_name(f".{folder.name}.removed")
    _delete(hidden)
    with contextlib.suppress(OSError):
        os.rename(folder, hidden)
    _delete(hidden)


def repair_folders(parent: Path, is_whole: Callable[[Path], bool]) -> None:
    """Finish or undo the replacing and removing of folders in `parent` that a killed process left half done.

    A new content that `is_whole` is put in if its folder is absent, else the old one is put back.
    """
    for kind in ("unfinished", "replaced"):
        for left in sorted(parent.glob(f".*.{kind}")):
            folder = parent / left.name[1 : -len(f".{kind}")]
            if left.is_dir() and not os.path.lexists(folder) and (kind == "replaced" or is_whole(left)):
                with contextlib.suppress(OSError):
                    os.rename(left, folder)
    sync_folder(parent)
    for left in [entry for kind in ("unfinished", "replaced", "removed") for entry in parent.glob(f".*.{kind}")]:
        _delete(left)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        _remove(path)


def sync_folder(folder: FilePath) -> None:
    """Make renames in the folder survive a power cut, where the system supports it (Windows does not)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
