"""What every checkpoint file holds, whatever its format: named arrays, the framework, notes on their origin."""

from dataclasses import dataclass, field

import numpy as np

from paddle_ugatit.backend.errors import InputError

# Every dtype that a file may hold, by its name. numpy has no bfloat16: as in Paddle, uint16 stands for its bits.
DTYPES = {
    "float64": np.dtype("<f8"),
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype("<u2"),
    "int64": np.dtype("<i8"),
    "int32": np.dtype("<i4"),
    "int16": np.dtype("<i2"),
    "int8": np.dtype("i1"),
    "uint8": np.dtype("u1"),
    "bool": np.dtype("?"),
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
MAX_AXES = 32  # of an array in numpy 1
_LONGEST_TEXT = 80
_CHUNK = 32 << 20  # bytes held at once while an array is written


class CheckpointError(InputError):
    """A file that cannot be read or written; one line that names the file, and the key where there is one."""


@dataclass
class Checkpoint:
    """State dicts from a file, or for one.

    Arrays may be read-only views of the file, which cost no memory until they are used, and may be strided views, such
    as a transpose. They must not outlive a change of the file in place; replacing the file is harmless.
    """

    networks: dict[str, dict[str, np.ndarray]]  # name -> key -> array; a bare state dict stands under the name ""
    framework: str  # "torch" or "paddle": who lays out the weights of a Linear
    metadata: dict = field(default_factory=dict)  # JSON values
    texts: dict[str, str] = field(default_factory=dict)  # beside the networks of a .pt file, such as a version

    def tensors(self):
        """Every (network, key, array) in order."""
        for network, state in self.networks.items():
            for key, array in state.items():
                yield network, key, array

    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for _, _, array in self.tensors())


def dtype_name(array) -> str | None:
    """The array's dtype as a key of DTYPES, None for one that no format here holds."""
    return _NAMES.get(array.dtype)


def require_writable(path, checkpoint):
    """Raise CheckpointError for an array or a name that the formats cannot hold."""
    for network, key, array in checkpoint.tensors():
        if not isinstance(array, np.ndarray) or dtype_name(array) is None:
            kind = getattr(array, "dtype", type(array).__name__)
            raise CheckpointError(f"{path}: {joined(network, key)!r} is {kind}, which a checkpoint cannot hold")
        if "/" in network or "/" in key:
            raise CheckpointError(f"{path}: {joined(network, key)!r}: a name must not contain '/'")
    if "" in checkpoint.networks and len(checkpoint.networks) > 1:
        raise CheckpointError(f"{path}: a bare state dict cannot stand beside named networks")
    if not any(checkpoint.networks.values()):
        raise CheckpointError(f"{path}: refuses to write a checkpoint without tensors")


def joined(network, key) -> str:
    """The key with its network, "network/key"; the key alone for a bare state dict."""
    return f"{network}/{key}" if network else key


def split_texts(value):
    """What a pickle held without the short texts that stand beside its networks; and these, by name."""
    if not isinstance(value, dict) or not any(isinstance(entry, dict) for entry in value.values()):
        return value, {}
    texts = {name: entry for name, entry in value.items() if is_text(name) and is_text(entry)}
    return {name: entry for name, entry in value.items() if name not in texts}, texts


def is_text(value) -> bool:
    """Whether this may stand beside networks, or name what does."""
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT and value.isprintable()


def split_networks(path, value, is_leaf):
    """Networks from what a pickle held: a dict of leaves becomes {"": that}, a dict of such dicts stays.

    Raises CheckpointError naming the first entry that is neither.
    """
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: holds {_kind(value)}, not a state dict")
    if not value:
        raise CheckpointError(f"{path}: holds no tensors")
    bare = not any(isinstance(entry, dict) for entry in value.values())
    networks = {"": value} if bare else value
    for network, state in networks.items():
        _require_key(path, network)
        if not isinstance(state, dict):
            raise CheckpointError(f"{path}: entry {network!r} is {_kind(state)}, not a state dict")
        if not state:
            raise CheckpointError(f"{path}: entry {network!r} is empty")
        for key, leaf in state.items():
            _require_key(path, key)
            if not is_leaf(leaf):
                raise CheckpointError(f"{path}: entry {joined(network, key)!r} is {_kind(leaf)}, not a tensor")
    return networks


def _require_key(path, key):
    if not isinstance(key, str) or "/" in key:
        raise CheckpointError(f"{path}: {_shortened(key)} cannot be the name of a tensor or a network")


def _shortened(value):
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _kind(value):
    return "None" if value is None else f"of type {type(value).__name__}"


def chunks(array):
    """The array's bytes in C order, as buffers of about 32 MiB: a transposed gigabyte is never held at once."""
    if array.flags.c_contiguous:
        flat = array.reshape(-1).view(np.uint8)
        for start in range(0, flat.size, _CHUNK):
            yield flat[start : start + _CHUNK].data
        return
    rows = max(1, _CHUNK * len(array) // array.nbytes) if array.nbytes else len(array)
    for start in range(0, len(array), rows):
        yield from chunks(np.ascontiguousarray(array[start : start + rows]))


def widened(array):
    """A bfloat16 array (uint16 bits) as float32, exactly; any other as it is."""
    return (array.astype(np.uint32) << 16).view(np.float32) if dtype_name(array) == "bfloat16" else array


def cast(array, name):
    """The array as the floating dtype `name` of DTYPES, rounded to nearest; itself where it has that dtype."""
    if dtype_name(array) == name:
        return array
    values = widened(array)
    if name != "bfloat16":
        return values.astype(DTYPES[name])
    bits = values.astype(np.float32).view(np.uint32)
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)  # half to even
    nan = bits | 0x400000  # rounding could carry a NaN into an infinity
    return (np.where(np.isnan(values), nan, rounded) >> 16).astype(np.uint16)
