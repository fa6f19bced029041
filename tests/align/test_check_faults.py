"""The fault benchmark: complete, its subset reaches the rates, and a harness that is worse does not."""

import json
from unittest.mock import patch

import pytest

from align.causes import search as causes
from align.checks.layers import check_case
from align.compare.verdict import Judge
from align.faults import benchmark, other_tools
from align.faults import command as check_faults
from align.faults.catalogue import CASES, CATALOGUE, CAUSES, MODEL_FAULTS


def test_every_fault_of_the_catalogue_is_planted():
    assert list(CATALOGUE) == list(range(1, 68)) and benchmark.missing() == []
    assert {fault.name for fault in MODEL_FAULTS} == CAUSES.keys()
    names = [(number, name) for number, name, _ in benchmark.plans()]
    assert len(set(names)) == len(names)


def test_subset_reaches_the_rates(tmp_path, capsys):
    report, page = tmp_path / "faults.json", tmp_path / "new" / "faults.html"
    code = check_faults.main(["--subset", "--json", str(report), "--html", str(page)])
    out = capsys.readouterr().out
    assert code == 0 and "REACHED" in out and "not caught" not in out
    document = json.loads(report.read_text())
    rates = document["rates"]
    assert document["passed"] and rates["caught"] == 1 and rates["located"] >= 0.95 and rates["named"] >= 0.8
    assert rates["false_alarms"] == rates["misnamed"] == 0 and rates["controls"] >= 15
    assert {fault["number"] for fault in document["faults"]} == set(check_faults.SUBSET)
    html = page.read_text()
    assert "✓ REACHED" in html and "Controls" in html and "<script" not in html and "http" not in html


@pytest.mark.parametrize(
    ("only", "owner", "name", "replacement"),
    [
        ("16", Judge, "_compare", lambda self, key, array: self._row(key, [], 0.0, "")),
        ("16", causes, "find_cause", lambda *_: {"name": "unknown", "before": 1, "after": None, "tried": 1}),
        ("16", causes, "find_cause", lambda *_: {"name": "eps 7", "before": 1, "after": 0.0, "tried": 1}),
    ],
    ids=["blind", "without causes", "guessing"],
)
def test_a_worse_harness_does_not_pass(only, owner, name, replacement, capsys):
    with patch.object(owner, name, replacement):
        assert check_faults.main(["--only", only]) == 1
    assert "NOT REACHED" in capsys.readouterr().out


def test_a_false_alarm_fails_the_benchmark():
    found = [benchmark.timed(plan) for _, _, plan in benchmark.plans([59])]
    assert benchmark.passed(benchmark.rates(found, [{"name": "", "seed": 0, "alarm": ""}]))
    assert not benchmark.passed(benchmark.rates(found, [{"name": "", "seed": 0, "alarm": "output differs"}]))


def test_a_fault_that_cannot_exist_is_reported_with_the_reason(capsys):
    outcome = benchmark.Outcome(43, "x", "forward", "case", impossible="this Paddle computes it rightly")
    assert "cannot exist here: this Paddle" in check_faults._line(outcome)
    assert benchmark.rates([outcome], [])["plantings"] == 0


def test_others_are_asked_where_they_can_be(capsys):
    assert check_faults.main(["--only", "16", "29", "45", "--others"]) == 0
    out = capsys.readouterr().out
    assert "allclose: " in out and "reprod_log: " in out and "PaDiff: " in out
    (tanh,) = [plan for _, name, plan in benchmark.plans([29]) if name == "tanh missing"]
    outcome = tanh()
    assert other_tools.shown(outcome, {"allclose": other_tools._allclose}) == {"allclose": "caught"}


def test_outputs_of_another_shape_take_no_gradient():
    (fault,) = [fault for fault in MODEL_FAULTS if fault.name == "max pool without ceil_mode"]
    with fault.planted() as tamper:
        entry = check_case(CASES[fault.case], benchmark.reference(fault.case), "backward", tamper=tamper)
    assert entry["verdict"] == "not comparable" and "differ in shape" in entry["note"]


@pytest.mark.parametrize("arguments", [["--only", "68"], ["--seeds", "-1"]])
def test_bad_usage(arguments, capsys):
    assert check_faults.main(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1
