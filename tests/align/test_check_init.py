"""Initial values: fresh networks start from PyTorch's distributions, and what does not is found and named."""

import json

import numpy as np
import pytest

from align.cases.initial import CASES, fans, known_initialisations
from align.checks import initial as check_init
from align.checks.initial import check_case, compared, distance, limit
from align.faults.initial import FAULTS, planted_entry

TESTS = 185  # parameters of all networks


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault_is_found_and_named(fault):
    entry = planted_entry(fault)
    blamed = entry["blamed"]
    assert entry["verdict"] == "diverged"
    assert f"{blamed['layer']}.{blamed['slot']}" == fault.parameter
    assert blamed["cause"]["name"] == fault.cause


@pytest.mark.parametrize("case", ["generator-light", "discriminator-local"])
def test_no_false_alarm_over_twenty_seeds(case):
    """Every seed a run of its own, of two networks on each side."""
    for seed in range(100, 140, 2):
        entry = check_case(CASES[case], range(seed, seed + 2), TESTS)
        assert entry["verdict"] == "aligned", entry["blamed"]


def test_limit_holds_what_it_promises():
    """With FALSE_ALARMS so small no draw of a thousand may exceed it, and a shift of half a deviation must."""
    rng = np.random.default_rng(0)
    draws = [distance(rng.normal(size=50), rng.normal(size=50)) for _ in range(1000)]
    assert max(draws) < limit(50, 50, 1)
    assert distance(rng.normal(size=1000), rng.normal(0.5, 1, 1000)) > limit(1000, 1000, TESTS)


@pytest.mark.parametrize(
    ("found", "note"),
    [
        (None, "Paddle has no such key"),
        ([np.ones((2, 3))] * 2, "shape [2, 3]"),
        ([np.full(4, np.nan)] * 2, "NaN"),
        ([np.arange(4.0)] * 2, "the same values for every seed"),
    ],
)
def test_what_cannot_be_compared_fails(found, note):
    wanted = list(np.random.default_rng(0).normal(size=(2, 4)))
    row = compared("layer.weight", wanted, found, "Linear", 1)
    assert row.verdict == "fail" and note in row.note


def test_constants_are_compared_exactly():
    ones = [np.ones(4, "float32")] * 3
    assert compared("norm.rho", ones, ones, "ILN", 1).verdict == "pass"
    assert (
        compared("norm.rho", ones, [np.nextafter(array, np.float32(2)) for array in ones], "ILN", 1).verdict == "fail"
    )


def test_known_initialisations():
    assert fans((8, 4, 3, 3)) == (36, 72) and fans((8, 4)) == (4, 8) and fans((5,)) == (5, 5)
    assert set(known_initialisations("ILN", "rho", 1, 1)) < set(known_initialisations("Linear", "weight", 1, 1))


def test_command(tmp_path, capsys):
    report, page = tmp_path / "init.json", tmp_path / "init.html"
    arguments = ["discriminator-local", "--seeds", "4", "--json", str(report), "--html", str(page)]
    assert check_init.main(arguments) == 0
    assert "ALIGNED" in capsys.readouterr().out and "ALIGNED" in page.read_text()
    assert json.loads(report.read_text())["check"] == "init"
    for wrong in (["no-such-case"], ["--seeds", "1"], ["--seed", "-1"]):
        assert check_init.main(wrong) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_difference_gives_exit_code_one(capsys):
    (fault,) = [fault for fault in FAULTS if fault.number == 25]
    with fault.planted(CASES[fault.case]):
        assert check_init.main([fault.case, "--seeds", "2"]) == 1
    assert "UpBlock2.3.rho starts differently" in capsys.readouterr().out
