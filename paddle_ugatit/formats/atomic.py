"""Replace a file as a whole, or leave it untouched: for checkpoints, tables, pages and pictures alike."""

import contextlib
import os
import secrets
import stat
from pathlib import Path

from paddle_ugatit.formats.checkpoint import CheckpointError


class WriteError(CheckpointError):
    """A destination that could not be written, in one line that names it."""


@contextlib.contextmanager
def replacing(path, mode="wb"):
    """Give a file open for writing that takes the place of `path` once the block has ended without an exception.

    It is written beside `path` under a temporary name, flushed to the disk, then renamed. On any exception, an
    interrupt included, it is removed and `path` is as before. `mode` is "wb" or "w" (UTF-8). Through a symbolic link,
    the file it points to is replaced. Raises WriteError where the operating system refuses, be the disk full or the
    folder read-only; an OSError that the block itself raises counts as such, so it should not read other files.
    """
    target = Path(os.path.realpath(path))
    _require_replaceable(path, target)
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        with open(temporary, mode.replace("w", "x"), encoding=None if "b" in mode else "utf-8") as file:
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


def _require_replaceable(path, target):
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        if not target.parent.is_dir():
            raise WriteError(f"{path}: cannot be written: there is no folder {target.parent}") from None
        return
    except (OSError, ValueError) as error:
        raise WriteError(f"{path}: cannot be written: {error}") from error
    if stat.S_ISDIR(mode):
        raise WriteError(f"{path}: cannot be written: it is a folder")
    if not stat.S_ISREG(mode):
        raise WriteError(f"{path}: cannot be written: it is not a regular file")


def _remove(temporary):
    with contextlib.suppress(OSError):
        temporary.unlink()


def sync_folder(folder):
    """Have the new name itself survive a power cut, where the system can do so (Windows cannot)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
