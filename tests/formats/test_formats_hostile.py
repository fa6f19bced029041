"""Checkpoint files that attack or are damaged: nothing in them runs, and each is refused in one line."""

import os
import pickle
import random
import struct
import subprocess
import tracemalloc
import zipfile

import numpy as np
import pytest

from paddle_ugatit import formats
from paddle_ugatit.formats import pickle_writer as p


def refusal(path):
    """The one line with which reading fails."""
    with pytest.raises(formats.CheckpointError) as caught:
        formats.read(path)
    message = str(caught.value)
    assert "\n" not in message and os.fspath(path) in message and len(message) < 600
    return message


class Evil:
    """Runs a call when Python's own pickle loads it."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def attacks(marker):
    command = f"touch {marker}"
    return {
        "posix.system": Evil(os.system, command),
        "builtins.eval": Evil(eval, f"__import__('os').system({command!r})"),
        "builtins.getattr": Evil(getattr, "x", "upper"),
        "subprocess.Popen": Evil(subprocess.Popen, ["touch", str(marker)]),
        "numpy.frombuffer": Evil(np.frombuffer, b"1234"),
        "_codecs.lookup": Evil(__import__("_codecs").lookup, "zip"),
    }


def archive(path, pickled, records=None, compression=zipfile.ZIP_STORED):
    """A PyTorch checkpoint made by hand."""
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in {"data.pkl": pickled, "version": b"3\n", **(records or {})}.items():
            file.writestr(f"archive/{name}", data)
    return path


def legacy(path, pickled):
    head = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    path.write_bytes(b"".join(pickle.dumps(item, 2) for item in head) + pickled + pickle.dumps([], 2))
    return path


def plain(path, pickled):
    path.write_bytes(pickled)
    return path


CARRIERS = {"zip": ("x.pt", archive), "legacy": ("x.pt", legacy), "paddle": ("x.pdparams", plain)}


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("protocol", [2, 4])
def test_hostile_pickles_are_named_and_run_nothing(tmp_path, carrier, protocol):
    name, carry = CARRIERS[carrier]
    marker = tmp_path / "ran"
    pickle.loads(pickle.dumps(attacks(marker)["posix.system"]))
    assert marker.exists()  # the attack works where a file is trusted
    marker.unlink()
    for asked, evil in attacks(marker).items():
        path = carry(tmp_path / name, pickle.dumps({"weight": evil}, protocol))
        # Protocol 2 writes some arguments by calls of their own, which may be what is met first.
        assert "refuses to load" in refusal(path)
        assert asked in refusal(path) or protocol == 2
    assert not marker.exists()


NESTED = b"(" + b")" + b"\x85" * 200_000  # a tuple in a tuple in a tuple: hashing it overflows the C stack
OPCODES = {
    "extension registry": b"\x80\x02\x82\x01.",
    "class instance": b"\x80\x02(cos\nsystem\no.",
    "named instance": b"\x80\x02(S'x'\nios\nsystem\n.",
    "new object": b"\x80\x02ccollections\nOrderedDict\n)\x81.",
    "attributes of a name": b"\x80\x02ccollections\nOrderedDict\n}X\1\0\0\0xK\1sb.",
    "call of a string": b"\x80\x02X\1\0\0\0x)R.",
    "a key nested deep": b"\x80\x02}" + NESTED[1:] + b"Ns.",
    "OrderedDict with a key nested deep": b"\x80\x02ccollections\nOrderedDict\n]" + NESTED[1:] + b"N\x86a\x85R.",
    "a value nested deep": b"\x80\x02}X\1\0\0\0x" + NESTED[1:] + b"s.",
    "a huge number": b"\x80\x02\x8b" + struct.pack("<i", 1 << 20) + b"\xff" * (1 << 20) + b".",
    "negative length": b"\x80\x02\x8b\xff\xff\xff\xff.",
    "unknown memo": b"\x80\x02h\7.",
    "empty stack": b"\x80\x02s.",
    "mark as value": b"\x80\x02(.",
    "marks as items": b"\x80\x02}((s.",
    "old protocol": b"\x80\x01}.",
    "no end": b"\x80\x02}",
    "itself": b"\x80\x02}q\0X\1\0\0\0xh\0s.",
    "objects": b"\x80\x02}X\1\0\0\0xcnumpy\ndtype\nX\2\0\0\0O8\x85Rs.",
}


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("attack", OPCODES)
def test_hostile_opcodes(tmp_path, carrier, attack):
    name, carry = CARRIERS[carrier]
    refusal(carry(tmp_path / name, OPCODES[attack]))


def tensor_pickle(numel=4, offset=0, shape=(4,), strides=(1,), storage=None, key="0"):
    storage_class = storage or p.name("torch", "FloatStorage")
    reference = p.many(p.text("storage"), storage_class, p.text(key), p.text("cpu"), p.integer(numel)) + b"Q"
    view = reference, p.integer(offset), p.integers(shape), p.integers(strides), p.FALSE, p.ORDERED_DICT
    tensor = p.call(p.name("torch._utils", "_rebuild_tensor_v2"), *view)
    return p.PROTOCOL_2 + b"}" + p.text("w") + tensor + b"s" + p.STOP


DATA = {"data/0": np.arange(4, dtype="f4").tobytes()}


@pytest.mark.parametrize(
    ("pickled", "records", "reason"),
    [
        (tensor_pickle(shape=(5,)), DATA, "exceeds its storage"),
        (tensor_pickle(offset=1), DATA, "exceeds its storage"),
        (tensor_pickle(shape=(2, 2), strides=(3, 1)), DATA, "exceeds its storage"),
        (tensor_pickle(shape=(2**40,), strides=(0,)), DATA, "exceeds its storage"),
        (tensor_pickle(shape=(2**40, 2**40), strides=(0, 0)), DATA, "exceeds its storage"),
        (tensor_pickle(offset=-1), DATA, "negative"),
        (tensor_pickle(strides=(-1,)), DATA, "negative"),
        (tensor_pickle(shape=(2, 2)), DATA, "stride"),
        (tensor_pickle(shape=(1,) * 40, strides=(1,) * 40), DATA, "40 axes"),
        (tensor_pickle(numel=5), DATA, "should hold 5 x float32"),
        (tensor_pickle(key="7"), DATA, "lacks its record 'data/7'"),
        (tensor_pickle(key="../../etc/passwd"), DATA, "lacks its record"),
        (tensor_pickle(storage=p.name("torch", "QInt8Storage")), DATA, "refuses to load torch.QInt8Storage"),
        (tensor_pickle(), {**DATA, "byteorder": b"big"}, "big-endian"),
        (tensor_pickle(), {**DATA, "constants.pkl": b""}, "TorchScript"),
        (pickle.dumps({"w": 3}, 2), {}, "entry 'w' is of type int"),
        (pickle.dumps({"gen": {"w": [1]}}, 2), {}, "entry 'gen/w' is of type list"),
        (pickle.dumps({"gen": {"w": None}}, 2), {}, "'gen/w' is None"),
        (pickle.dumps({"optimizer": {"state": {0: {}}}}, 2), {}, "'optimizer/state/0' is under a name"),
        (pickle.dumps({3: {"w": 1}}, 2), {}, "'3' is under a name that no tensor or network can have"),
        (pickle.dumps({"a": {"param_groups": [], "state": {}}}, 2), {}, "'a' is the state of an optimiser"),
        (pickle.dumps([1, 2], 2), {}, "holds an object of type list"),
        (pickle.dumps({}, 2), {}, "no tensors"),
    ],
)
def test_hostile_and_foreign_archives(tmp_path, pickled, records, reason):
    assert reason in refusal(archive(tmp_path / "x.pt", pickled, records))


def test_compressed_records_are_read_unless_they_are_bombs(tmp_path):
    values = np.random.default_rng(0).standard_normal(4).astype("f4")
    path = archive(tmp_path / "x.pt", tensor_pickle(), {"data/0": values.tobytes()}, zipfile.ZIP_DEFLATED)
    assert formats.read(path).networks[""]["w"].tobytes() == values.tobytes()
    path = archive(tmp_path / "x.pt", tensor_pickle(), {"data/0": b"\0" * 1_000_000}, zipfile.ZIP_DEFLATED)
    assert "refuses its compressed record 'archive/data/0': it is far too large" in refusal(path)
    path = archive(tmp_path / "x.pt", tensor_pickle(), DATA, zipfile.ZIP_BZIP2)
    assert "refuses its compressed" in refusal(path)


def repeated(first, again, times):
    """A pickle of a list of calls, each with the memoised argument `first`: small, and large once it is run."""
    return b"\x80\x02" + first + b"q\x000](" + again * times + b"e."


LONG_LIST = b"](" + b"K\1" * 10_000 + b"e"
BOMBS = {
    "x.pdparams text": repeated(p.text("x" * 100_000), b"c_codecs\nencode\n(h\0" + p.text("latin1") + b"tR", 2000),
    "x.pdparams tuple": repeated(LONG_LIST, b"c__builtin__\ntuple\nh\0\x85R", 2000),
    "x.pt size": repeated(LONG_LIST, b"ctorch\nSize\nh\0\x85R", 2000),
    "x.pt pairs": repeated(
        b"](" + b"".join(p.text(f"{i:04}") + b"N\x86" for i in range(2000)) + b"e",
        b"ccollections\nOrderedDict\nh\0\x85R",
        500,
    ),
    "x.pt dicts": b"\x80\x02}q\0("
    + b"".join(p.text(f"k{i}") + b"N" for i in range(300))
    + b"u}q\1("
    + b"".join(p.text(f"k{i}") + b"h\0" for i in range(300))
    + b"u}("
    + b"".join(p.text(f"k{i}") + b"h\1" for i in range(300))
    + b"u.",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_memory_is_bounded_by_the_file(tmp_path, bomb):
    """What a call repeats costs a few bytes in the file and may cost megabytes each time."""
    name, pickled = bomb.split()[0], BOMBS[bomb]
    path = CARRIERS["paddle" if name.endswith("pdparams") else "zip"][1](tmp_path / name, pickled)
    tracemalloc.start()
    try:
        assert "refuses it" in refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 100 * path.stat().st_size
    finally:
        tracemalloc.stop()


def test_what_a_training_keeps_beside_its_networks_is_left_aside(tmp_path):
    """Objects are named and never made; nothing is imported for them."""
    state = b"ccollections\nOrderedDict\n)R(" + p.text("weight") + tensor_pickle()[9:-2] + b"u"
    entries = {
        "args": b"cargparse\nNamespace\n)\x81}" + p.text("lr") + b"G" + struct.pack(">d", 0.1) + b"sb",
        "best": b"cnumpy.core.multiarray\nscalar\n)R",
        "when": b"cno_such_module\nDate\nK\1\x85R",
        "seen": b"\x8f(K\1K\2\x90",
        "scores": b"ccollections\ndefaultdict\nc__builtin__\nlist\n\x85R(K\1]u",
        "odd": b"}K\1K\2\x86Ns",
    }
    held = b"".join(p.text(name) + made for name, made in {"G": state, **entries}.items())
    path = archive(tmp_path / "x.pt", b"\x80\x02}(" + held + b"u.", DATA)
    checkpoint = formats.read(path)
    assert list(checkpoint.networks) == ["G"] and checkpoint.networks["G"]["weight"].tolist() == [0, 1, 2, 3]
    dropped = checkpoint.account.dropped
    assert dropped["args"] == "an object of argparse.Namespace, which is not loaded" and "Date" in dropped["when"]
    assert {name.partition("/")[0] for name in dropped} == set(entries)
    lines = checkpoint.account.lines(path)
    assert all("\n" not in line for line in lines) and any("numpy.core.multiarray.scalar" in line for line in lines)


def test_tensors_that_share_a_compressed_storage_hold_it_once(tmp_path):
    """A hundred views of one storage, which is twelve times as large as its record."""
    numbers = np.tile(np.random.default_rng(0).standard_normal(4000).astype("f4"), 12)
    tensor = tensor_pickle(len(numbers), 0, (len(numbers),))[9:-2]
    pickled = b"\x80\x02}(" + b"".join(p.text(f"w{i}") + tensor for i in range(100)) + b"u."
    path = archive(tmp_path / "x.pt", pickled, {"data/0": numbers.tobytes()}, zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    try:
        state = formats.read(path).networks[""]
        assert len(state) == 100 and (state["w99"] == numbers).all()
        assert tracemalloc.get_traced_memory()[1] < 3e6  # 19 MB if each held its own
    finally:
        tracemalloc.stop()


def test_a_damaged_record_of_an_archive_is_named(tmp_path):
    path = archive(tmp_path / "x.pt", tensor_pickle(), DATA)
    data = bytearray(path.read_bytes())
    data[data.index(DATA["data/0"]) + 5] ^= 1
    path.write_bytes(data)
    assert "damaged: its record 'archive/data/0' does not have its checksum" in refusal(path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.pt")
    assert "not a regular file" in refusal(tmp_path / "x.pt")


@pytest.mark.parametrize("kind", ["x.pt", "old.pt", "x.pdparams", "x.safetensors"])
def test_truncated_and_damaged_files(tmp_path, kind):
    whole, broken = tmp_path / kind, tmp_path / f"broken{os.path.splitext(kind)[1]}"
    if kind == "old.pt":
        torch = pytest.importorskip("torch")
        torch.save({"a": {"weight": torch.ones(9, 9)}}, whole, _use_new_zipfile_serialization=False)
    else:
        networks = {"a": {"weight": np.ones((9, 9)), "bias": np.ones(3, "f2")}, "b": {"weight": np.ones(4, "u2")}}
        framework = "paddle" if whole.suffix == ".pdparams" else "torch"
        formats.write(whole, formats.Checkpoint(networks, framework))
    data, rng = whole.read_bytes(), random.Random(0)
    for length in {0, 1, 2, 9, len(data) - 1, *rng.sample(range(len(data)), 60)}:
        broken.write_bytes(data[:length])
        refusal(broken)
    for _ in range(300):
        damaged = bytearray(data)
        damaged[rng.randrange(len(data))] = rng.randrange(256)
        broken.write_bytes(damaged)
        try:
            formats.read(broken)
        except formats.CheckpointError as error:
            assert "\n" not in str(error)
