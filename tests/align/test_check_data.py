"""check_data.py: silent on the product, and every planted fault found where it is and called by its name."""

import json
from pathlib import Path

import numpy as np
import pytest

import paddle_ugatit  # noqa: F401  first: it sets the process up before PyTorch
from align.checks import data as check_data
from align.compare import data as data_side
from align.faults.data import CONTROLS, FAULTS
from align.report.page import render


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return data_side.write_pictures(tmp_path_factory.mktemp("pictures"), 0, 1)


def entries(pictures, size=24, seed=0):
    return {entry["name"]: entry for entry in check_data.check(size, seed, pictures)}


@pytest.mark.parametrize("seed", [0, 1])
def test_the_product_is_aligned(pictures, seed):
    found = entries(pictures, 24 + seed, seed)
    assert {entry["verdict"] for entry in found.values()} == {"aligned"} and len(found) == 5
    assert all(entry["counts"]["compared"] > 2 or name == "resize filter" for name, entry in found.items())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.number} {fault.name}")
def test_a_planted_fault_is_found_and_named(pictures, fault):
    with fault.planted():
        found = entries(pictures)[fault.case]
    cause = found["blamed"]["cause"]
    assert found["verdict"] == "diverged" and (cause["name"] if cause else "") == fault.cause, found["blamed"]


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_what_is_no_fault_is_left_alone(pictures, control):
    with control.planted():
        assert {entry["verdict"] for entry in entries(pictures).values()} == {"aligned"}


def test_what_is_no_mistake_is_named_by_none():
    """No two of the known mistakes are one and the same, and none is the public pipeline."""
    assert len({*data_side.MISTAKES.values(), data_side.PUBLIC}) == len(data_side.MISTAKES) + 1


def test_an_array_of_another_kind_fails():
    zeros = np.zeros((2, 2), np.float32)
    for other in (zeros[:1], zeros.astype(np.float64), zeros * np.nan, np.zeros((0, 2), np.float32)):
        assert check_data._row("stage", other, zeros if other.size else other).verdict == "fail"
    assert check_data._row("stage", zeros, zeros).verdict == "pass"


def test_the_command(tmp_path, capsys):
    report = tmp_path / "report.json"
    assert check_data.main(["--size", "16", "--count", "5", "--json", str(report)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1].startswith("ALIGNED: data: ") and len(said) == 10
    noted = json.loads(report.read_text())
    assert noted["check"] == "data" and noted["verdict"] == "aligned" and len(noted["cases"]) == 9
    folder = tmp_path / "own"
    folder.mkdir()
    data_side.write_pictures(folder, 3, 2)
    assert check_data.main(["--size", "16", "--data", str(folder), "--count", "1"]) == 0
    assert "0_RGB.png" in capsys.readouterr().out
    with FAULTS[1].planted():
        assert check_data.main(["--size", "16", "--count", "1", "--json", str(report)]) == 1
    assert "cause: bicubic filter for bilinear" in capsys.readouterr().out
    assert "<b>Cause: bicubic filter for bilinear</b>" in render([json.loads(report.read_text())])


def test_bad_usage_is_one_line(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(b"junk")
    for arguments, reason in [
        (["--size", "0"], "1 or more"),
        (["--data", str(tmp_path / "absent")], "no such folder"),
        (["--data", str(tmp_path)], "is not an image"),
    ]:
        assert check_data.main(arguments) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and reason in lines[0]


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit):
        check_data.main(["--help"])
    assert "python align/check_data.py" in capsys.readouterr().out and Path(check_data.__file__).exists()
