"""Checkpoint files on disk, one module per format. Knows nothing of models; imports neither Paddle nor PyTorch.

`read(path)` and `write(path, checkpoint)` choose the format by the suffix: .pt and .pth (PyTorch), .pdparams (Paddle),
.safetensors (either). `.pt` and `.pdparams` files cannot hold metadata; it is kept beside them in `<file>.json`.
`atomic.replacing` writes any file so that it is replaced as a whole or not at all.
"""

import io
import os
from collections.abc import Callable
from types import ModuleType

from paddle_ugatit.formats import atomic, pdparams, safetensors_file, sidecar, torch_pt, verified
from paddle_ugatit.formats.checkpoint import (
    Checkpoint,
    CheckpointError,
    FilePath,
    cast,
    dtype_name,
    require_writable,
    widened,
)
from paddle_ugatit.formats.verified import sha256

__all__ = [
    "SUFFIXES",
    "Checkpoint",
    "CheckpointError",
    "FilePath",
    "atomic",
    "cast",
    "dtype_name",
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


def read(path: FilePath) -> Checkpoint:
    """Read a checkpoint. Its arrays are read-only views of the file.

    Raises CheckpointError if the file cannot be read, is damaged or holds anything but tensors, or if a manifest beside
    it describes another content.
    """
    layout = _format(path)
    try:
        if not os.path.getsize(path):
            raise CheckpointError(f"{path}: is empty")
        verified.require_intact(path)
        checkpoint = layout.read(path)
    except (OSError, ValueError) as error:  # ValueError: mmap refuses anything but a regular file
        raise CheckpointError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if layout is not safetensors_file:
        checkpoint.metadata = sidecar.read(path)
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
    # The side file is renamed last. It names the checkpoint's size, so that a stale one is detected.
    with atomic.replacing(sidecar.path_of(path), "w") as side, atomic.replacing(path) as file:
        layout.write(file, checkpoint, progress)
        sidecar.dump(side, checkpoint, file.seek(0, io.SEEK_END))
        side.flush()
