"""The commands of the harness as a user runs them: exit codes, reports, recordings, a machine without PyTorch."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from align.cases import CASES
from align.checks import command, data, initial, record_reference, training
from align.checks.layers import check_case
from align.compare.recording import load_recording, save_recording
from align.compare.reference import NotComparable, measure
from align.compare.torch_side import TorchSide
from align.compare.verdict import Judge
from align.faults import metric_command

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "align/recordings/small.safetensors"
BLOCK_TORCH = "import sys; sys.modules['torch'] = None; sys.argv = sys.argv[1:]; import runpy; "
RUN = BLOCK_TORCH + "runpy.run_path(sys.argv[0], run_name='__main__')"


def without_torch(*arguments, cwd=ROOT):
    """Run a script of the project in a process where importing torch fails."""
    return subprocess.run(
        [sys.executable, "-c", RUN, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize("check", ["forward", "backward"])
def test_report_page_and_exit_code(check, tmp_path, capsys):
    report, page = tmp_path / "new" / "r.json", tmp_path / "p.html"
    code = command.main(check, ["adailn", "discriminator-local", "--json", str(report), "--html", str(page)])
    out = capsys.readouterr().out
    assert code == 0 and "ALIGNED" in out and "model.1" in out
    document = json.loads(report.read_text())
    assert document["schema"] == "paddle-ugatit-parity/1" and document["verdict"] == "aligned"
    assert [case["name"] for case in document["cases"]] == ["adailn", "discriminator-local"]
    dtypes = {row["dtype"] for case in document["cases"] for row in case["rows"]}
    assert dtypes == {"float64", "float32"} and "ALIGNED" in page.read_text()


def test_a_difference_gives_exit_code_one(monkeypatch, capsys):
    compare = Judge._compare
    monkeypatch.setattr(Judge, "_compare", lambda self, key, array: compare(self, key, array * (1 + 1e-8)))
    assert command.main("forward", ["adailn", "--dtype", "float64", "--layers", "none"]) == 1
    assert "DIVERGED" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-case"], "unknown case no-such-case; choose from"),
        (["--weights", "missing.pt"], "missing.pt"),
        (["--reference", "missing.safetensors"], "missing.safetensors"),
        (["--reference", __file__], "not a recording"),
        (["adailn", "--image", __file__], "cannot be read as a picture"),
        (["--reference", str(SHIPPED), "--weights", "x.pt"], "cannot be combined with"),
        (["adailn", "--json", "/proc/none/x.json"], "/proc/none"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_two(arguments, message, capsys):
    assert command.main("forward", arguments) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and message in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("name", "main"),
    [
        ("check_backward", partial(command.main, "backward")),
        ("check_training", training.main),
        ("check_metric", metric_command.main),
        ("check_data", data.main),
        ("check_init", initial.main),
        ("record_reference", lambda arguments: record_reference.main(["linear", "--out", "x.safetensors", *arguments])),
    ],
)
def test_a_negative_seed_is_one_line_and_exit_code_two(name, main, capsys):
    assert main(["--seed", "-1"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"{name}: ") and err.count("\n") == 1 and "--seed" in err


def test_picture_is_what_the_networks_see(tmp_path, capsys):
    picture = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 40, 4), dtype=np.uint8), "RGBA").save(picture)
    cases = ["generator-light-odd", "discriminator-local"]
    assert command.main("forward", [*cases, "--image", str(picture), "--layers", "none"]) == 0
    assert command.main("forward", ["linear", "--image", str(picture)]) == 2
    assert "layer case linear" in capsys.readouterr().err


def test_shipped_recording_is_compared_without_torch(tmp_path):
    for check in ("forward", "backward"):
        script, out = ROOT / f"align/check_{check}.py", tmp_path / f"{check}.json"
        done = without_torch(script, "--reference", SHIPPED, "--layers", "none", "--json", out, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        report = json.loads(out.read_text())
        assert report["reference"]["kind"] == "recording" and report["reference"]["torch"].startswith("2.13")
        assert len(report["cases"]) > 20 and report["verdict"] == "aligned"
    assert SHIPPED.stat().st_size < 5e6


def test_live_check_without_torch_says_what_to_do():
    done = without_torch("align/check_forward.py", "adailn")
    assert done.returncode == 2 and "--reference align/recordings/small.safetensors" in done.stderr
    assert done.stderr.count("\n") == 1


def test_recording_needs_no_paddle_and_gives_the_live_verdict(tmp_path):
    file = tmp_path / "r.safetensors"
    code = RUN.replace("'torch'", "'paddle'")
    done = subprocess.run(
        [sys.executable, "-c", code, ROOT / "align/record_reference.py", "adailn", "--seed", "5", "--out", file],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    ((case, reference),), manifest = load_recording(file)
    assert (case.name, reference.seed) == ("adailn", 5) and "torch" in manifest["versions"]
    assert command.main("backward", ["--reference", str(file)]) == 0


def test_damaged_recording_is_refused(tmp_path):
    file = tmp_path / "r.safetensors"
    assert record_reference.main(["linear", "--out", str(file)]) == 0
    good = file.read_bytes()
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(NotComparable, match="damaged"):
        load_recording(file)
    file.write_bytes(good[: len(good) // 2])
    with pytest.raises(NotComparable, match="damaged"):
        load_recording(file)


def test_recording_that_cannot_be_written(capsys):
    assert record_reference.main(["linear", "--out", "/proc/none/r.safetensors"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_recording_of_weights_that_are_no_network(tmp_path, capsys):
    file = tmp_path / "other.pt"
    torch.save({"weight": torch.zeros(2, 2)}, file)
    assert record_reference.main(["--weights", str(file), "--out", str(tmp_path / "r.safetensors")]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "is not a known network" in err


def test_a_recording_keeps_counters_without_axes(tmp_path):
    """Those of batch norms, of shape (); a reference that is read back must be compared like the live one."""
    file = tmp_path / "recording.safetensors"
    reference = measure(CASES["batch-norm"], TorchSide, float32=False)
    save_recording(file, [(CASES["batch-norm"], reference)], {"torch": TorchSide.version})
    ((_, found),), _ = load_recording(file)
    assert found.weights["num_batches_tracked"].shape == ()
    assert check_case(CASES["batch-norm"], found, "forward", ("float64",))["verdict"] == "aligned"
