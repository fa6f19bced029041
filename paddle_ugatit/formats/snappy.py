"""Decompression of snappy's raw blocks: literals, and copies of what was decompressed before."""

_MOST = 64 << 20  # bytes of one block


def decompressed(data: memoryview) -> memoryview:
    """Return what a raw block of snappy holds. Raises ValueError if it is malformed or larger than 64 MiB."""
    size, at = _length(data)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        kind, at = tag & 3, at + 1
        if kind == 0:
            count, at = _literal(data, at, tag >> 2)
            if count > len(data) - at:
                raise ValueError("a compressed block ends too early")
            out += data[at : at + count]
            at += count
        else:
            extra = (0, 1, 2, 4)[kind]
            if extra > len(data) - at:
                raise ValueError("a compressed block ends too early")
            offset = int.from_bytes(data[at : at + extra], "little")
            at += extra
            if kind == 1:
                count, offset = (tag >> 2 & 7) + 4, offset | (tag >> 5) << 8
            else:
                count = (tag >> 2) + 1
            _copy(out, offset, count)
        if len(out) > size:
            raise ValueError("a compressed block is longer than it says")
    if len(out) != size:
        raise ValueError("a compressed block is shorter than it says")
    return memoryview(bytes(out))


def _length(data: memoryview) -> tuple[int, int]:
    size = 0
    for at, byte in enumerate(data[:5]):
        size |= (byte & 127) << 7 * at
        if byte < 128:
            if size > _MOST:
                raise ValueError("a compressed block is too large")
            return size, at + 1
    raise ValueError("a compressed block has no length")


def _literal(data: memoryview, at: int, code: int) -> tuple[int, int]:
    """Return the length of a literal and where its bytes begin."""
    extra = max(0, code - 59)
    if extra > len(data) - at:
        raise ValueError("a compressed block ends too early")
    return (int.from_bytes(data[at : at + extra], "little") if extra else code) + 1, at + extra


def _copy(out: bytearray, offset: int, count: int) -> None:
    """Append `count` bytes that begin `offset` before the end; they may reach into what is being appended."""
    if not 0 < offset <= len(out):
        raise ValueError("a compressed block refers to bytes before its start")
    piece = bytes(out[-offset:][:count])
    out += (piece * (count // len(piece) + 1))[:count]
