"""What a user sends if a checkpoint is refused: the files, what is in them by name, and the refusal; no weights."""

import os
import platform
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import paddle

import paddle_ugatit
from paddle_ugatit import formats, weights
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.backend.progress import size

_MOST_FILES = 50  # listed of a folder
_HEAD = 64  # bytes shown of a file that cannot be read


def lines(source: str, model: str | None = None) -> Iterator[str]:
    """Yield the lines of the report; `model` is a revision to be taken, as for a conversion.

    A file that cannot be read, or that no network fits, is what a report is about, so that is a line, too.
    """
    system = f"{platform.system()} {platform.machine()}"
    versions = f"Paddle {paddle.__version__}, NumPy {np.__version__}, Python {platform.python_version()}, {system}"
    yield f"paddle_ugatit {paddle_ugatit.__version__}, {versions}"
    yield from _files(Path(source))
    try:
        read = formats.read(source)
    except InputError as error:
        yield f"refused: {error}"
        yield from _head(source)
        return
    yield f"read: {read.framework}, metadata {read.metadata or 'none'}"
    for name, state in read.networks.items():
        yield f"{name or 'entries'}: {len(state)}"
        for key, array in state.items():
            yield f"  {key} {formats.dtype_name(array)} {list(array.shape)}"
    yield from _conversion(source, read, model)


def _conversion(source: str, read: formats.Checkpoint, model: str | None) -> Iterator[str]:
    try:
        found, notes = weights.convert(read, "paddle", source, model)
    except InputError as error:
        yield from (f"note: {line}" for line in read.account.lines(source))
        yield f"refused: {error}"
        return
    yield from (f"note: {line}" for line in notes)
    for name, options in found.metadata["networks"].items():
        yield f"{name or 'bare state dict'}: " + ", ".join(f"{key} {value}" for key, value in options.items())
    yield f"accepted: model {found.metadata['model']}"


def _files(path: Path) -> Iterator[str]:
    """The files that belong to a checkpoint: those in a folder, or those whose names begin like the one given."""
    try:
        folder, prefix = (path, "") if path.is_dir() else (path.parent, path.name.split(".data-")[0].split(".index")[0])
        found = sorted(each for each in folder.iterdir() if each.name.startswith(prefix) and each.is_file())
    except OSError as error:
        yield f"{path}: cannot be listed: {error.strerror}"
        return
    for each in found[:_MOST_FILES]:
        yield f"{each.name}: {each.stat().st_size} bytes ({size(each.stat().st_size)})"
    if len(found) > _MOST_FILES:
        yield f"and {len(found) - _MOST_FILES} more files"


def _head(source: str) -> Iterator[str]:
    if os.path.isfile(source):
        with open(source, "rb") as file:
            yield f"begins with: {file.read(_HEAD).hex(' ')}"
