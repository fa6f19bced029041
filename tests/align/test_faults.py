"""Who tests the tester: every planted fault is found in the right layer, and what is no fault is left alone."""

from functools import lru_cache

import pytest

import paddle_ugatit  # noqa: F401  first: it sets the process up before Paddle, and so before PyTorch
from align.checks.layers import check_case
from align.compare.reference import measure
from align.compare.torch_side import TorchSide
from align.faults import layers, sagan
from align.faults.controls import CONTROLS, SAME_BITS

CHECKS = ("forward", "backward")
CASES, FAULTS = layers.CASES | sagan.CASES, layers.FAULTS + sagan.FAULTS


@lru_cache
def reference(case, seed=0):
    return measure(CASES[case], TorchSide, seed)


def report(fault, check, seed=0):
    with fault.planted() as tamper:
        return check_case(CASES[fault.case], reference(fault.case, seed), check, tamper=tamper)


@lru_cache
def verdict_without_fault(case, check, seed=0):
    return check_case(CASES[case], reference(case, seed), check)["verdict"]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.number} {fault.name}")
def test_fault_is_found_in_its_layer(fault, check):
    assert verdict_without_fault(fault.case, check) == "aligned"
    entry, wanted = report(fault, check), getattr(fault, check)
    if wanted is None:
        assert (entry["verdict"], entry["blamed"], entry["counts"]["failed"]) == ("aligned", None, 0)
    else:
        assert (entry["verdict"], entry["blamed"] and entry["blamed"]["layer"]) == ("diverged", wanted)
        assert {row["dtype"] for row in entry["rows"] if row["verdict"] != "pass"} == set(fault.dtypes)
    after = check_case(CASES[fault.case], reference(fault.case), check, dtypes=("float64",))
    assert after["verdict"] == "aligned"


def test_every_fault_shows_in_a_check_and_has_a_name_of_its_own():
    assert all(fault.forward is not None or fault.backward is not None for fault in FAULTS)
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("case", sorted({fault.case for fault in FAULTS}))
def test_blamed_layers_exist(case):
    faults = [fault for fault in FAULTS if fault.case == case]
    layers = {layer for fault in faults for layer in (fault.forward, fault.backward) if layer is not None}
    assert layers <= reference(case).types.keys()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gmp by gap's weight", "the code before conv1x1 (Conv2d) passes it a different input"),
        ("attention by the normalised weight", "the code before conv1x1 (Conv2d) passes it a different input"),
        ("no skip in one block", "the code before UpBlock1_2.pad1 (ReflectionPad2d) passes it a different input"),
        ("flattened as NHWC", "the code before FC.0 (Linear) passes it a different input"),
        ("heatmap as a mean", "ResnetGenerator: output differs"),
        ("square Linear loaded transposed", "FC.2 (Linear): weight weight differs"),
        ("no bias where PyTorch has one", "Paddle has no such key"),
        ("frozen bias that PyTorch has not", "PyTorch has no such key"),
        ("NaN at one element", "NaN or infinite"),
        ("encoder block left out", "Paddle never computed it"),
        ("discriminator's trunk run once more", "PyTorch has no tensor of this name"),
    ],
)
def test_message_says_what_is_wrong(name, words):
    (fault,) = [fault for fault in FAULTS if fault.name == name]
    assert words in report(fault, "forward")["blamed"]["message"]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_control_stays_silent(control, check):
    entry = report(control, check)
    assert (entry["verdict"], entry["counts"]["failed"]) == ("aligned", 0)


def test_controls_run_other_code():
    """Bits differ somewhere, or a control would show nothing."""
    for control in CONTROLS:
        if control.name not in SAME_BITS:
            right = check_case(CASES[control.case], reference(control.case), "forward")["rows"]
            assert [row["error"] for row in report(control, "forward")["rows"]] != [row["error"] for row in right]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    "case",
    [
        "adailn-odd",
        "iln-initial",
        "cam-head-ties",
        "spectral-conv-square",
        "generator-light-odd",  # batch 3
        "generator-full-initial",
        "discriminator-local",  # batch 1
        "discriminator-local-odd",
    ],
)
def test_other_seeds_stay_silent(case, seed, check):
    assert verdict_without_fault(case, check, seed) == "aligned"
