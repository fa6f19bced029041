"""How PyTorch's pickles describe tensors: storages by reference, and views of them. Shared by both file layouts."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from paddle_ugatit.formats.checkpoint import DTYPES, MAX_AXES, CheckpointError, FilePath
from paddle_ugatit.formats.pickle_machine import Global, Machine, Opaque

STORAGES = {  # storage class -> dtype
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


@dataclass(frozen=True)
class Storage:
    """`numel` elements of `dtype`, stored in the file under the name `key`."""

    dtype: str
    key: str
    numel: int


@dataclass(frozen=True)
class View:
    """A tensor: which elements of a storage, in which order. Offset and strides are in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class TorchMachine(Machine):
    """Builds Views of the tensors that torch.save wrote; `storages` are those referred to so far, by key."""

    allowed = Machine.allowed | {
        "torch._utils._rebuild_tensor",  # PyTorch before 0.4
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_parameter_with_state",
        "torch._tensor._rebuild_from_type_v2",  # of a tensor with attributes of its own
        "torch.Size",
    }

    def __init__(self, path: FilePath, data: memoryview, position: int = 0) -> None:
        super().__init__(path, data, position)
        self.storages: dict[str, Storage] = {}

    def call(self, name: str, arguments: tuple) -> Any:
        """Return a tensor, a parameter, a size or a dict."""
        if name in ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"):
            return self._view(*arguments[:4])
        if name.startswith("torch._utils._rebuild_parameter"):
            return arguments[0]
        if name == "torch._tensor._rebuild_from_type_v2":
            function, _, parts = arguments[:3]
            known = type(function) is Global and function.name in self.allowed - {name} and type(parts) is tuple
            return self.call(function.name, parts) if known else Opaque(name)
        if name == "torch.Size":
            self.spend(8 * len(arguments[0]))
            return tuple(arguments[0])
        return super().call(name, arguments)

    def persistent(self, identifier: Any) -> Any:
        """Return the Storage of ("storage", class, key, device, numel); in older files a None follows.

        A storage of a dtype that a checkpoint cannot hold, and a module that carries its source, are Opaque.
        """
        if type(identifier) is tuple and len(identifier) == 4 and identifier[0] == "module":
            return identifier[1]
        if type(identifier) is not tuple or len(identifier) not in (5, 6):
            raise ValueError("not a storage")
        kind, storage_class, key, _device, numel = identifier[:5]
        if kind != "storage" or (len(identifier) == 6 and identifier[5] is not None):
            raise CheckpointError(f"{self.path}: refers to something other than a plain storage")
        if type(storage_class) is not Global or type(key) is not str or not _is_count(numel):
            raise ValueError("not a storage")
        dtype = STORAGES.get(storage_class.name.removeprefix("torch.").removeprefix("cuda."))
        if dtype is None:
            return Opaque(storage_class.name)
        storage = Storage(dtype, key, numel)
        if self.storages.setdefault(key, storage) != storage:
            raise CheckpointError(f"{self.path}: storage {key!r} is described in two ways")
        return storage

    def _view(self, storage: Any, offset: Any, shape: Any, strides: Any) -> View | Opaque:
        if type(storage) is Opaque:
            return storage
        if type(storage) is not Storage or type(shape) is not tuple or type(strides) is not tuple:
            raise ValueError("not a tensor")
        if len(shape) > MAX_AXES:
            raise CheckpointError(f"{self.path}: a tensor has {len(shape)} axes")
        if len(shape) != len(strides) or not all(map(_is_count, (offset, *shape, *strides))):
            raise CheckpointError(f"{self.path}: a tensor has a negative or missing size, stride or offset")
        return View(storage, offset, shape, strides)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**62


def array_of(path: FilePath, name: str, view: View, data: memoryview) -> np.ndarray:
    """Return the tensor as a read-only view of `data`, the bytes of its storage.

    Raises CheckpointError if the tensor exceeds them or repeats elements: a few bytes could claim to be terabytes.
    """
    storage = view.storage
    dtype = DTYPES[storage.dtype]
    if len(data) != storage.numel * dtype.itemsize:
        raise CheckpointError(
            f"{path}: {name!r}: its storage {storage.key!r} should hold {storage.numel} x {storage.dtype}, "
            f"the file has {len(data)} bytes"
        )
    count = int(np.prod(view.shape, dtype=object))
    last = view.offset + sum((size - 1) * stride for size, stride in zip(view.shape, view.strides, strict=True))
    if count > storage.numel or (count and last >= storage.numel):
        shape = "x".join(map(str, view.shape))
        raise CheckpointError(f"{path}: {name!r} of shape {shape} exceeds its storage of {storage.numel} elements")
    if not count:
        return np.empty(view.shape, dtype)
    strides = tuple(stride * dtype.itemsize for stride in view.strides)
    return np.ndarray(view.shape, dtype, data, view.offset * dtype.itemsize, strides)
