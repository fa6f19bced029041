"""A pickle interpreter that can only build data.

A pickle is a program for a stack machine. Python's own machine imports and calls whatever the pickle names; refusing
names in `Unpickler.find_class` still leaves opcodes that set attributes or look up registered classes. This machine has
none of these: it knows the opcodes below, makes dicts, lists, tuples, strings and numbers, and passes every call to its
subclass, which knows a few names. Whatever else a pickle would make, such as the options of a training, becomes an
Opaque, a name without contents. The machine neither recurses nor copies bytes, which are views of the file, and calls
whose results may be larger than what the pickle spends on them are counted, so that memory is bounded by the file.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paddle_ugatit.formats.checkpoint import CheckpointError, FilePath

_MARK = object()
_BROKEN = (AttributeError, IndexError, KeyError, ValueError, TypeError, OverflowError, struct.error)


@dataclass(frozen=True)
class Global:
    """A name that a pickle refers to, "module.attribute". It is never imported."""

    name: str


@dataclass(frozen=True)
class Opaque:
    """An object that was not made: only the name of its class or function is kept."""

    name: str


# No checkpoint needs anything of these modules: a pickle that names them attacks whoever loads it elsewhere.
_ATTACKS = {"os", "posix", "nt", "sys", "subprocess", "shutil", "socket", "importlib", "runpy", "ctypes", "pty"}
_BUILT_IN = {"bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "object", "range"}
_BUILT_IN |= {"set", "slice", "str", "tuple"}
_FACTOR, _FLOOR = 4, 1 << 16  # bytes that calls may make: for each byte of the pickle, and for the smallest one
_PAIR = 100  # bytes of an entry of a dict


class Machine:
    """Runs one pickle after another from a buffer. Subclasses define what may be called, and what a call returns."""

    # What `call` makes; a call of any other name makes an Opaque.
    allowed: frozenset[str] = frozenset({"collections.OrderedDict", "collections.defaultdict", "collections.Counter"})

    def __init__(self, path: FilePath, data: memoryview, position: int = 0) -> None:
        """`data` is the buffer, `position` the byte where the first pickle begins; `path` is for messages."""
        self.path, self.data, self.position = path, data, position
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self._budget = _FACTOR * len(data) + _FLOOR

    def load(self) -> Any:
        """Run the pickle at `position`, move `position` past it, and return its object.

        Raises CheckpointError if the pickle does what it must not, or is damaged; the message names it or the byte.
        """
        self.stack, self.memo = [], {}
        try:
            while (opcode := self._take(1)[0]) != ord("."):
                self._step(opcode)
            return self.stack.pop()
        except _BROKEN as error:
            reason = f"its pickle makes no sense at byte {self.position}"
            raise CheckpointError(f"{self.path}: truncated or not a checkpoint: {reason}") from error

    def call(self, name: str, arguments: tuple) -> Any:
        """Return what a call of the allowed `name` makes. The base class knows dicts of special kinds."""
        if name == "collections.defaultdict":
            return {}
        if name in self.allowed and len(arguments) <= 1:
            pairs = arguments[0] if arguments else []  # Python 2 wrote a list of pairs, a Counter is made from a dict
            pairs = list(pairs.items()) if type(pairs) is dict else pairs
            self.spend(_PAIR * len(pairs))
            return self.mapping([key for key, _ in pairs], [value for _, value in pairs])
        raise CheckpointError(f"{self.path}: refuses to call {name}")

    def spend(self, nbytes: int) -> None:
        """Count bytes that a call is about to make of arguments which the pickle may repeat at little cost.

        Raises CheckpointError if they are out of all proportion to the file.
        """
        self._budget -= nbytes
        if self._budget < 0:
            raise CheckpointError(f"{self.path}: refuses it: its pickle would fill far more memory than the file has")

    def build(self, target: Any, state: Any) -> None:
        """Set the state of `target`; that of a dict (attributes of a state dict) or of an Opaque is dropped."""
        if type(target) not in (dict, Opaque):
            raise CheckpointError(f"{self.path}: refuses to set the state of a {type(target).__name__}")

    def persistent(self, identifier: Any) -> Any:
        """Return what a reference to data outside the pickle stands for."""
        raise CheckpointError(f"{self.path}: refers to data outside its pickle, which this format does not have")

    def mapping(self, keys: list, values: list) -> dict:
        """Return a dict. Keys other than strings and integers are replaced by the name of their type.

        Hashing a tuple nested a million deep would crash Python.
        """
        for i, key in enumerate(keys):
            if key is _MARK:
                raise ValueError("a mark where a key should be")
            if type(key) not in (str, int):
                keys[i] = f"a key of type {type(key).__name__}"
        return dict(zip(keys, values, strict=True))

    def _step(self, opcode: int) -> None:
        if opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode]())
        elif opcode in _NUMBERS:
            self.stack.append(self._number(_NUMBERS[opcode]))
        elif opcode in _SIZED:
            length, convert = _SIZED[opcode]
            self.stack.append(convert(self._take(self._number(length))))
        elif opcode in _ACTIONS:
            _ACTIONS[opcode](self)
        else:
            raise CheckpointError(f"{self.path}: refuses the pickle opcode {chr(opcode)!r} at byte {self.position - 1}")

    def _take(self, length: int) -> memoryview:
        start, end = self.position, self.position + length
        if not start <= end <= len(self.data):
            raise ValueError("the file ends too early")
        self.position = end
        return self.data[start:end]

    def _number(self, code: str) -> Any:
        return struct.unpack(code, self._take(struct.calcsize(code)))[0]

    def _line(self) -> str:
        start = self.position
        while self._take(1)[0] != ord("\n"):
            if self.position - start > 1000:
                raise ValueError("a name of more than 1000 characters")
        return str(self.data[start : self.position - 1], "utf-8")

    def _above_mark(self) -> list[Any]:
        """Pop the last mark and everything above it; return what was above it."""
        start = len(self.stack) - 1
        while self.stack[start] is not _MARK:
            start -= 1
            if start < 0:
                raise ValueError("no mark")
        items = self.stack[start + 1 :]
        del self.stack[start:]
        return items

    def _pop(self, count: int) -> list[Any]:
        if count > len(self.stack):
            raise ValueError("the stack is empty")
        items = self.stack[-count:]
        if any(item is _MARK for item in items):
            raise ValueError("a mark where a value should be")
        del self.stack[-count:]
        return items

    def _tuple(self, count: int) -> None:
        self.stack.append(tuple(self._pop(count)))

    def _name(self, module: str, attribute: str) -> None:
        # Python 2 wrote the old names of the built-in modules.
        module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
        name = f"{module}.{attribute}"
        attack = module.partition(".")[0] in _ATTACKS or (module == "builtins" and attribute not in _BUILT_IN)
        if name not in self.allowed and attack:
            raise CheckpointError(f"{self.path}: refuses to load {_printable(name)}: no checkpoint needs it")
        self.stack.append(Global(name))

    def _stack_name(self) -> None:
        module, attribute = self._pop(2)
        if type(module) is not str or type(attribute) is not str:
            raise ValueError("a name that is not a string")
        self._name(module, attribute)

    def _reduce(self) -> None:
        function, arguments = self._pop(2)
        if type(function) not in (Global, Opaque) or type(arguments) is not tuple:
            raise CheckpointError(f"{self.path}: refuses to call a {type(function).__name__}")
        known = type(function) is Global and function.name in self.allowed
        self.stack.append(self.call(function.name, arguments) if known else Opaque(function.name))

    def _new(self, count: int) -> None:
        """Make an instance of the class below `count` arguments: an Opaque, or a dict for a class that is one."""
        made = self._pop(1 + count)[0]
        if type(made) not in (Global, Opaque):
            raise ValueError("an instance of something that is not a class")
        self.stack.append({} if made.name in Machine.allowed else Opaque(made.name))

    def _freeze(self) -> None:
        self._above_mark()
        self.stack.append(Opaque("frozenset"))

    def _add(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not Opaque:
            raise ValueError("items for something that is not a set")

    def _build(self) -> None:
        (state,) = self._pop(1)
        self.build(self.stack[-1], state)

    def _persistent(self) -> None:
        self.stack.append(self.persistent(self._pop(1)[0]))

    def _set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is Opaque:
            return
        if type(target) is not dict:
            raise ValueError("items for something that is not a dict")
        target.update(self.mapping(items[::2], items[1::2]))

    def _append(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is Opaque:
            return
        if type(self.stack[-1]) is not list:
            raise ValueError("items for something that is not a list")
        self.stack[-1].extend(items)

    def _memoize(self, index: int) -> None:
        if self.stack[-1] is _MARK:
            raise ValueError("a mark where a value should be")
        self.memo[index] = self.stack[-1]

    def _require_protocol(self) -> None:
        protocol = self._number("<B")
        if not 2 <= protocol <= 5:
            raise CheckpointError(f"{self.path}: pickle protocol {protocol} is not supported")


def _printable(text: str) -> str:
    return repr(text)[1:-1][:100]


def _text(data: memoryview) -> str:
    return str(data, "utf-8", "surrogatepass")


def _latin(data: memoryview) -> str:
    return str(data, "latin-1")


def _integer(data: memoryview) -> int:
    if len(data) > 16:
        raise ValueError("a number of more than 128 bits")
    return int.from_bytes(data, "little", signed=True)


# opcode -> what it pushes
_CONSTANTS: dict[int, Callable[[], Any]] = {
    ord("N"): lambda: None,
    0x88: lambda: True,
    0x89: lambda: False,
    ord(")"): tuple,
    ord("]"): list,
    ord("}"): dict,
    ord("("): lambda: _MARK,
    0x8F: lambda: Opaque("set"),
}
# opcode -> struct code of the number it pushes
_NUMBERS: dict[int, str] = {ord("J"): "<i", ord("K"): "<B", ord("M"): "<H", ord("G"): ">d"}
# opcode -> struct code of the length, and what the bytes become
_SIZED: dict[int, tuple[str, Callable[[memoryview], Any]]] = {
    ord("X"): ("<I", _text),
    0x8C: ("<B", _text),
    0x8D: ("<Q", _text),
    ord("B"): ("<I", memoryview),
    ord("C"): ("<B", memoryview),
    0x8E: ("<Q", memoryview),
    0x96: ("<Q", memoryview),
    ord("U"): ("<B", _latin),  # Python 2's strings
    ord("T"): ("<i", _latin),
    0x8A: ("<B", _integer),
    0x8B: ("<i", _integer),
}
# opcode -> what the machine does
_ACTIONS: dict[int, Callable[[Machine], Any]] = {
    0x80: Machine._require_protocol,
    0x95: lambda machine: machine._take(8),  # FRAME: a hint for readers of streams
    ord("0"): lambda machine: machine.stack.pop(),
    ord("1"): Machine._above_mark,
    0x85: lambda machine: machine._tuple(1),
    0x86: lambda machine: machine._tuple(2),
    0x87: lambda machine: machine._tuple(3),
    ord("t"): lambda machine: machine.stack.append(tuple(machine._above_mark())),
    ord("a"): lambda machine: machine._append(machine._pop(1)),
    ord("e"): lambda machine: machine._append(machine._above_mark()),
    ord("s"): lambda machine: machine._set_items(machine._pop(2)),
    ord("u"): lambda machine: machine._set_items(machine._above_mark()),
    ord("c"): lambda machine: machine._name(machine._line(), machine._line()),
    0x93: Machine._stack_name,
    ord("R"): Machine._reduce,
    0x81: lambda machine: machine._new(1),
    0x92: lambda machine: machine._new(2),
    0x90: lambda machine: machine._add(machine._above_mark()),
    0x91: Machine._freeze,
    ord("b"): Machine._build,
    ord("Q"): Machine._persistent,
    0x94: lambda machine: machine._memoize(len(machine.memo)),
    ord("q"): lambda machine: machine._memoize(machine._number("<B")),
    ord("r"): lambda machine: machine._memoize(machine._number("<I")),
    ord("h"): lambda machine: machine.stack.append(machine.memo[machine._number("<B")]),
    ord("j"): lambda machine: machine.stack.append(machine.memo[machine._number("<I")]),
}
