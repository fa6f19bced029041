"""PyTorch's format before 1.6, used by the public checkpoints of 2019: five pickles, then the storages.

The pickles are a magic number, the protocol, facts about the machine, the object, and the keys of its storages. Then
follow, for each key in that order, the number of elements (int64) and the elements.
"""

import struct

from paddle_ugatit.formats.checkpoint import DTYPES, Account, Checkpoint, CheckpointError, FilePath, joined
from paddle_ugatit.formats.contents import contents_of
from paddle_ugatit.formats.torch_tensors import TorchMachine, View, array_of

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_MAGIC_BYTES = _MAGIC.to_bytes(10, "little")


def recognises(data: memoryview) -> bool:
    """Return whether the file begins with a pickle of the magic number, in any protocol."""
    return bytes(data[:1]) == b"\x80" and _MAGIC_BYTES in bytes(data[:32])


def read(path: FilePath, data: memoryview) -> Checkpoint:
    """Return a checkpoint whose arrays are read-only views of `data`. Raises CheckpointError if the file is damaged."""
    machine = TorchMachine(path, data)
    if machine.load() != _MAGIC or machine.load() != _PROTOCOL:
        raise CheckpointError(f"{path}: is in PyTorch's older format, of a version other than {_PROTOCOL}")
    facts = machine.load()
    if not isinstance(facts, dict) or facts.get("little_endian") is not True:
        raise CheckpointError(f"{path}: was written on a big-endian machine, which is not supported")
    contents = contents_of(path, machine.load(), lambda leaf: isinstance(leaf, View), len(data))
    bytes_of = _storages(path, data, machine)
    arrays = {
        network: {
            key: array_of(path, joined(network, key), view, bytes_of[view.storage.key]) for key, view in state.items()
        }
        for network, state in contents.networks.items()
    }
    return Checkpoint(arrays, "torch", texts=contents.texts, account=Account(dropped=contents.aside))


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
