"""check_device: what it proves without PyTorch, that it notices what is wrong, and its page."""

import json
import subprocess
import sys
from contextlib import nullcontext
from unittest.mock import patch

import numpy as np
import paddle
import pytest

from align.checks import device as check
from align.checks import device_runs
from align.compare import recorded_step
from align.report.device import render
from paddle_ugatit.backend import device
from paddle_ugatit.layers import norm
from paddle_ugatit.training import state
from tests import gpu_emulation
from tests.gpu_emulation import device_branch, tf32_on_cpu

NONE = ["--config", "none"]


def test_a_cpu_is_proven_and_the_block_says_it(tmp_path, capsys):
    page, report = tmp_path / "device.html", tmp_path / "device.json"
    assert check.main(["--config", "demo", "--html", str(page), "--json", str(report)]) == 0
    found = json.loads(report.read_text())
    assert [part["verdict"] for part in found["parts"]] == ["aligned"] * 6
    assert [run["name"] for run in found["runs"]] == ["demo"] and found["runs"][0]["measured"] == "measured"
    assert found["block"] in capsys.readouterr().out
    assert found["device"] in page.read_text() and "demo" in page.read_text()


def test_nothing_of_it_needs_pytorch():
    code = (
        "import sys; sys.modules['torch'] = None; from align.checks import device; "
        "found = [device.part(name) for name in ('forward', 'step')]; print([part.verdict for part in found])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=check.ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "['aligned', 'aligned']", done.stdout + done.stderr


def test_a_wrong_layer_diverges(monkeypatch, capsys):
    plain = norm.AdaILN.forward
    monkeypatch.setattr(norm.AdaILN, "forward", lambda self, *given: plain(self, *given) * (1 + 1e-9))
    found = check.part("forward")
    assert found.verdict == "diverged" and found.differing[0].startswith("adailn: ")


def test_a_wrong_step_diverges(monkeypatch):
    plain = paddle.optimizer.Adam.__init__
    monkeypatch.setattr(
        paddle.optimizer.Adam, "__init__", lambda self, lr, beta1, *a, **k: plain(self, lr, beta1 + 1e-8, *a, **k)
    )
    found = check.part("step")
    assert found.verdict == "diverged" and "moment1" in found.differing[0]


def test_a_resume_that_forgets_the_moments_diverges(monkeypatch):
    monkeypatch.setattr(state, "fill_optimizer", lambda *given: None)
    found = check.part("resume")
    assert found.verdict == "diverged" and "weights.pdparams" in found.differing


def test_mixed_precision_is_judged_where_there_is_some(monkeypatch):
    assert check.part("mixed precision").told == "none on a CPU"
    monkeypatch.setattr(device_runs, "mixed_errors", lambda: {"float16": 1e-3, "bfloat16": 2e-2})
    assert check.part("mixed precision").verdict == "aligned"
    monkeypatch.setattr(device_runs, "mixed_errors", lambda: {"float16": float("nan"), "bfloat16": 2e-2})
    found = check.part("mixed precision")
    assert found.verdict == "diverged" and found.differing[0].startswith("float16")


def test_tf32_is_not_comparable_and_named(monkeypatch, capsys):
    monkeypatch.setattr(check.device_floor, "ratio", refused)
    assert check.part("forward").verdict == "not comparable"


@pytest.mark.parametrize("branch", [nullcontext, device_branch])
def test_tf32_in_training_is_found_and_named(branch):
    """As on an A100, in all products and convolutions, forward and backward; float64 does not see it."""
    with branch(), tf32_on_cpu():
        assert device.rounded_inputs() == ["products", "convolutions"]
        assert check.part("step").verdict == "aligned"
        found = check.part("step in float32")
    assert found.verdict == "diverged"
    assert found.differing[0].startswith("products and convolutions round what they multiply (TF32)")
    assert len(found.differing) > 50
    with branch():
        assert check.part("step in float32").verdict == "aligned"


def test_tf32_in_one_direction_alone_is_found():
    with patch.object(gpu_emulation._Operand, "forward", staticmethod(lambda ctx, x: x.clone())), tf32_on_cpu():
        assert device.rounded_inputs() == []
        found = check.part("step in float32")
    assert found.verdict == "diverged" and "moment1" in found.differing[0]


def refused():
    raise check.NotComparable("gpu:0 rounds ... (TF32)")


def test_the_recorded_step_is_pytorchs_still(tmp_path):
    from align.checks import record_reference

    assert record_reference.main(["--step", "--out", str(tmp_path / "step.json")]) == 0
    shipped, made = (recorded_step.load(path)["places"] for path in (check.STEP, tmp_path / "step.json"))
    assert shipped.keys() == made.keys() and len(made) > 300
    for label, values in shipped.items():
        assert np.allclose(values, made[label], rtol=1e-9, atol=1e-9 * (values[0] or 1)), label


@pytest.mark.parametrize("text", ["", "[]", '{"schema": "other"}'])
def test_a_damaged_recording_is_not_comparable(tmp_path, monkeypatch, text):
    (tmp_path / "step.json").write_text(text)
    monkeypatch.setattr(check, "STEP", tmp_path / "step.json")
    assert check.part("step").verdict == "not comparable"


def test_the_page_shows_a_gpu_and_escapes():
    facts = {"device": "gpu:0", "name": "<b>A100</b>", "memory": 2**35, "capability": "8.0", "driver": None}
    facts |= {"cuda": "12", "cudnn": "9", "rounded": ["products"], "deterministic": True}
    report = {"verdict": "not comparable", "device": "gpu:0", "facts": facts, "seconds": 1.0, "busy": "", "block": "x"}
    report |= {"parts": [{"name": "step", "verdict": "aligned", "told": "t", "differing": []}], "runs": []}
    page = render(report | {"versions": {"paddle": "3"}})
    assert "&lt;b&gt;A100&lt;/b&gt;" in page and "on for products" in page and "unknown" in page and "32.0 GiB" in page


def test_a_busy_machine_is_said(monkeypatch):
    monkeypatch.setattr(device_runs.os, "getloadavg", lambda: (9.0, 1.0, 1.0))
    assert "load 9.0" in device_runs.busy()
    monkeypatch.setattr(device_runs.os, "getloadavg", lambda: (0.9, 1.0, 1.0))
    assert device_runs.busy() == ""


def test_a_larger_configuration_is_scaled_on_a_cpu(monkeypatch):
    config = device_runs.configured("selfie2anime")
    monkeypatch.setattr(device_runs, "_timed", lambda copy: (2.0, 2**30))
    found = device_runs.predicted("selfie2anime", config)
    assert found.measured == "scaled from 128 px, batch 1"
    assert found.seconds == 8 and found.hours == pytest.approx(8e6 / 3600)
    assert found.gib == pytest.approx(4 + 2.5 + 5.0 + 2.08, abs=0.02)
    monkeypatch.setattr(device, "on_gpu", lambda: True)
    assert device_runs.predicted("selfie2anime", config).measured == "measured"
