"""TensorFlow's checkpoints: read bit for bit from any of their paths, damaged and hostile ones refused in one line."""

import os
import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from paddle_ugatit import formats
from paddle_ugatit.formats import crc32c, snappy, sorted_table, tensorflow_bundle
from tests import tensorflow_files as tf

PREFIX = "UGATIT.model-1000"
PUBLIC = Path(os.environ.get("UGATIT_PUBLIC_FILES", "/nonexistent"))  # files that the public programs wrote


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    values = {f"generator_B/conv_{i}/kernel": rng.standard_normal((3, i + 1)).astype("float32") for i in range(9)}
    values |= {f"kinds/{kind}": np.arange(6).reshape(2, 3).astype(kind) for kind in tf.TYPES}
    return values | {"scalar": np.float32(3).reshape(()), "empty": np.zeros((0, 4), "float32")}


def refusal(path):
    with pytest.raises(formats.CheckpointError) as caught:
        read = formats.read(path)
        read.require_intact(read.networks[""])
    message = str(caught.value)
    assert "\n" not in message and len(message) < 600
    return message


@pytest.mark.parametrize("library", [True, False], ids=["library", "numpy"])
def test_checksum(monkeypatch, library):
    if not library:
        monkeypatch.setattr(crc32c, "_library", lambda: None)
    monkeypatch.setattr(crc32c, "_CHUNK", 70_001)
    assert crc32c.crc32c(memoryview(b"123456789")) == 0xE3069283
    for n in (0, 1, 63, 64, 65, 1000, 5001, 70_001, 150_003):
        data = random.Random(n).randbytes(n)
        counts: list[int] = []
        assert crc32c.crc32c(memoryview(data), counts.append) == tf.crc32c(data)
        assert sum(counts) == n


@pytest.mark.parametrize("options", [{}, {"shards": 2}, {"compressed": True}, {"per_block": 4}], ids=str)
def test_every_array_bit_for_bit(tmp_path, arrays, options):
    read = formats.read(tf.write(tmp_path / "x", arrays, **options))
    assert read.framework == "tensorflow" and not read.account.dropped
    assert read.networks[""].keys() == arrays.keys()
    for name, array in read.networks[""].items():
        assert array.dtype == arrays[name].dtype and array.shape == arrays[name].shape
        assert array.tobytes() == arrays[name].tobytes()
        assert not array.flags.writeable
    read.require_intact(arrays)


def test_all_paths_lead_to_it(tmp_path, arrays):
    folder = tf.write(tmp_path / "x", arrays)
    (folder / f"{PREFIX}.meta").write_bytes(b"graph")
    tf.write(folder, {"newer": np.ones(2, "float32")}, "UGATIT.model-2000", state=False)
    names = [PREFIX, *(f"{PREFIX}.{part}" for part in ("index", "meta", "data-00000-of-00001")), "checkpoint", ""]
    for name in names:  # the folder's `checkpoint` names the older one
        assert formats.read(folder / name).networks[""].keys() == arrays.keys()
        assert formats.file_of(os.fspath(folder / name)) == folder / f"{PREFIX}.index"
    (folder / "checkpoint").unlink()
    assert formats.read(folder).networks[""].keys() == {"newer"}  # without it, the highest number
    (folder / f"{PREFIX}.index").unlink()
    assert "UGATIT.model-1000.index is not beside it" in refusal(folder / f"{PREFIX}.data-00000-of-00001")
    assert "not a regular file" in refusal(tmp_path)


def test_what_cannot_be_read_is_left_aside(tmp_path, arrays):
    array = np.zeros((2, 2), "float32")
    extra = [
        (b"text", tf.entry(array, 0, 0, dtype=7, data=b"")),
        (b"parted", tf.number(1, 1) + tf.message(7, b"")),
        (b"\0parted\0\x80\x83", tf.entry(array, 0, 0, data=b"")),
        (b"complex", tf.entry(array, 0, 0, dtype=8, data=b"")),
    ]
    read = formats.read(tf.write(tmp_path, arrays, extra=extra))
    assert read.networks[""].keys() == arrays.keys()
    assert sorted(read.account.dropped.values()) == [
        "a partitioned variable, which is not read",
        "a slice of a partitioned variable, which is not read",
        "a text, not an array",
        "of a type of values that is not read (8)",
    ]


def test_a_data_file_that_is_too_short_is_explained(tmp_path, arrays):
    data = tf.write(tmp_path, arrays) / f"{PREFIX}.data-00000-of-00001"
    whole = data.read_bytes()
    data.write_bytes(whole[:-1])
    message = refusal(tmp_path)
    assert f"has {len(whole) - 1} bytes, but the index needs {len(whole)}" in message and "7z" in message
    data.write_bytes(b"")
    assert "has 0 bytes" in refusal(tmp_path)
    data.unlink()
    assert "is not there" in refusal(tmp_path)


def test_version_1_is_refused_by_name(tmp_path):
    file = tmp_path / "model.ckpt"
    file.write_bytes(tf.table([[(b"", tf.message(1, b"\x0a\x01x"))]]))
    assert "TensorFlow checkpoint of version 1" in refusal(file)
    file.rename(tmp_path / "model.index")
    assert "TensorFlow checkpoint of version 1" in refusal(tmp_path / "model.index")


def test_damage_is_found(tmp_path, arrays):
    folder = tf.write(tmp_path, arrays)
    data = folder / f"{PREFIX}.data-00000-of-00001"
    whole = bytearray(data.read_bytes())
    whole[len(whole) // 2] ^= 1
    data.write_bytes(whole)
    assert "CRC-32C" in refusal(folder)


def test_hostile_indexes(tmp_path):
    array = np.zeros(4, "float32")
    good = tf.entry(array, 0, 0)

    def refused(*pairs, header=b"\x08\x01"):
        (tmp_path / "x.index").write_bytes(tf.table([[(b"", header), *pairs]]))
        (tmp_path / "x.data-00000-of-00001").write_bytes(bytes(16))
        return refusal(tmp_path / "x")

    assert "big-endian" in refused((b"a", good), header=b"\x08\x01\x10\x01")
    assert "data files" in refused((b"a", good), header=b"\x08" + tf.varint(2**40))
    assert "in data file 7 of 1" in refused((b"a", tf.entry(array, 7, 0)))
    assert "fit its shape" in refused((b"a", tf.entry(np.zeros(5, "float32"), 0, 0, data=bytes(16))))
    assert "index needs" in refused((b"a", tf.entry(array, 0, 2**60)))
    assert "twice" in refused((b"a", good), (b"a", good))
    assert "no tensors" in refused()
    assert "too long" in refused((b"k" * 5000, good))
    huge = tf.message(2, tf.number(1, 2**63)) * 2
    assert "fit its shape" in refused((b"a", tf.number(1, 1) + tf.message(2, huge) + tf.number(5, 16)))


def test_no_index_takes_much_memory(tmp_path):
    """Keys that share all of one long key, blocks named again and again, and snappy's copies are bounded."""
    key = tf.varint(0) + tf.varint(4000) + tf.varint(0) + b"k" * 4000
    content = key + (tf.varint(4000) + tf.varint(0) + tf.varint(0)) * 200_000 + bytes(8)
    block = content + b"\0" + tf.masked(content + b"\0")
    places = tf.block([(bytes([i]), tf.varint(0) + tf.varint(len(content))) for i in range(100)])
    index = places + b"\0" + tf.masked(places + b"\0")
    footer = tf.varint(0) * 2 + tf.varint(len(block)) + tf.varint(len(places))
    data = block + index + footer.ljust(40, b"\0") + tf.MAGIC
    tracemalloc.start()
    with pytest.raises(formats.CheckpointError, match="too long"):
        list(sorted_table.entries("x", memoryview(data)))
    for bad in (
        tf.varint(2**34) + b"\0a",
        tf.varint(100) + b"\0a" + bytes([0xFD, 1]) * 1000,
        b"",
        tf.varint(9) + b"\1\1",
    ):
        with pytest.raises(ValueError, match="compressed block"):
            snappy.decompressed(memoryview(bad))
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()


def test_fuzz(tmp_path, arrays):
    """Whatever is changed in an index, reading ends in a checkpoint or in one line."""
    rng = random.Random(1)
    for compressed in (False, True):
        index = tf.write(tmp_path, arrays, compressed=compressed) / f"{PREFIX}.index"
        whole = index.read_bytes()
        outcomes = set()
        for _ in range(300):
            data = bytearray(whole)
            for _ in range(rng.choice((1, 1, 3, 30))):
                data[rng.randrange(len(data))] = rng.randrange(256)
            index.write_bytes(data[: rng.choice((len(data), rng.randrange(len(data))))])
            try:
                read = formats.read(index)
                read.require_intact(read.networks[""])
                outcomes.add("read")
            except formats.CheckpointError as error:
                assert "\n" not in str(error)
                outcomes.add("refused")
        assert "refused" in outcomes


def test_fuzz_behind_the_checksum(tmp_path, arrays, monkeypatch):
    """The same with every checksum accepted, so that the rest of the reader is reached."""
    monkeypatch.setattr(sorted_table, "masked", lambda crc: MASK[0])
    MASK = [0]

    class Any(int):
        def __ne__(self, other):
            return False

        __hash__ = int.__hash__

    MASK[0] = Any()
    rng = random.Random(2)
    index = tf.write(tmp_path, arrays) / f"{PREFIX}.index"
    whole = index.read_bytes()
    read = 0
    for _ in range(600):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 2, 5))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        index.write_bytes(data)
        try:
            formats.read(index)
            read += 1
        except formats.CheckpointError as error:
            assert "\n" not in str(error)
    assert 0 < read < 600


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="needs UGATIT_PUBLIC_FILES")
@pytest.mark.parametrize("name", ["two_shards", "kinds"])
def test_files_of_tensorflow(name):
    read = tensorflow_bundle.read(PUBLIC / "tf_bundle_oddities" / f"{name}.index")
    values = np.load(PUBLIC / "tf_bundle_oddities" / f"{name}.values.npz")
    read.require_intact(read.networks[""])
    for key, array in read.networks[""].items():
        assert np.array_equal(values[key.replace("/", "|")], array)
