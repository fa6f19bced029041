"""Replace a file as a whole, or leave it untouched: used for checkpoints, tables, pages and images."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from paddle_ugatit.formats.checkpoint import CheckpointError, FilePath


class WriteError(CheckpointError):
    """A destination cannot be written; the message is one line that names it."""


@contextlib.contextmanager
def replacing(path: FilePath, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a file for writing that replaces `path` when the block ends without an exception.

    The file is written next to `path` under a temporary name, flushed to disk, then renamed. On any exception,
    including an interrupt, it is removed and `path` is unchanged. `mode` is "wb" or "w", which is UTF-8; bytes of file
    names that are not are escaped. If `path` is a symbolic link, the file it points to is replaced. Raises WriteError
    if the operating system refuses, for example because the disk is full or the folder read-only; an OSError raised by
    the block counts as one, so the block should not read other files.
    """
    target = Path(os.path.realpath(path))
    _require_replaceable(path, target)
    temporary = target.with_name(temporary_name(target.name))
    encoding, errors = (None, None) if "b" in mode else ("utf-8", "backslashreplace")
    try:
        with open(temporary, mode.replace("w", "x"), encoding=encoding, errors=errors) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
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


def _require_replaceable(path: FilePath, target: Path) -> None:
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


def sync_folder(folder: FilePath) -> None:
    """Make renames in the folder survive a power cut, where the system supports it (Windows does not)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
