"""The comparison of trained results: it runs, resumes, and sees where two frameworks differ or nothing is learned."""

import json

import pytest

from align.checks import learning as check_learning
from tests.training.test_run import faces, options_file  # noqa: F401  (faces is a fixture)


def outcome(kid, distance):
    return {"before": {"KID": 9.0, "L1": 90.0}, "after": {"KID": kid, "L1": distance}, "seconds": 60}


UNTRANSLATED = {"KID": 8.0, "L1": 50.0}


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        ([(3, 40), (2, 41)], [(2.5, 39), (3.5, 42)], None),
        ([(3, 40), (2, 41)], [(1.2, 40), (1.5, 41)], "KID: the frameworks' results do not overlap"),
        ([(3, 30), (2, 31)], [(3, 40), (2, 41)], "L1: the frameworks' results do not overlap"),
        ([(5, 40), (4, 41)], [(5, 39), (4, 42)], "paddle: KID 4.5 is not below 4"),
        ([(3, 60), (2, 50)], [(3, 60), (2, 50)], "torch: L1 55 is not below 50"),
    ],
)
def test_verdict(ours, theirs, told):
    found = {"paddle": [outcome(*run) for run in ours], "torch": [outcome(*run) for run in theirs]}
    faults = check_learning.verdict(found, UNTRANSLATED)
    assert any(told in fault for fault in faults) if told else faults == []


def test_the_whole_command_in_small(faces, tmp_path, capsys):  # noqa: F811
    arguments = ["--config", str(options_file(tmp_path, iteration=2)), "--data", str(faces), "--out", str(tmp_path)]
    arguments += ["--seeds", "0", "--features", "pixels"]
    assert check_learning.main(arguments) == 1  # nothing is learned in two iterations
    told = capsys.readouterr()
    assert "| paddle, after training |" in told.out and "is not below" in told.err
    results = [json.loads((tmp_path / f"{name}-0.json").read_text()) for name in check_learning.FRAMEWORKS]
    # The same start and the same batches: after two iterations the results are nearly the same.
    assert results[0]["before"] == results[1]["before"]
    for name in ("KID", "L1"):
        assert results[0]["after"][name] == pytest.approx(results[1]["after"][name], rel=1e-3)
        assert results[0]["after"][name] != results[0]["before"][name]
    assert (tmp_path / "learning.png").stat().st_size > 1000
    assert check_learning.main([*arguments, "lr=0.5"]) == 2
    assert "belongs to a run with other options" in capsys.readouterr().err
