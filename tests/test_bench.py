"""The benchmark runs; its figures are not judged here."""

import pytest

from tools import bench


def test_runtime_prints_a_table_with_every_variant(capsys):
    assert bench.main(["runtime", "--size", "16", "--repeat", "1"]) == 0
    out = capsys.readouterr().out
    assert all(f"| {name} |" in out for name in bench.VARIANTS)


def test_a_run_that_fails_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(bench, "WORK", "raise SystemExit('no such thing') # {size}")
    assert bench.main(["runtime"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("setting", ["off", "all"])
def test_seconds_are_positive(setting):
    assert bench.seconds(setting, 16) > 0
