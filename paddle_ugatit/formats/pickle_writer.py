"""The few pickle phrases that a state dict needs, as bytes. They are concatenated: no framework is involved."""

import struct
from collections.abc import Iterable

STOP = b"."
PROTOCOL_2, PROTOCOL_4 = b"\x80\x02", b"\x80\x04"
FALSE = b"\x89"


def text(value: str) -> bytes:
    """Return the pickle of a string."""
    encoded = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def integer(value: int) -> bytes:
    """Return the pickle of an integer of up to 64 bits."""
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def short_bytes(value: bytes) -> bytes:
    """Return the pickle of up to 255 bytes."""
    return b"C" + struct.pack("<B", len(value)) + value


def bytes_header(length: int) -> bytes:
    """Return what precedes `length` bytes of data."""
    return b"B" + struct.pack("<I", length) if length < 2**32 else b"\x8e" + struct.pack("<Q", length)


def many(*items: bytes) -> bytes:
    """Return the pickle of a tuple of pickled items."""
    return b"(" + b"".join(items) + b"t"


def integers(values: Iterable[int]) -> bytes:
    """Return the pickle of a tuple of integers."""
    return many(*map(integer, values))


def name(module: str, attribute: str) -> bytes:
    """Return the pickle of a name that the reader imports."""
    return f"c{module}\n{attribute}\n".encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    """Return the pickle of `function(*arguments)`."""
    return function + many(*arguments) + b"R"


ORDERED_DICT = call(name("collections", "OrderedDict"))
