"""ONNX's file format, a protocol buffer, written and read without the package onnx.

Contents: write_onnx, encoded, read_onnx, decoded, nbytes_of. A message is a sequence of fields: a number and a kind as
one varint, then a varint, four bytes, or a length and so many bytes; the numbers below are those of onnx.proto. The
same graph gives the same bytes: arrays are sorted by name, and nothing names a time or a machine.
"""

import mmap
import os
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from paddle_ugatit.deploy.graph import DTYPES, NUMBERS, Attribute, Graph, Node, Value
from paddle_ugatit.formats.atomic import replacing
from paddle_ugatit.formats.checkpoint import CheckpointError, FilePath

OPSET, IR = 17, 8
PRODUCER = "paddle-ugatit"
LARGEST = 2**31 - 1  # bytes that a protocol buffer may have
_INT, _STRING, _FLOAT, _INTS = 2, 3, 1, 7  # kinds of attributes
_OVERHEAD = 2**20  # bytes for all but the arrays, far more than any graph here takes

Chunk = bytes | memoryview
Message = list[Chunk]


def nbytes_of(graph: Graph) -> int:
    """Return an upper bound of the size of a graph's file, without writing it."""
    return graph.nbytes() + _OVERHEAD


def require_fitting(path: FilePath, nbytes: int) -> None:
    """Raise CheckpointError if a file of so many bytes is more than the format takes."""
    if nbytes > LARGEST:
        raise CheckpointError(
            f"{path}: would have {nbytes / 2**30:.1f} GiB, and an ONNX file has at most 2: store the weights as "
            "float16 or int8, or take a light model"
        )


def write_onnx(path: FilePath, graph: Graph) -> None:
    """Write a graph to a file, which is replaced as a whole or not at all.

    Raises CheckpointError if the graph is larger than 2 GiB, and WriteError if the file cannot be written.
    """
    require_fitting(path, nbytes_of(graph))
    with replacing(path) as file:
        for chunk in encoded(graph):
            file.write(chunk)


def encoded(graph: Graph) -> Message:
    """Return a graph as the parts of a file, which belong one after another; arrays are not copied."""
    content: Message = []
    for node in graph.nodes:
        content += _field(1, _node(node))
    content += _text(2, PRODUCER)
    for name, array in sorted(graph.arrays.items()):
        content += _field(5, _tensor(name, array))
    for number, values in ((11, graph.inputs), (12, graph.outputs)):
        for value in values:
            content += _field(number, _value(value))
    model = [*_number(1, IR), *_text(2, PRODUCER), *_field(7, content), *_field(8, [*_text(1, ""), *_number(2, OPSET)])]
    for key, text in sorted(graph.metadata.items()):
        model += _field(14, [*_text(1, key), *_text(2, text)])
    return model


def _node(node: Node) -> Message:
    message: Message = []
    for name in node.inputs:
        message += _text(1, name)
    for name in node.outputs:
        message += _text(2, name)
    message += [*_text(3, node.outputs[0]), *_text(4, node.op)]
    for name, value in sorted(node.attributes.items()):
        message += _field(5, _attribute(name, value))
    return message


def _attribute(name: str, value: Attribute) -> Message:
    message = _text(1, name)
    if isinstance(value, float):
        return [*message, _varint(2 << 3 | 5), struct.pack("<f", value), *_number(20, _FLOAT)]
    if isinstance(value, int):
        return [*message, *_number(3, value), *_number(20, _INT)]
    if isinstance(value, str):
        return [*message, *_text(4, value), *_number(20, _STRING)]
    for each in value:
        message += _number(8, each)
    return [*message, *_number(20, _INTS)]


def _tensor(name: str, array: np.ndarray) -> Message:
    message: Message = []
    for size in array.shape:
        message += _number(1, size)
    message += [*_number(2, NUMBERS[array.dtype]), *_text(8, name)]
    little: Any = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
    return [*message, *_field(9, [memoryview(little.reshape(-1).view(np.uint8))] if array.size else [])]


def _value(value: Value) -> Message:
    shape: Message = []
    for size in value.shape:
        shape += _field(1, _text(2, size) if isinstance(size, str) else _number(1, size))
    tensor = [*_number(1, NUMBERS[np.dtype(value.dtype)]), *_field(2, shape)]
    return [*_text(1, value.name), *_field(2, _field(1, tensor))]


def _varint(value: int) -> bytes:
    value, out = value & (2**64 - 1), bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> Message:
    return [_varint(field << 3) + _varint(value)]


def _text(field: int, text: str) -> Message:
    return _field(field, [text.encode()])


def _field(field: int, content: Message) -> Message:
    return [_varint(field << 3 | 2) + _varint(sum(map(len, content))), *content]


def read_onnx(path: FilePath) -> Graph:
    """Read a graph that `write_onnx` wrote; its arrays are views of the file.

    Raises CheckpointError if the file is none of ONNX, or has what these graphs do not have.
    """
    try:
        with open(path, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise CheckpointError(f"{path}: is empty")
            view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return decoded(view)
    except (IndexError, KeyError, ValueError, struct.error) as error:
        raise CheckpointError(f"{path}: is no ONNX file of this program: {error}") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error


def decoded(view: memoryview) -> Graph:
    """Return the graph in the bytes of a file. Raises ValueError, KeyError or IndexError if there is none."""
    graph, content, versions = Graph(), None, []
    for field, value in _fields(view):
        if field == 7:
            content = value
        elif field == 8:
            versions.append(dict(_fields(value)).get(2))
        elif field == 14:
            entry = dict(_fields(value))
            graph.metadata[_str(entry[1])] = _str(entry[2])
    if content is None or versions != [OPSET]:
        raise ValueError(f"opset {versions}, not {OPSET}" if content is not None else "no graph")
    for field, value in _fields(content):
        if field == 1:
            graph.nodes.append(_read_node(value))
        elif field == 5:
            name, array = _read_tensor(value)
            graph.arrays[name] = array
        elif field in (11, 12):
            (graph.inputs if field == 11 else graph.outputs).append(_read_value(value))
    return graph


def _fields(view: memoryview) -> Iterator[tuple[int, Any]]:
    """Yield the number and the value of each field: an int, four or eight bytes, or a part of the view."""
    at = 0
    while at < len(view):
        tag, at = _read_varint(view, at)
        if tag & 7 == 0:
            value, at = _read_varint(view, at)
            yield tag >> 3, value
            continue
        if tag & 7 == 2:
            size, at = _read_varint(view, at)
        else:
            size = {1: 8, 5: 4}[tag & 7]
        if at + size > len(view):
            raise ValueError("it ends too early")
        yield tag >> 3, view[at : at + size]
        at += size


def _read_varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = view[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value - 2**64 if value >= 2**63 else value, at


def _str(view: memoryview) -> str:
    return bytes(view).decode()


def _read_node(view: memoryview) -> Node:
    names: dict[int, list[str]] = {1: [], 2: []}
    op, attributes = "", {}
    for field, value in _fields(view):
        if field in names:
            names[field].append(_str(value))
        elif field == 4:
            op = _str(value)
        elif field == 5:
            name, attribute = _read_attribute(value)
            attributes[name] = attribute
    return Node(op, tuple(names[1]), tuple(names[2]), attributes)


def _read_attribute(view: memoryview) -> tuple[str, Attribute]:
    found: dict[int, Any] = {}
    ints = []
    for field, value in _fields(view):
        found[field] = value
        if field == 8:
            ints.append(value)
    kinds = {_INT: lambda: found[3], _STRING: lambda: _str(found[4]), _INTS: lambda: tuple(ints)}
    kinds[_FLOAT] = lambda: struct.unpack("<f", found[2])[0]
    return _str(found[1]), kinds[found[20]]()


def _read_tensor(view: memoryview) -> tuple[str, np.ndarray]:
    found: dict[int, Any] = {}
    shape: list[int] = []
    for field, value in _fields(view):
        found[field] = value
        if field == 1:
            shape.append(value)
    dtype = DTYPES[found[2]]
    return _str(found[8]), np.frombuffer(found[9], dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(shape)


def _read_value(view: memoryview) -> Value:
    parts = dict(_fields(view))
    tensor = dict(_fields(dict(_fields(parts[2]))[1]))
    shape: list[int | str] = []
    for field, value in _fields(tensor[2]):
        size = dict(_fields(value))
        shape.append(size[1] if field == 1 and 1 in size else _str(size[2]))
    return Value(_str(parts[1]), DTYPES[tensor[1]].name, tuple(shape))
