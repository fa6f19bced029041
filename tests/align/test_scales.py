"""What is zero but for rounding is judged by what cancelled in it; a fault beside it is still found."""

import numpy as np
import pytest

from align.cases import Case
from align.checks.layers import check_case
from align.compare.reference import Reference, measure
from align.compare.scales import Scales
from align.compare.torch_side import TorchSide
from align.compare.verdict import FLOAT32_ULP, SUM_ULPS, UNDETERMINED, Judge, terms_of
from align.compare.views import Key
from align.planting import local, run

IN, OUT = Key("input", "fc", 0, "0"), Key("output", "fc", 0, "0")
WEIGHTS = {"fc.weight": np.full((1, 128), 0.5) * np.where(np.arange(128) % 2, 1, -1)}


def logit(distance, dtype="float32"):
    """The verdict on a logit of 1e-3 in which 128 products of size 0.5 cancel, off by `distance`."""
    truth = {IN: np.ones((1, 128)), OUT: np.array([[1e-3]])}
    reference = Reference("case", 0, WEIGHTS, [], [], truth, {}, {"fc": "Linear"}, [("fc", 0)])
    judge = Judge(reference, "forward", "isolated", dtype, 1e-10)
    judge(OUT, (truth[OUT] + distance).astype(dtype))
    return judge.rows[OUT].verdict


def test_a_logit_in_which_products_cancel_is_judged_by_the_products():
    assert logit(2e-6) == "pass"  # 17 units in the last place of 1, which the products add up to along the way
    assert logit(2e-5) == "fail"
    assert logit(5e-14, "float64") == "pass" and logit(1e-12, "float64") == "fail"


def test_the_models_output_is_judged_as_the_layer_it_comes_from():
    passed_on, other = Key("output", "", 0, "0"), Key("output", "", 0, "1")
    tensors = {IN: np.ones((1, 128)), OUT: np.array([[1e-6]]), passed_on: np.array([[1e-6, 2e-6]])}
    scales = Scales(tensors | {other: np.array([[3e-6]])}, WEIGHTS, {"fc": "Linear"}, [("fc", 0)]).of("float32")
    assert scales[passed_on] == scales[OUT] == pytest.approx(128**0.5 * 0.5)
    assert scales[other] == 3e-6


def test_a_zero_gradient_is_judged_by_the_terms_of_its_sum():
    gradient, weight = Key("grad_output", "fc", 0, "0"), Key("grad_param", "fc", 0, "weight")
    tensors = {IN: np.full((4, 128), 2.0), gradient: np.full((4, 1), 3.0), weight: np.full((1, 128), 1e-15)}
    scales = Scales(tensors, WEIGHTS, {"fc": "Linear"}, [("fc", 0)])
    assert scales.of("float64")[weight] == pytest.approx(2 * 2 * 3)
    assert not scales.undetermined  # which is about values


def _norms(layers):
    conv, norm = layers.Conv2D, layers.InstanceNorm2D
    return layers.Sequential(conv(3, 8, 3), norm(8), layers.LeakyReLU(0.2), conv(8, 8, 3), norm(8), conv(8, 2, 1))


CASE = Case("norms", _norms, [(1, 3, 12, 12)], "", "layers/norm.py", "InstanceNorm2D")
COLOUR = [[np.full((1, 3, 12, 12), 1.0) * np.float32([0.57, -0.06, -0.69])[:, None, None].astype("float64")]]


@pytest.fixture(scope="module")
def reference():
    return measure(CASE, TorchSide, inputs=COLOUR)


@pytest.mark.parametrize("check", ["forward", "backward"])
def test_a_picture_of_one_colour_is_aligned_and_says_how_it_was_judged(reference, check):
    entry = check_case(CASE, reference, check, causes=True)
    assert (entry["verdict"], entry["blamed"], entry["note"]) == ("aligned", None, UNDETERMINED)


@pytest.mark.parametrize("check", ["forward", "backward"])
def test_a_fault_behind_a_picture_of_one_colour_is_found_in_its_layer(reference, check):
    fault = local(0, "off", "", "2", run(lambda own, layer, x: own(x) * 1.001))
    if check == "backward":
        fault = local(0, "off", "", "5", run(lambda own, layer, x: own(x) + 1e-3 * own(x).detach() * own(x)))
    with fault.planted() as tamper:
        entry = check_case(CASE, reference, check, tamper=tamper)
    assert entry["verdict"] == "diverged" and entry["blamed"]["layer"] == getattr(fault, check)


def test_a_sum_one_after_another_is_allowed():
    """As in Paddle 2.6 the gradient of a bias, over pixels: float32 sums of 256 values stay within the limit."""
    rng = np.random.default_rng(0)
    limit = FLOAT32_ULP * max(8, SUM_ULPS * 16)
    errors = []
    for _ in range(500):
        values = rng.standard_normal(256).astype("float32") + np.float32(1)
        errors.append(abs(float(np.cumsum(values)[-1]) / float(values.astype("float64").sum()) - 1))
    assert max(errors) < limit < 5 * max(errors)


def test_terms_of_a_linear_layer_on_maps_are_its_pixels():
    maps = np.ones((1, 16, 16, 4))  # channels last, as a Linear takes them
    assert terms_of({"a.weight": np.ones((4, 1))}, {Key("output", "a", 0, "0"): maps})["a"] == 256
