"""Writes checkpoints in TensorFlow's version 2 format for tests: an index of one block or several, and data files."""

import struct

import numpy as np

TYPES = {
    "float32": 1,
    "float64": 2,
    "int32": 3,
    "uint8": 4,
    "int16": 5,
    "int8": 6,
    "int64": 9,
    "bool": 10,
    "float16": 19,
}
MAGIC = bytes.fromhex("57fb808b247547db")


def _table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _table()


def crc32c(data):
    """The checksum, byte by byte."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def masked(data):
    """The masked checksum as files hold it, 4 bytes."""
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value) if value else b""


def message(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def entry(array, shard, offset, dtype=None, data=None):
    """What the index says of an array."""
    shape = b"".join(message(2, number(1, size)) for size in array.shape)
    data = array.tobytes() if data is None else data
    head = number(1, TYPES[array.dtype.name] if dtype is None else dtype) + message(2, shape)
    return head + number(3, shard) + number(4, offset) + number(5, len(data)) + b"\x35" + masked(data)


def block(pairs):
    """The content of a block: keys without what they share with the one before."""
    out, before = b"", b""
    for key, value in pairs:
        shared = 0
        while shared < min(len(before), len(key)) and before[shared] == key[shared]:
            shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return out + struct.pack("<II", 0, 1)


def snappy(data):
    """A raw snappy block of literals, with a copy for every repetition of the 8 bytes before."""
    out, at = varint(len(data)), 0
    while at < len(data):
        if at >= 8 and data[at : at + 8] == data[at - 8 : at] and len(data) - at >= 8:
            out += bytes([(8 - 4) << 2 | 1, 8])
            at += 8
        else:
            piece = data[at : at + 8]
            out += bytes([(len(piece) - 1) << 2]) + piece
            at += len(piece)
    return out


def table(blocks, compressed=False):
    """The bytes of an index: blocks of (key, value)."""
    out, places = b"", []

    def put(content, kind):
        nonlocal out
        start = len(out)
        out += content + bytes([kind]) + masked(content + bytes([kind]))
        return varint(start) + varint(len(content))

    for pairs in blocks:
        content = block(pairs)
        where = put(snappy(content), 1) if compressed else put(content, 0)
        places.append((pairs[-1][0] + b"\0", where))
    meta = put(block([]), 0)
    footer = meta + put(block(places), 0)
    return out + footer.ljust(40, b"\0") + MAGIC


def write(folder, arrays, prefix="UGATIT.model-1000", shards=1, compressed=False, per_block=300, state=True, extra=()):
    """Write a checkpoint of name -> array; `extra` are further (key, value) of the index. Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    data = [b""] * shards
    pairs = []
    for i, name in enumerate(sorted(arrays, key=str.encode)):
        array = np.ascontiguousarray(arrays[name]).reshape(np.shape(arrays[name]))
        shard = i % shards
        pairs.append((name.encode(), entry(array, shard, len(data[shard]))))
        data[shard] += array.tobytes()
    header = number(1, shards) + message(3, number(1, 1))
    pairs = [(b"", header), *sorted([*pairs, *extra])]
    blocks = [pairs[start : start + per_block] for start in range(0, len(pairs), per_block)]
    (folder / f"{prefix}.index").write_bytes(table(blocks, compressed))
    for i, content in enumerate(data):
        (folder / f"{prefix}.data-{i:05d}-of-{shards:05d}").write_bytes(content)
    if state:
        (folder / "checkpoint").write_text(f'model_checkpoint_path: "/home/author/{prefix}"\n')
    return folder
