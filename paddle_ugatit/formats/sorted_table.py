"""Sorted tables of keys and values, as LevelDB and the index of TensorFlow's checkpoints have them.

A table is blocks, an index block of where they are, and a footer of 48 bytes. All that is read is bounded by the size
of the file, and every block's checksum is verified.
"""

from collections.abc import Iterator

from paddle_ugatit.formats.checkpoint import CheckpointError, FilePath
from paddle_ugatit.formats.crc32c import crc32c, masked
from paddle_ugatit.formats.snappy import decompressed

MAGIC = bytes.fromhex("57fb808b247547db")  # the last bytes of a table
FOOTER = 48
_LONGEST_KEY = 4096
_GROWTH = 64  # bytes of keys for each byte of a block: keys are stored without what they share with the one before
_PLAIN, _SNAPPY = 0, 1


class Reader:
    """Reads numbers from a buffer. Raises ValueError at its end."""

    def __init__(self, data: memoryview, at: int = 0):
        self.data, self.at = data, at

    def __bool__(self) -> bool:
        return self.at < len(self.data)

    def varint(self) -> int:
        """Return a number whose bytes have 7 bits each, the lowest first, and a mark on all but the last."""
        value = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a number of more than 64 bits")

    def take(self, count: int) -> memoryview:
        """Return the next `count` bytes."""
        if count > len(self.data) - self.at:
            raise ValueError("it ends too early")
        self.at += count
        return self.data[self.at - count : self.at]


def entries(path: FilePath, data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the (key, value) of a table, whose bytes are `data`. Raises CheckpointError if it is damaged."""
    try:
        yield from _entries(path, data)
    except ValueError as error:
        raise CheckpointError(f"{path}: is damaged: {error}") from error


def _entries(path: FilePath, data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    if len(data) < FOOTER or data[-len(MAGIC) :] != MAGIC:
        raise CheckpointError(
            f"{path}: is not an index of TensorFlow, or is truncated: its last bytes are not a table's"
        )
    footer = Reader(data[-FOOTER:])
    footer.varint(), footer.varint()  # where the metaindex is, which is empty
    done = 0
    for _, value in _in_block(_block(path, data, footer.varint(), footer.varint())):
        where = Reader(value)
        start, size = where.varint(), where.varint()
        if start < done:  # else a small file could name one block again and again
            raise ValueError("its blocks overlap")
        done = start + size
        yield from _in_block(_block(path, data, start, size))


def _block(path: FilePath, data: memoryview, start: int, size: int) -> memoryview:
    whole = Reader(data, min(start, len(data)))
    content, kind, crc = whole.take(size), whole.take(1)[0], int.from_bytes(whole.take(4), "little")
    if masked(crc32c(data[start : start + size + 1])) != crc:
        raise ValueError(f"the checksum (CRC-32C) of its block at byte {start} is not the one written there")
    if kind == _SNAPPY:
        return decompressed(content)
    if kind != _PLAIN:
        raise CheckpointError(f"{path}: has a block compressed in a way that is not known ({kind})")
    return content


def _in_block(block: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    restarts = int.from_bytes(block[-4:], "little") if len(block) >= 4 else -1
    end = len(block) - 4 * (restarts + 1)
    if restarts < 0 or end < 0:
        raise ValueError("a block has no list of restarts")
    reader, key, left = Reader(block[:end]), b"", _GROWTH * len(block) + _LONGEST_KEY
    while reader:
        shared, unshared, size = reader.varint(), reader.varint(), reader.varint()
        left -= shared + unshared
        if shared > len(key) or shared + unshared > _LONGEST_KEY or left < 0:
            raise ValueError("a key is malformed or too long")
        key = key[:shared] + bytes(reader.take(unshared))
        yield key, reader.take(size)
