"""Files of a pair: a recording of the original, and those that reprod_log reads."""

import numpy as np
import pytest

from align.checks import command, record_reference
from tests.align.pairs import both, linear

LOSS = both(
    linear(),
    "x, y: z = s.b(s.a(x)); return tF.mse_loss(z, y), {'z': z}",
    "x, y: z = s.b(s.a(x)); return pF.mse_loss(z, y), {'z': z}",
    "SHAPES = [(4, 6), (4, 6)]",
)


def test_a_recording_of_the_original(tmp_path, capsys):
    pair, file = tmp_path / "my_pair.py", str(tmp_path / "original.safetensors")
    pair.write_text(LOSS)
    assert record_reference.main(["--pair", str(pair), "--out", file]) == 0
    for check in ("forward", "backward"):
        assert command.main(check, ["--pair", str(pair), "--reference", file, "--layers", "none"]) == 0
    pair.write_text(LOSS.replace("pF.mse_loss(z, y)", "pF.mse_loss(z, y) * 2"))
    assert command.main("forward", ["--pair", str(pair), "--reference", file, "--layers", "none"]) == 1
    capsys.readouterr()
    assert command.main("forward", ["--reference", file]) == 2
    assert "name its file with --pair" in capsys.readouterr().err


@pytest.mark.parametrize(("source", "right"), [(LOSS, True), (LOSS.replace("pF.mse_loss", "2 * pF.mse_loss"), False)])
def test_files_for_reviewers_of_a_reproduction(source, right, tmp_path, capsys):
    pair, folder = tmp_path / "my_pair.py", tmp_path / "log"
    pair.write_text(source)
    for check, names in (("forward", ("forward", "loss")), ("backward", ("bp_align",))):
        code = command.main(check, ["--pair", str(pair), "--dtype", "float64", "--reprod-log", str(folder)])
        assert code == (0 if right else 1)
        for name in names:
            ours, theirs = (
                np.load(folder / f"{name}_{side}.npy", allow_pickle=True).tolist() for side in ("paddle", "ref")
            )
            assert ours.keys() == theirs.keys() and all(isinstance(array, np.ndarray) for array in ours.values())
            log = (folder / f"{name}_diff.log").read_text()
            assert ("diff check passed" in log) == (right or name == "forward")
    assert "output_1.z_0" in np.load(folder / "forward_ref.npy", allow_pickle=True).tolist()


def test_a_log_is_only_for_a_pair(tmp_path, capsys):
    assert command.main("forward", ["linear", "--reprod-log", str(tmp_path)]) == 2
    assert "--reprod-log needs --pair" in capsys.readouterr().err


def test_reprod_log_reads_the_files(tmp_path, capsys):
    reprod_log = pytest.importorskip("reprod_log")
    pair, folder = tmp_path / "my_pair.py", tmp_path / "log"
    pair.write_text(LOSS)
    assert command.main("forward", ["--pair", str(pair), "--dtype", "float64", "--reprod-log", str(folder)]) == 0
    helper = reprod_log.ReprodDiffHelper()
    sides = [helper.load_info(str(folder / f"forward_{side}.npy")) for side in ("ref", "paddle")]
    helper.compare_info(*sides)
    helper.report(path=str(folder / "again.log"))
    assert "passed" in (folder / "again.log").read_text()
