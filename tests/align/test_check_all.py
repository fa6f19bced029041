"""All checks as one: what one of them finds, or fails to do, decides the exit code."""

import pytest

from align.cases.initial import CASES as INITIAL
from align.checks import all as check_all


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
