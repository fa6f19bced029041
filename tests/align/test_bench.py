"""The benchmark runs, and compares like with like; its figures are not judged here."""

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path

import pytest

from align.bench import accuracy, compare, savings
from align.bench import side as bench_side
from align.bench.torch_saving import SavingTrainer
from align.cases.training import batches
from align.compare.paddle_side import PaddleSide
from align.compare.torch_side import TorchSide
from align.compare.training import paddle_state, torch_state
from align.planting import in_force
from paddle_ugatit.layers.fast import dispatch
from paddle_ugatit.training import Config
from paddle_ugatit.training import Trainer as PaddleTrainer
from tests import tiles
from torch_ref.training.ugatit import Trainer

TINY = ["--size", "96", "--ch", "4", "--n-res", "1", "--repeat", "1", "--turns", "1"]


def test_the_table_of_accuracy_shows_what_shorter_sums_save(monkeypatch, capsys):
    monkeypatch.setattr(accuracy, "WIDTHS", [(16, 16, 3), (256, 16, 3)])
    assert accuracy.main([]) == 0
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    (_, plain, tiles, run, in_one), wide = rows
    assert tiles == in_one and run == "16" and 0 < float(plain) < float(tiles) < 2e-6
    assert wide[3] == "128" and float(wide[2]) < float(wide[4])


def test_runtime_prints_a_table_with_every_variant(capsys):
    assert compare.main(["runtime", "--size", "16", "--repeat", "1"]) == 0
    out = capsys.readouterr().out
    assert all(f"| {name} |" in out for name in compare.SETTINGS)


def test_a_run_that_fails_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(compare, "WORK", "raise SystemExit('no such thing') # {size}")
    assert compare.main(["runtime"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("setting", ["off", "all"])
def test_seconds_are_positive(setting):
    assert compare.seconds(setting, 16) > 0


@pytest.mark.parametrize("what", ["iteration", "infer"])
def test_a_table_with_ratios(what, capsys):
    assert compare.main([what, *TINY, "--only", "as published", "ours"]) == 0
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(rows) >= 4 and all(len(row) == 8 for row in rows)
    assert rows[2][1].strip() == compare.PLAIN and rows[2][3].strip().startswith("1.00")


def test_the_code_of_another_checkout_is_measured_beside_this(capsys):
    """Here of a folder whose benchmark says so, in batches of two and below the size that seven layers need."""
    given = [*TINY[2:], "--size", "64", "--batch", "2", "--only", "ours", "--before", str(Path(__file__).parents[2])]
    assert compare.main(["iteration", *given]) == 0
    out = capsys.readouterr().out
    assert "batch 2" in out and all(f"| {name} |" in out for name in (compare.OURS, compare.BEFORE))
    assert compare.main(["iteration", *given[:-1], "/nowhere"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if compare.BEFORE in line)
    assert "/nowhere" in row


def test_the_code_of_another_checkout_gets_the_options_that_it_knows(tmp_path):
    assert set(Config().as_dict()) <= compare._options(Path(__file__).parents[2])
    file = tmp_path / "paddle_ugatit" / "training" / "ugatit.py"
    file.parent.mkdir(parents=True)
    file.write_text("class Config:\n    light: bool = False  # the light one\n    ch: int = 64\n")
    assert compare._options(tmp_path) == {"light", "ch"}


@pytest.mark.parametrize("what", ["iteration", "infer"])
def test_other_frameworks_run_as_they_come(what):
    """The harness must not lend them what makes Paddle fast: with our malloc PyTorch's iteration takes two thirds."""
    command = [sys.executable, "-c", "import align, paddle_ugatit.backend.runtime as r; print(*r.SETTINGS, sep='\\n')"]
    for name, (_, settings) in compare.VARIANTS[what].items():
        own = [line.partition(": ")[2] for line in compare.output_of(name, command, settings).splitlines()]
        assert len(own) == 5
        assert all(line.startswith("off") for line in own) == (name != compare.OURS), name
        assert any(key.startswith("MALLOC_") for key in settings) == name.endswith("our malloc settings")


@pytest.mark.parametrize("name", savings.SAVINGS)
def test_without_a_saving_the_update_is_the_same(name, monkeypatch):
    monkeypatch.setattr(dispatch, "MANY", 4)
    config = Config(light=True, ch=4, n_res=1, img_size=48, global_layers=6, local_layers=4)
    side, found = PaddleSide("float64"), []
    for patches in ([], savings.SAVINGS[name]()):
        ours = side.build(lambda _: PaddleTrainer(config), 0)
        with tiles.everywhere(), in_force(patches):
            for _, images in zip(range(2), batches(config, 0), strict=False):
                losses = ours.step(*[side.tensor(image) for image in images])
        found.append(paddle_state(ours, losses))
    for place, array in found[0].items():
        assert abs(found[1][place] - array).max() <= 1e-11 * (abs(array).max() or 1), place


def test_savings_are_measured_one_by_one(capsys):
    assert compare.main(["savings", *TINY, "--only", "ours", "frozen"]) == 0
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert [row[1].strip() for row in rows[2:]] == ["ours", "without: frozen discriminators"]
    assert rows[2][3].strip().startswith("1.00")


def test_a_variant_that_fails_says_why(monkeypatch, capsys):
    monkeypatch.setitem(compare.VARIANTS["infer"], "broken", ("no-such-side", {}))
    assert compare.main(["infer", *TINY, "--only", "ours", "broken"]) == 0
    assert "invalid choice: 'no-such-side'" in capsys.readouterr().out
    assert compare.main(["infer", *TINY, "--only", "broken"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_size_that_no_network_takes(capsys):
    assert compare.main(["infer", "--size", "-1"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("side", ["torch-plain", "torch-saving", "paddle"])
def test_a_side_prints_a_line_per_turn(side, capsys):
    config = dataclasses.asdict(Config(light=True, ch=4, n_res=1, img_size=96))
    assert bench_side.main(["iteration", side, "--config", json.dumps(config), "--warm-up", "0", "--turns", "2"]) == 0
    costs = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(costs) == 2 and all(cost["wall"] > 0 and cost["peak"] > 0 for cost in costs)


def test_inference_in_onnx_runtime(capsys):
    """Neither is a dependency; without them the table says so."""
    config = json.dumps(dataclasses.asdict(Config(light=True, ch=4, n_res=1, img_size=96)))
    if not all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime")):
        assert compare.main(["infer", *TINY, "--only", "ours", "ONNX"]) == 0
        assert "No module named 'onnx" in capsys.readouterr().out
        return
    assert bench_side.main(["infer", "onnx", "--config", config, "--turns", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["wall"] > 0


@pytest.mark.parametrize("side", ["export-onnx", "export-openvino", "export-paddle", "export-onednn"])
def test_inference_with_what_we_export(side, capsys):
    """Without its runtime a side ends with the name of what is missing, as the table shows it."""
    needed = {"export-onnx": "onnxruntime", "export-openvino": "openvino"}.get(side, "paddle")
    words = ["infer", side, "--config", json.dumps(dataclasses.asdict(Config(light=True, ch=4, n_res=1, img_size=96)))]
    if importlib.util.find_spec(needed) is None:
        with pytest.raises(ModuleNotFoundError, match=needed):
            bench_side.main(words)
        return
    assert bench_side.main([*words, "--warm-up", "0", "--turns", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["wall"] > 0


def test_the_savings_in_torch_change_no_update():
    """PyTorch with the same savings is held to the same standard: the plain trainer's updates."""
    config = Config(light=True, ch=4, n_res=1, img_size=48, global_layers=6, local_layers=4)
    side = TorchSide("float64")
    plain, saving = (side.build(lambda _, make=make: make(config), 0) for make in (Trainer, SavingTrainer))
    for _, (real_a, real_b) in zip(range(3), batches(config, 0), strict=False):
        images = [side.tensor(real_a), side.tensor(real_b)]
        wanted, found = (torch_state(trainer, trainer.step(*images)) for trainer in (plain, saving))
    for place, array in wanted.items():
        assert abs(found[place] - array).max() <= 1e-11 * (abs(array).max() or 1), place
