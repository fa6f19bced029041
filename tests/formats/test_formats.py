"""Checkpoint files: what is written is what is read, by other libraries too; the rest is refused in one line."""

import collections
import gzip
import json
import os
import re
import struct
import zipfile

import numpy as np
import paddle
import pytest

from paddle_ugatit import formats
from paddle_ugatit.formats.checkpoint import DTYPES

FRAMEWORK = {".pt": "torch", ".pth": "torch", ".pdparams": "paddle", ".safetensors": "torch"}
SUFFIXES = [".pt", ".pdparams", ".safetensors"]
LEGACY = {"_use_new_zipfile_serialization": False}


def sample():
    """Every dtype, and every kind of shape: none, empty, transposed, sliced."""
    random_bits = np.random.default_rng(0)
    state = {name: random_bits.integers(0, 100, (2, 3)).astype(dtype) for name, dtype in DTYPES.items()}
    grid = random_bits.standard_normal((4, 6)).astype(np.float32)
    state |= {"scalar": np.array(2.5, "f4"), "empty": np.zeros((0, 3), "f4"), "turned": grid.T, "part": grid[1:, ::2]}
    return {"genA2B": state, "genB2A": {"weight": grid}}


def checkpoint(suffix, networks=None):
    return formats.Checkpoint(networks or sample(), FRAMEWORK[suffix], {"model": "ugatit"})


def assert_same(found, wanted):
    assert list(found) == list(wanted)
    for network, state in wanted.items():
        assert set(found[network]) == set(state)
        for key, array in state.items():
            got = found[network][key]
            assert (got.dtype, got.shape) == (array.dtype, array.shape), key
            assert got.tobytes() == array.tobytes(), key


def refusal(path):
    """The one line with which reading fails."""
    with pytest.raises(formats.CheckpointError) as caught:
        formats.read(path)
    message = str(caught.value)
    assert "\n" not in message and os.fspath(path) in message and len(message) < 600
    return message


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".pth", ".PT"])
def test_round_trip_is_bit_exact(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    formats.write(path, checkpoint(suffix.lower()))
    read = formats.read(path)
    assert_same(read.networks, sample())
    assert read.framework == FRAMEWORK[suffix.lower()] and read.metadata["model"] == "ugatit"
    assert not any(array.flags.writeable for _, _, array in read.tensors() if array.size)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_bare_state_dict_and_equal_bytes(tmp_path, suffix):
    networks = {"": sample()["genA2B"]}
    for name in ("a", "b"):
        formats.write(tmp_path / f"{name}{suffix}", checkpoint(suffix, networks))
    assert_same(formats.read(tmp_path / f"a{suffix}").networks, networks)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_progress_counts_every_byte(tmp_path):
    for suffix in SUFFIXES:
        counted = []
        formats.write(tmp_path / f"x{suffix}", checkpoint(suffix), counted.append)
        assert sum(counted) == checkpoint(suffix).nbytes()


@pytest.mark.parametrize("options", [{"weights_only": True}, {"mmap": True}, {"weights_only": False}])
def test_torch_loads_what_is_written(tmp_path, options):
    torch = pytest.importorskip("torch")
    formats.write(tmp_path / "x.pt", checkpoint(".pt"))
    loaded = torch.load(tmp_path / "x.pt", **options)
    assert type(loaded["genA2B"]) is collections.OrderedDict
    for network, state in sample().items():
        for key, array in state.items():
            tensor = loaded[network][key]
            bits = tensor.view(torch.int16).numpy().view("u2") if tensor.dtype == torch.bfloat16 else tensor.numpy()
            assert bits.shape == array.shape and bits.tobytes() == array.tobytes(), key
    assert loaded["genA2B"]["bfloat16"].dtype == torch.bfloat16


def test_storages_are_aligned(tmp_path):
    formats.write(tmp_path / "x.pt", checkpoint(".pt"))
    data = (tmp_path / "x.pt").read_bytes()
    for info in zipfile.ZipFile(tmp_path / "x.pt").infolist():
        start = info.header_offset + 30 + sum(struct.unpack_from("<HH", data, info.header_offset + 26))
        assert start % 64 == 0, info.filename


@pytest.mark.parametrize("how", [{}, LEGACY], ids=["zip", "legacy"])
def test_reads_what_torch_saves(tmp_path, how):
    torch = pytest.importorskip("torch")
    base = torch.randn(5, 7, dtype=torch.float64)
    layer = torch.nn.utils.spectral_norm(torch.nn.Linear(3, 4))
    tensors = {"part": base[1:3, ::2], "turned": base.t(), "half": base.half(), "none": base[:0]}
    tensors["one"] = torch.tensor(3)
    tensors["brain"] = torch.tensor([1.5, -2]).to(torch.bfloat16)
    torch.save({"t": tensors, "p": dict(layer.named_parameters()), "s": layer.state_dict()}, tmp_path / "x.pt", **how)
    read = formats.read(tmp_path / "x.pt").networks
    for key, tensor in [*layer.state_dict().items(), *layer.named_parameters()]:
        assert np.array_equal(read["s"][key], tensor.detach().numpy())
    assert set(read["p"]) == {"weight_orig", "bias"}
    for key in ("part", "turned", "half", "one", "none"):
        assert np.array_equal(read["t"][key], tensors[key].numpy()) and read["t"][key].shape == tensors[key].shape
    assert read["t"]["brain"].tolist() == [0x3FC0, 0xC000]


def test_paddle_loads_what_is_written(tmp_path):
    formats.write(tmp_path / "x.pdparams", checkpoint(".pdparams"))
    loaded = paddle.load(str(tmp_path / "x.pdparams"))
    for network, state in sample().items():
        for key, array in state.items():
            tensor = loaded[network][key]
            assert tensor.numpy().tobytes() == array.tobytes() and tuple(tensor.shape) == array.shape, key
    assert loaded["genA2B"]["bfloat16"].dtype == paddle.bfloat16
    formats.write(tmp_path / "bare.pdparams", checkpoint(".pdparams", {"": sample()["genB2A"]}))
    assert list(paddle.load(str(tmp_path / "bare.pdparams"))) == ["weight"]


@pytest.mark.parametrize("protocol", [2, 4])
def test_reads_what_paddle_saves(tmp_path, protocol):
    state = paddle.nn.Linear(2, 3).state_dict()
    brain = paddle.to_tensor([1.5]).astype("bfloat16")
    paddle.save(state, str(tmp_path / "flat.pdparams"), protocol=protocol)
    paddle.save({"a": state, "b": {"x": brain}}, str(tmp_path / "deep.pdparams"), protocol=protocol)
    flat, deep = (formats.read(tmp_path / f"{name}.pdparams").networks for name in ("flat", "deep"))
    for found in (flat[""], deep["a"]):
        assert set(found) == {"weight", "bias"}
        assert all(np.array_equal(found[key], tensor.numpy()) for key, tensor in state.items())
    assert deep["b"]["x"].tolist() == [0x3FC0]


def test_safetensors_of_others(tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    array = np.arange(6, dtype="f4").reshape(2, 3)
    path = tmp_path / "x.safetensors"
    library.save_file({"weight": array}, path)
    assert "names no framework" in refusal(path)
    library.save_file({"a/weight": array, "b/weight": array}, path, {"format": "pt"})
    assert formats.read(path).framework == "torch" and list(formats.read(path).networks) == ["a", "b"]
    library.save_file({"a/weight": array, "weight": array}, path, {"format": "pt"})
    assert "'weight' stands beside" in refusal(path)
    formats.write(path, checkpoint(".safetensors", sample() | {"genA2B": {"x": array.T}}))
    assert np.array_equal(library.load_file(path)["genA2B/x"], array.T)


@pytest.mark.parametrize("name", ["x.pth.tar", "x.ckpt", "x.bin", "x.pkl", "x", "x.pdparams", "x.safetensors"])
def test_the_format_is_told_by_content(tmp_path, name):
    for suffix in SUFFIXES:
        (tmp_path / "here").mkdir(exist_ok=True)
        formats.write(tmp_path / f"x{suffix}", checkpoint(suffix))
        os.replace(tmp_path / f"x{suffix}", tmp_path / "here" / name)
        read = formats.read(tmp_path / "here" / name)
        assert_same(read.networks, sample())
        assert read.framework == FRAMEWORK[suffix]
        plain = suffix == ".pdparams" and name != "x.pdparams"
        assert ("plain pickle" in " ".join(read.account.notes)) is plain


def test_the_length_of_a_header_looks_like_no_pickle(tmp_path):
    """The first bytes of a .safetensors file are a number, which may begin like any other format."""
    firsts = set()
    for i in range(33):  # the header's length takes every multiple of 8 below 256 as its last byte
        metadata = {"note": "x" * 8 * i}
        networks = {"": {"weight": np.ones(3)}}
        formats.write(tmp_path / "x.safetensors", formats.Checkpoint(networks, "paddle", metadata))
        assert formats.read(tmp_path / "x.safetensors").metadata["note"] == metadata["note"]
        firsts.add((tmp_path / "x.safetensors").read_bytes()[0])
    assert 0x80 in firsts


def test_tensors_of_old_pytorch(tmp_path):
    """PyTorch before 0.4 wrote `_rebuild_tensor`, which newer ones still read."""
    torch = pytest.importorskip("torch")
    tensors = {"weight": torch.arange(6.0).reshape(2, 3).t(), "bias": torch.ones(2)}
    torch.save(tensors, tmp_path / "new.pt", **LEGACY)
    data = (tmp_path / "new.pt").read_bytes()
    # Two arguments fewer: FALSE, and an empty OrderedDict from the memo or by its name.
    old = re.sub(
        rb"\x89(ccollections\nOrderedDict\n(?:q.)?|h.)\)Rq.t", b"t", data.replace(b"_tensor_v2", b"_tensor"), flags=re.S
    )
    (tmp_path / "old.pth").write_bytes(old)
    assert b"_v2" not in old and len(old) < len(data) - 10
    assert all(torch.equal(tensor, tensors[key]) for key, tensor in torch.load(tmp_path / "old.pth").items())
    assert_same(formats.read(tmp_path / "old.pth").networks, {"": {k: t.numpy() for k, t in tensors.items()}})


def test_files_that_are_no_checkpoints(tmp_path):
    for name, content, reason in [
        ("x.bin", b"1", "is not a checkpoint"),
        ("x.pt", b"", "is empty"),
        ("x.pt", b"hello", "is not a checkpoint"),
        ("x.pt", b"\0" * 257 + b"ustar", "tar archive"),
        ("x.pt", b"<!DOCTYPE html><html>Quota exceeded", "a page of HTML"),
        ("x.pt", b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer"),
        ("x.pt", gzip.compress(b"x"), "compressed by gzip"),
        ("x.pdparams", b"hello", "is not a checkpoint"),
        ("x.safetensors", b"hello world", "is not a checkpoint"),
    ]:
        (tmp_path / name).write_bytes(content)
        assert reason in refusal(tmp_path / name)
    assert "cannot be read" in refusal(tmp_path / "absent.pt")
    (tmp_path / "folder.pt").mkdir()
    assert "cannot be read" in refusal(tmp_path / "folder.pt")
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as file:
        file.writestr("light.pth", b"x")
    assert "unpack it, it holds 'light.pth'" in refusal(tmp_path / "x.pt")


def test_a_side_file_belongs_to_the_content(tmp_path):
    path, other = tmp_path / "x.pdparams", tmp_path / "other.pdparams"
    formats.write(path, formats.Checkpoint({"": {"weight": np.zeros(3)}}, "paddle", {"model": "one"}))
    formats.write(other, formats.Checkpoint({"": {"weight": np.ones(3)}}, "paddle", {"model": "other"}))
    assert formats.read(path).metadata["model"] == "one" and not formats.read(path).account.notes
    path.write_bytes(other.read_bytes())  # of the same size
    stale = formats.read(path)
    assert stale.metadata == {} and "another SHA-256" in stale.account.notes[0] and "replaced" in stale.account.notes[0]
    path.write_bytes(path.read_bytes() + b"x")
    stale = formats.read(path)
    assert stale.metadata == {} and "another size" in stale.account.notes[0]
    (tmp_path / "x.pdparams.json").write_text("[" * 100_000)
    assert "is not a side file" in refusal(path)


def test_a_side_file_of_older_versions_is_read_and_it_is_said(tmp_path):
    path, side = tmp_path / "x.pt", tmp_path / "x.pt.json"
    formats.write(path, checkpoint(".pt"))
    described = json.loads(side.read_text())
    assert described["bytes"] == path.stat().st_size and described.pop("sha256") == formats.sha256(path)
    side.write_text(json.dumps(described))
    read = formats.read(path)
    assert read.metadata["model"] == "ugatit" and "by the file's size alone" in read.account.notes[0]


@pytest.mark.parametrize(
    ("networks", "reason"),
    [
        ({"a": {"x": np.ones(2, "c8")}}, "'a/x' is complex64"),
        ({"a": {"x": np.ones(2, ">f4")}}, "'a/x' is >f4"),
        ({"a": {"x": [1.0]}}, "'a/x' is list"),
        ({"a/b": {"x": np.ones(2)}}, "must not contain '/'"),
        ({"": {"x": np.ones(2)}, "a": {"x": np.ones(2)}}, "bare"),
        ({"a": {}}, "without tensors"),
    ],
)
def test_what_cannot_be_written(tmp_path, networks, reason):
    with pytest.raises(formats.CheckpointError, match=reason):
        formats.write(tmp_path / "x.pt", checkpoint(".pt", networks))
    assert list(tmp_path.iterdir()) == []


def test_casts():
    values = np.array([1.0, 1 + 2**-8, 1 + 3 * 2**-8, np.inf, np.nan, -0.0, 3e38], "f4")
    brain = formats.cast(values, "bfloat16")
    assert brain.tolist()[:4] == [0x3F80, 0x3F80, 0x3F82, 0x7F80]  # ties go to even
    assert np.isnan(formats.widened(brain)[4]) and np.signbit(formats.widened(brain)[5])
    assert formats.cast(brain, "bfloat16") is brain
    assert formats.cast(values, "float64").dtype == np.float64


def test_cast_rounds_as_torch_does():
    torch = pytest.importorskip("torch")
    bits = np.random.default_rng(0).integers(0, 2**32, 10_000, np.uint32)
    values = bits.view("f4")[~np.isnan(bits.view("f4"))]
    wanted = torch.from_numpy(values).to(torch.bfloat16).view(torch.int16).numpy().view("u2")
    assert np.array_equal(formats.cast(values, "bfloat16"), wanted)
