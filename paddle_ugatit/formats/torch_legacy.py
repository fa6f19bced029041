"""PyTorch's format before 1.6, used by the public checkpoints of 2019: five pickles, then the storages.

The pickles are a magic number, the protocol, facts about the machine, the object, and the keys of its storages. Then
follow, for each key in that order, the number of elements (int64) and the elements.
"""

import struct

import numpy as np

from paddle_ugatit.formats.checkpoint import DTYPES, CheckpointError, FilePath, joined, split_networks, split_texts
from paddle_ugatit.formats.torch_tensors import TorchMachine, View, array_of

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_START = b"\x80\x02\x8a\x0a" + _MAGIC.to_bytes(10, "little") + b"."


def recognises(data: memoryview) -> bool:
    """Return whether the file begins with the magic number."""
    return bytes(data[: len(_START)]) == _START


def read_networks(path: FilePath, data: memoryview) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, str]]:
    """Return network -> key -> read-only view of `data`, and the texts beside the networks.

    Raises CheckpointError if the file is damaged.
    """
    machine = TorchMachine(path, data, len(_START))
    protocol = machine.load()
    if protocol != _PROTOCOL:
        raise CheckpointError(f"{path}: is in PyTorch's older format, of a version other than {_PROTOCOL}")
    facts = machine.load()
    if not isinstance(facts, dict) or facts.get("little_endian") is not True:
        raise CheckpointError(f"{path}: was written on a big-endian machine, which is not supported")
    value, texts = split_texts(machine.load())
    networks = split_networks(path, value, lambda leaf: isinstance(leaf, View))
    bytes_of = _storages(path, data, machine)
    arrays = {
        network: {
            key: array_of(path, joined(network, key), view, bytes_of[view.storage.key]) for key, view in state.items()
        }
        for network, state in networks.items()
    }
    return arrays, texts


def _storages(path: FilePath, data: memoryview, machine: TorchMachine) -> dict[str, memoryview]:
    """Return key -> bytes; `machine` is positioned at the list of keys."""
    keys = machine.load()
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise CheckpointError(f"{path}: truncated or damaged: it has no list of storages")
    if sorted(keys) != sorted(machine.storages):
        raise CheckpointError(f"{path}: damaged: its list of storages does not match its tensors")
    position, found = machine.position, {}
    for key in keys:
        storage = machine.storages[key]
        end = position + 8 + storage.numel * DTYPES[storage.dtype].itemsize
        if end > len(data):
            raise CheckpointError(f"{path}: truncated: {end - len(data)} bytes or more are missing at its end")
        if struct.unpack_from("<q", data, position)[0] != storage.numel:
            raise CheckpointError(f"{path}: damaged: storage {key!r} has another size than its tensor says")
        found[key], position = data[position + 8 : end], end
    return found
