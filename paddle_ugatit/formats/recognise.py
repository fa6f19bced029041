"""Tells a checkpoint's format by its first bytes: names and suffixes of files are anything."""

import struct
from types import ModuleType

from paddle_ugatit.formats import pdparams, safetensors_file, torch_legacy, torch_pt
from paddle_ugatit.formats.checkpoint import CheckpointError, FilePath

HEAD = 512  # bytes that are looked at
_OTHERS = (  # what else people hand over: the first bytes -> what it is, and what to do
    (b"\x1f\x8b", "compressed by gzip; unpack it first (gunzip)"),
    (b"BZh", "compressed by bzip2; unpack it first"),
    (b"\xfd7zXZ", "compressed by xz; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; fetch it with 'git lfs pull'"),
    (b"\x89HDF", "an HDF5 file, as Keras writes"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"{", "a JSON text"),
)


def format_of(path: FilePath, head: bytes, size: int) -> ModuleType:
    """Return the module that reads a file, by its first HEAD bytes and its size.

    Raises CheckpointError, which says what the file is instead if that can be told.
    """
    view = memoryview(head)
    # First, since the length with which such a file begins may look like anything.
    if len(head) > 8 and head[8:9] == b"{" and struct.unpack_from("<Q", head)[0] <= size - 8:
        return safetensors_file
    if torch_pt.recognises_archive(view) or torch_legacy.recognises(view):
        return torch_pt
    if head[:1] == b"\x80":
        return pdparams
    raise CheckpointError(f"{path}: is not a checkpoint: {_guess(head)}")


def _guess(head: bytes) -> str:
    if head[257:262] == b"ustar":
        return "a tar archive; one that PyTorch wrote before 0.1.10 must be loaded and saved anew, others unpacked"
    if head.lstrip()[:1] == b"<":
        return "a page of HTML or XML, perhaps the message of a download that failed"
    known = next((what for start, what in _OTHERS if head.startswith(start)), None)
    return known or "neither PyTorch's nor Paddle's format nor safetensors; truncated at its start, or something else"
