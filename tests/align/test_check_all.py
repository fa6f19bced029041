"""All checks as one: what one of them finds, or fails to do, decides the exit code."""

import numpy as np
import pytest

from align.cases.initial import CASES as INITIAL
from align.checks import all as check_all
from align.checks import reproduction


@pytest.mark.parametrize(
    ("codes", "expected"),
    [([0, 0], 0), ([0, 1, 2], 1), ([0, 2], 2), ([0, -9], 2), ([137, 1], 1), ([], 2)],
)
def test_exit_code(codes, expected):
    assert check_all.worst(codes) == expected


def test_every_check_is_run_and_the_page_drawn(tmp_path, capsys):
    assert check_all.main(["--out", str(tmp_path), "--only", "data"]) == 0
    told = capsys.readouterr().out
    assert "aligned" in told and told.rstrip().endswith("ALIGNED")
    assert (tmp_path / "index.html").stat().st_size > 1000 and (tmp_path / "data.log").exists()
    for name in check_all.CHECKS:
        if name != "init":
            assert (check_all.ROOT / "align" / f"check_{name}.py").is_file()


def test_quick_runs_every_check_on_fewer_cases_and_says_so(tmp_path, capsys):
    assert tuple(check_all.QUICK) == check_all.CHECKS
    assert set(check_all.QUICK["init"][0]) < set(INITIAL)
    assert check_all.main(["--quick", "--out", str(tmp_path), "--only", "data"]) == 0
    assert "ALIGNED, quick" in capsys.readouterr().out
    assert "(quick: all cases)" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_quick_options_are_passed_on(tmp_path, monkeypatch):
    given = {}
    monkeypatch.setattr(check_all, "outcome", lambda name, folder, options=(): given.update({name: options}) or (0, ""))
    assert check_all.main(["--out", str(tmp_path)]) == 0 and set(given.values()) == {()}
    assert check_all.main(["--quick", "--out", str(tmp_path)]) == 0
    assert given == {name: options for name, (options, _) in check_all.QUICK.items()}


def test_a_check_that_fails_is_seen(tmp_path, capsys, monkeypatch):
    (tmp_path / "data.json").write_text('{"schema": "stale"}')
    script = tmp_path / "check.py"
    script.write_text("import sys; print('DIVERGED: layer 3'); sys.exit(1)")
    run = check_all.outcome
    monkeypatch.setattr(check_all, "outcome", lambda name, folder, options: run(name, folder, script))
    assert check_all.main(["--out", str(tmp_path), "--only", "data", "metric"]) == 1
    assert "DIVERGED: layer 3" in capsys.readouterr().out
    assert not (tmp_path / "data.json").exists()


def test_the_files_of_every_verification_point(tmp_path, capsys, monkeypatch):
    assert check_all.main(["--reprod-log", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    for name in ("forward", "data", "metric", "loss", "lr", "bp_align", "train_align"):
        assert f"{name}_diff.log: diff check passed" in told
        sides = [np.load(tmp_path / f"{name}_{side}.npy", allow_pickle=True).tolist() for side in ("paddle", "ref")]
        assert sides[0].keys() == sides[1].keys() and sides[0]
    monkeypatch.setattr(reproduction, "STEPS", 1)
    monkeypatch.setattr(reproduction, "NETWORKS", ("discriminator-local",))
    own = reproduction.frechet.frechet_distance
    monkeypatch.setattr(reproduction.frechet, "frechet_distance", lambda x, y: 1.01 * own(x, y))
    assert check_all.main(["--reprod-log", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "metric_diff.log: diff check failed" in said.out and "some results differ" in said.err


def test_reprod_log_reads_those_files(tmp_path):
    reprod_log = pytest.importorskip("reprod_log")
    logs, passed = reproduction.written(tmp_path)
    assert passed and len(logs) == 7
    for log in logs:
        helper, name = reprod_log.ReprodDiffHelper(), log.name.removesuffix("_diff.log")
        helper.compare_info(*(helper.load_info(str(tmp_path / f"{name}_{side}.npy")) for side in ("ref", "paddle")))
        helper.report(path=str(tmp_path / "again.log"))
        assert "passed" in (tmp_path / "again.log").read_text()
