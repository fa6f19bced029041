"""Checkpoint files on disk, one module per format. Knows nothing of models; imports neither Paddle nor PyTorch.

`read(path)` tells the format by the file's first bytes, whatever its name. A checkpoint of TensorFlow is several files,
of which the path may be the prefix, one of them, or their folder (tensorflow_bundle.py). `write(path, checkpoint)`
chooses the format by the suffix: .pt and .pth (PyTorch), .pdparams (Paddle), .safetensors (either). `.pt` and
`.pdparams` files cannot hold metadata; it is kept beside them in `<file>.json`, which the file's SHA-256 ties to it.
`atomic.replacing` writes any file so that it is replaced as a whole or not at all.
"""

import io
import os
import stat
from collections.abc import Callable
from types import ModuleType

from paddle_ugatit.formats import (
    atomic,
    pdparams,
    recognise,
    safetensors_file,
    sidecar,
    tensorflow_bundle,
    torch_pt,
    verified,
)
from paddle_ugatit.formats.checkpoint import (
    Account,
    Checkpoint,
    CheckpointError,
    FilePath,
    cast,
    dtype_name,
    require_writable,
    widened,
)
from paddle_ugatit.formats.verified import remembered_sha256, sha256, sha256_of

__all__ = [
    "SUFFIXES",
    "Account",
    "Checkpoint",
    "CheckpointError",
    "FilePath",
    "atomic",
    "cast",
    "dtype_name",
    "file_of",
    "framework_of",
    "read",
    "sha256",
    "widened",
    "write",
]

_FORMATS = {".pt": torch_pt, ".pth": torch_pt, ".pdparams": pdparams, ".safetensors": safetensors_file}
_FRAMEWORKS = {torch_pt: "torch", pdparams: "paddle", safetensors_file: None}
SUFFIXES = tuple(_FORMATS)


def _format(path: FilePath) -> ModuleType:
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in _FORMATS:
        raise CheckpointError(f"{path}: the suffix must be one of {', '.join(SUFFIXES)}")
    return _FORMATS[suffix]


def framework_of(path: FilePath) -> str | None:
    """Return "torch" or "paddle" according to the suffix, or None for .safetensors, which can hold either.

    Raises CheckpointError if the suffix is unknown.
    """
    return _FRAMEWORKS[_format(path)]


def file_of(path: FilePath) -> FilePath:
    """Return the file that identifies a checkpoint: `path` itself, or the index of a TensorFlow checkpoint.

    The index holds the checksums of all that the other files have. Raises CheckpointError as `read` does.
    """
    try:
        return tensorflow_bundle.index_of(path) or path
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        raise CheckpointError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def read(path: FilePath) -> Checkpoint:
    """Read a checkpoint. Its arrays are read-only views of the file; its account says what else the file holds.

    Raises CheckpointError if the file cannot be read, is damaged or holds no tensors, or if a manifest beside it
    describes another content.
    """
    try:
        if (index := tensorflow_bundle.index_of(path)) is not None:
            verified.require_intact(index)
            return tensorflow_bundle.read(index)
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for a writer
            raise CheckpointError(f"{path}: cannot be read: it is not a regular file")
        with open(path, "rb") as file:
            head, size = file.read(recognise.HEAD), os.fstat(file.fileno()).st_size
        if not head:
            raise CheckpointError(f"{path}: is empty")
        verified.require_intact(path)
        if tensorflow_bundle.is_version_1(path):
            raise CheckpointError(f"{path}: is a TensorFlow checkpoint of version 1; only version 2 (.index) is read")
        layout = recognise.format_of(path, head, size)
        checkpoint: Checkpoint = layout.read(path)
        if layout is not safetensors_file:
            checkpoint.metadata = sidecar.read(path, lambda: remembered_sha256(path), checkpoint.account.notes)
    except (OSError, ValueError) as error:  # ValueError: mmap refuses anything but a regular file
        raise CheckpointError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if layout is pdparams and _FORMATS.get(os.path.splitext(path)[1].lower()) is not pdparams:
        checkpoint.account.notes.append(f"{path}: is a plain pickle of arrays: they are taken to be in Paddle's layout")
    return checkpoint


def write(path: FilePath, checkpoint: Checkpoint, progress: Callable[[int], object] | None = None) -> None:
    """Write a checkpoint in the format of the suffix; the file is replaced as a whole or left untouched.

    `progress(n)` is called for every n bytes of arrays written. Raises CheckpointError if the format cannot hold the
    checkpoint or the file cannot be written.
    """
    layout = _format(path)
    if checkpoint.framework != (_FRAMEWORKS[layout] or checkpoint.framework):
        raise CheckpointError(f"{path}: this suffix is not for {checkpoint.framework} checkpoints")
    require_writable(path, checkpoint)
    progress = progress or (lambda nbytes: None)
    if layout is safetensors_file:
        with atomic.replacing(path) as file:
            layout.write(file, checkpoint, progress)
        return
    # The side file is renamed last. It names the checkpoint's SHA-256, so that a stale one is detected.
    with atomic.replacing(sidecar.path_of(path), "w") as side, atomic.replacing(path, "w+b") as file:
        layout.write(file, checkpoint, progress)
        nbytes = file.seek(0, io.SEEK_END)
        file.seek(0)
        sidecar.dump(side, checkpoint, nbytes, sha256_of(file))
        side.flush()
