"""Runs in mixed precision: where they are refused, and that a resumed one goes on with the scale of its loss."""

from unittest.mock import patch

import pytest

from align.compare.autocast import autocasting_on_cpu
from paddle_ugatit.backend import device
from tests.training import test_run
from tests.training.test_run import new_run, options_file, refusal

faces = test_run.faces  # a fixture


@pytest.mark.parametrize("system", ["stylegan2", "own"])
@pytest.mark.parametrize("amp", ["bfloat16", "float16"])
def test_it_is_refused_in_one_line(faces, tmp_path, capsys, system, amp):
    config = options_file(tmp_path) if system == "own" else system
    code, line = refusal(
        capsys, "--config", config, "--data", faces, "--out", tmp_path / "run", "--device", "cpu", f"amp={amp}"
    )
    assert code == 2
    assert (f"amp={amp} needs a GPU" if system == "own" else "amp must be off: losses") in line


def test_bfloat16_is_refused_on_an_older_gpu(faces, tmp_path, capsys):
    given = ["--config", options_file(tmp_path), "--data", faces, "--out", tmp_path / "run", "amp=bfloat16"]
    with patch.object(device, "choose", lambda name: "gpu:0"), patch.object(device, "has_bfloat16", lambda: False):
        code, line = refusal(capsys, *given)
    assert code == 2 and "use amp=float16" in line


def test_a_resumed_run_goes_on_with_the_scale_of_its_loss(faces, tmp_path):
    with autocasting_on_cpu():
        run = new_run(tmp_path, faces, amp="float16", iteration=2)
        run.train()
        again = new_run(tmp_path, faces, amp="float16", iteration=2)
        fresh = again.system.precision.state()
        again.resume()
    assert again.system.precision.state() == run.system.precision.state() != fresh
