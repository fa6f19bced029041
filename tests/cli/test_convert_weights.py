"""The converter as a command: round trips bit for bit, without PyTorch, and one line for whatever goes wrong."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from paddle_ugatit import Discriminator, ResnetGenerator, formats, weights
from paddle_ugatit.cli import convert as convert_weights
from paddle_ugatit.models.sagan import SAGANGenerator

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "convert_weights.py"


def state_of(network, dtype="float32"):
    state = weights.to_torch({key: tensor.numpy() for key, tensor in network.state_dict().items()}, network)
    return {key: formats.cast(array, dtype) for key, array in state.items()}


def six(dtype="float32"):
    networks = {name: ResnetGenerator(3, 3, ngf=2, n_blocks=2, img_size=16) for name in ("genA2B", "genB2A")}
    networks |= {name: Discriminator(3, ndf=2, n_layers=7) for name in ("disGA", "disGB")}
    networks |= {name: Discriminator(3, ndf=2, n_layers=5) for name in ("disLA", "disLB")}
    return {name: state_of(network, dtype) for name, network in networks.items()}


def light():
    return {"": state_of(ResnetGenerator(3, 3, ngf=2, n_blocks=1, light=True))}


def put(path, networks, **metadata):
    formats.write(path, formats.Checkpoint(networks, formats.framework_of(path) or "torch", metadata))
    return path


def run(*arguments):
    return convert_weights.main(list(map(str, arguments)))


def refusal(capsys, *arguments):
    """Exit code and the one line on stderr."""
    capsys.readouterr()
    code = run(*arguments)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("convert_weights: "), lines
    return code, lines[0]


def snapshot(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def command(*arguments, code="", **options):
    """The converter in a process of its own, after `code`."""
    launch = f"import runpy, sys; {code}\nsys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"
    call = [sys.executable, "-c", launch, SCRIPT, *arguments]
    return subprocess.run(list(map(str, call)), capture_output=True, text=True, timeout=120, **options)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_round_trips_are_bit_exact(tmp_path, dtype):
    states = six(dtype)
    put(tmp_path / "a.pt", states)
    steps = [("a.pt", "b.pdparams"), ("b.pdparams", "c.safetensors"), ("c.safetensors", "d.pdparams")]
    for source, destination in steps:
        assert run(tmp_path / source, tmp_path / destination) == 0
    assert run(tmp_path / "d.pdparams", tmp_path / "e.pth") == 0
    assert run(tmp_path / "a.pt", tmp_path / "f.safetensors") == 0  # Paddle's layout
    assert run(tmp_path / "f.safetensors", tmp_path / "g.pt") == 0
    for name in ("e.pth", "g.pt"):
        found = formats.read(tmp_path / name)
        assert list(found.networks) == list(states)
        for network, key, array in found.tensors():
            wanted = states[network][key]
            assert array.dtype == wanted.dtype and array.tobytes() == wanted.tobytes(), key
    assert formats.read(tmp_path / "f.safetensors").framework == "paddle"


def test_what_torch_saves_comes_back_to_torch(tmp_path):
    torch = pytest.importorskip("torch")
    twins = pytest.importorskip("torch_ref")
    twin = twins.ResnetGenerator(3, 3, ngf=2, n_blocks=1, img_size=16)
    torch.save(twin.state_dict(), tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    assert run(tmp_path / "a.pt", tmp_path / "b.pdparams") == run(tmp_path / "b.pdparams", tmp_path / "c.pt") == 0
    other = twins.ResnetGenerator(3, 3, ngf=2, n_blocks=1, img_size=16)
    other.load_state_dict(torch.load(tmp_path / "c.pt", weights_only=True))
    assert all(torch.equal(tensor, other.state_dict()[key]) for key, tensor in twin.state_dict().items())


def test_it_says_what_it_found_and_notes_it_beside(tmp_path, capsys):
    put(tmp_path / "a.pt", six())
    assert run(tmp_path / "a.pt", tmp_path / "b.pdparams", "--model", "ugatit-initial") == 0
    said = capsys.readouterr().out
    assert "torch, 6 networks, " in said and "disGA: discriminator: input_nc 3, ndf 2, n_layers 7" in said
    assert "genA2B: generator: input_nc 3, output_nc 3, ngf 2, n_blocks 2, size full, 16 px" in said
    noted = json.loads((tmp_path / "b.pdparams.json").read_text())
    assert (noted["model"], noted["revision"], noted["framework"]) == ("ugatit-initial", "initial", "paddle")
    assert noted["source"] == "a.pt" and noted["networks"]["genB2A"]["img_size"] == 16 and noted["dtype"] == "float32"
    checksum = subprocess.run(["sha256sum", tmp_path / "a.pt"], capture_output=True, text=True, check=True).stdout
    assert noted["source_sha256"] == checksum.split()[0]
    assert run(tmp_path / "b.pdparams", tmp_path / "c.safetensors") == 0
    assert "model: ugatit-initial (from the file's metadata)" in capsys.readouterr().out
    assert formats.read(tmp_path / "c.safetensors").metadata["revision"] == "initial"
    code, line = refusal(capsys, tmp_path / "c.safetensors", tmp_path / "d.pt", "--model", "ugatit")
    assert code == 1 and "ugatit-initial by its metadata, not ugatit" in line


def test_old_checkpoints_are_completed_and_it_is_said(tmp_path, capsys):
    states = {name: {k: a for k, a in state.items() if not k.endswith("weight_v")} for name, state in six().items()}
    put(tmp_path / "a.pt", states)
    assert run(tmp_path / "a.pt", tmp_path / "b.pdparams") == 0
    assert capsys.readouterr().out.count("note: ") == 4
    assert "gap_fc.weight_v" in formats.read(tmp_path / "b.pdparams").networks["disGA"]


def test_bad_usage_is_told_from_bad_input(tmp_path, capsys):
    source = put(tmp_path / "a.pt", light())
    (tmp_path / "link.pt").symlink_to(source)
    os.link(source, tmp_path / "hard.pt")
    before = snapshot(tmp_path)
    for arguments, reason in [
        ((source, source), "is the source itself"),
        ((source, tmp_path / "link.pt"), "is the source itself"),
        ((source, tmp_path / "hard.pt"), "is the source itself"),
        ((source, tmp_path / "b.onnx"), "the suffix must be one of .pt"),
        ((source, tmp_path / "b.pdparams", "--framework", "torch"), "its suffix is for paddle"),
    ]:
        code, line = refusal(capsys, *arguments)
        assert code == 2 and reason in line
    for arguments, reason in [
        ((tmp_path / "absent.pt", tmp_path / "b.pdparams"), "No such file"),
        ((source, tmp_path / "absent" / "b.pdparams"), "there is no folder"),
        ((source, "/proc/b.pdparams"), "cannot be written"),
        ((source, tmp_path), "suffix"),
    ]:
        code, line = refusal(capsys, *arguments)
        assert code == (2 if reason == "suffix" else 1) and reason in line
    with pytest.raises(SystemExit) as caught:
        run("--model", "cyclegan", source, tmp_path / "b.pdparams")
    assert caught.value.code == 2 and snapshot(tmp_path) == before


def test_truncated_sources_leave_the_destination(tmp_path, capsys):
    whole = put(tmp_path / "whole.pt", light()).read_bytes()
    (tmp_path / "b.pdparams").write_bytes(b"before")
    for length in random.Random(0).sample(range(len(whole)), 25):
        (tmp_path / "a.pt").write_bytes(whole[:length])
        code, line = refusal(capsys, tmp_path / "a.pt", tmp_path / "b.pdparams")
        assert code == 1 and "a.pt" in line
    assert (tmp_path / "b.pdparams").read_bytes() == b"before" and not (tmp_path / "b.pdparams.json").exists()


@pytest.mark.parametrize(
    ("key", "array", "reason"),
    [
        ("gamma.weight", None, "lacks 'gamma.weight'"),
        ("surplus", np.zeros(3, "f4"), "has 'surplus'"),
        ("gamma.weight", np.zeros((8, 9), "f4"), "'gamma.weight' has the shape (8, 9), the network needs (8, 8)"),
        ("gamma.weight", np.zeros((8, 8), "i8"), "'gamma.weight' is int64"),
        ("FC.1.weight", np.zeros((8, 8), "f4"), "first week"),
        ("DownBlock.1.weight", None, "is not a known network"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, capsys, key, array, reason):
    states = light()
    states[""].pop(key, None)
    if array is not None:
        states[""][key] = array
    code, line = refusal(capsys, put(tmp_path / "a.pt", states), tmp_path / "b.pdparams")
    assert code == 1 and reason in line and "a.pt" in line and not (tmp_path / "b.pdparams").exists()


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (OSError(28, "No space left on device"), 1, "No space left"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 1, "memory"),
    ],
)
def test_trouble_while_writing_leaves_the_destination(tmp_path, capsys, monkeypatch, error, code, reason):
    put(tmp_path / "a.pt", light())
    (tmp_path / "b.pdparams").write_bytes(b"before")
    before = snapshot(tmp_path)

    def fail(descriptor):
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    got, line = refusal(capsys, tmp_path / "a.pt", tmp_path / "b.pdparams")
    assert got == code and reason in line and snapshot(tmp_path) == before


def test_runs_without_torch_from_any_folder(tmp_path):
    put(tmp_path / "a.pt", light())
    blocked = "sys.modules['torch'] = None"
    for pair in (("a.pt", "b.pdparams"), ("b.pdparams", "c.pt"), ("c.pt", "d.safetensors")):
        done = command(*pair, code=blocked, cwd=tmp_path)
        assert done.returncode == 0 and done.stderr == "" and "written in" in done.stdout, done.stderr
    assert (tmp_path / "c.pt").read_bytes() == (tmp_path / "a.pt").read_bytes()


def test_help_has_an_example(tmp_path):
    done = command("--help", cwd=tmp_path)
    assert done.returncode == 0 and "python tools/convert_weights.py selfie2anime" in done.stdout


def test_terminated_while_writing(tmp_path):
    put(tmp_path / "a.pt", light())
    before = snapshot(tmp_path)
    code = f"import os; os.fsync = lambda descriptor: os.kill(os.getpid(), {int(signal.SIGTERM)})"
    done = command("a.pt", "b.pdparams", code=code, cwd=tmp_path)
    assert done.returncode == 130 and done.stderr.count("\n") == 1, done.stderr
    assert snapshot(tmp_path) == before


def test_memory_stays_below_twice_the_file(tmp_path):
    """A scaled-down pair of full generators; the file counts as memory too, since it is mapped."""
    network = state_of(ResnetGenerator(3, 3, ngf=16, n_blocks=1, img_size=256))
    put(tmp_path / "a.pt", {"genA2B": network, "genB2A": network})
    nbytes = (tmp_path / "a.pt").stat().st_size
    peak = "import atexit, resource; atexit.register(lambda: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))"
    idle = int(command("--help", code=peak).stdout.splitlines()[-1])
    for pair in (("a.pt", "b.pdparams"), ("b.pdparams", "c.pt")):
        done = command(*pair, code=peak, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        used = (int(done.stdout.splitlines()[-1]) - idle) * 1024
        assert used < 2 * nbytes
    assert (tmp_path / "c.pt").read_bytes() == (tmp_path / "a.pt").read_bytes()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_dtype_rounds_every_weight(tmp_path, dtype, capsys):
    source = put(tmp_path / "a.pt", light())
    assert run(source, tmp_path / "b.pdparams", "--dtype", dtype) == 0 and dtype in capsys.readouterr().out
    rounded = formats.read(tmp_path / "b.pdparams")
    assert rounded.metadata["dtype"] == dtype
    wanted = weights.convert(formats.read(source), "paddle", source)[0].networks[""]
    for key, array in rounded.networks[""].items():
        assert formats.dtype_name(array) == dtype and np.array_equal(array, formats.cast(wanted[key], dtype))
    widened = weights.load_networks(tmp_path / "b.pdparams", "float32")[""].conv1x1.weight.numpy()
    assert widened.dtype == "float32" and np.abs(widened - formats.widened(wanted["conv1x1.weight"])).max() < 1e-2


def test_counters_stay_integers_under_dtype(tmp_path):
    network = SAGANGenerator(16, 8, 8)
    state = weights.to_torch({key: tensor.numpy() for key, tensor in network.state_dict().items()}, network)
    source = put(tmp_path / "g.pt", {"": state})
    assert run(source, tmp_path / "g.pdparams", "--dtype", "float16") == 0
    found = formats.read(tmp_path / "g.pdparams").networks[""]
    assert {str(found[key].dtype) for key in found if key.endswith("num_batches_tracked")} == {"int64"}


def test_a_weight_too_large_for_the_dtype_is_named(tmp_path, capsys):
    networks = light()
    networks[""]["conv1x1.weight"] = networks[""]["conv1x1.weight"] * 0 + 1e6
    source = put(tmp_path / "a.pt", networks)
    code, line = refusal(capsys, source, tmp_path / "b.pdparams", "--dtype", "float16")
    assert code == 1 and "'conv1x1.weight' has values that are too large for float16" in line
    assert not (tmp_path / "b.pdparams").exists()
