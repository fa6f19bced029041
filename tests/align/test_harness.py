"""The rules of the verdict, each on the smallest comparison that would slip through without it."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import paddle
import pytest

from align.cases import CASES, Case
from align.checks.layers import check_case
from align.compare.paddle_side import PaddleSide
from align.compare.reference import NotComparable, Reference, measure
from align.compare.torch_side import TorchSide
from align.compare.verdict import (
    FLOAT32_ULP,
    Judge,
    Row,
    blame,
    blame_message,
    error_of,
    in_order,
    mean_error_of,
    weight_rows,
)
from align.compare.views import Key
from align.planting import run

OUT = Key("output", "layer", 0, "0")
PARAM = Key("grad_param", "layer", 0, "weight")


def reference_of(tensors, weights=None, floors=None, order=(("layer", 0),)):
    types = {"": "Model", "layer": "Linear", "first": "Linear", "second": "Linear"}
    return Reference("case", 0, weights or {}, [], [], tensors, floors or {}, types, list(order))


def judged(tensors, arrays, check="forward", dtype="float64", view="isolated", **more):
    """Rows by Key of a run that gave `arrays` where the reference has `tensors`."""
    judge = Judge(reference_of(tensors, **more), check, view, dtype, limit=1e-10)
    for key, array in arrays.items():
        judge(key, array)
    judge.finish()
    return judge.rows


def verdict(truth, array, dtype="float64", key=OUT, check="forward", **more):
    return judged({key: truth}, {key: array}, check, dtype, **more)[key].verdict


VALUES = np.arange(1.0, 7.0).reshape(2, 3)


def test_equal_values_pass():
    assert verdict(VALUES, VALUES.copy()) == "pass"
    assert verdict(VALUES, VALUES * (1 + 1e-12)) == "pass"
    assert verdict(np.zeros((2, 3)), np.zeros((2, 3))) == "pass"
    assert verdict(None, None, key=PARAM, check="backward") == "pass"


@pytest.mark.parametrize(
    ("truth", "array"),
    [
        pytest.param(VALUES, VALUES * (1 + 1e-9), id="beyond the limit"),
        pytest.param(np.zeros(4), np.full(4, np.nan), id="NaN for 0"),
        pytest.param(np.full(4, np.nan), np.full(4, np.nan), id="NaN for NaN"),
        pytest.param(np.full(4, np.inf), np.full(4, np.inf), id="infinite on both sides"),
        pytest.param(np.zeros(4), np.array([0, 0, 0, np.inf]), id="one infinite"),
        pytest.param(VALUES, VALUES.astype("float32"), id="dtype"),
        pytest.param(np.ones((4, 1)), np.ones(4), id="(4,1) for (4,)"),
        pytest.param(np.ones((1, 4)), np.ones((4, 1)), id="(1,4) for (4,1)"),
        pytest.param(np.ones(0), np.ones(0), id="empty"),
        pytest.param(np.zeros(3), None, id="none for zero"),
        pytest.param(None, np.zeros(3), id="zero for none"),
    ],
)
def test_what_is_not_equal_fails(truth, array):
    assert verdict(truth, array) == "fail"


def test_a_failure_says_what_it_is():
    def note(array):
        return judged({OUT: VALUES[:1]}, {OUT: array})[OUT].note

    assert note(np.full((1, 3), np.nan)) == "NaN or infinite"
    assert note(np.ones(3)) == "shape [3], PyTorch's is [1, 3]"
    assert note(np.ones((1, 3), "float32")) == "dtype float32, wanted float64"
    assert judged({OUT: np.ones(0)}, {OUT: np.ones(0)})[OUT].note == "empty"


def test_error_of_what_is_no_number_or_no_shape_is_infinite():
    for error in (error_of, mean_error_of):
        for array in (np.array([1, np.nan]), np.array([1, np.inf]), np.ones((2, 1)), np.ones((1, 2))):
            assert error(np.ones(2), array, 1.0) == np.inf
        assert error(np.ones(0), np.ones(0), 1.0) == np.inf
    assert error_of(np.ones(2), np.array([1, 1.5]), 2.0) == 0.25


def test_one_element_of_a_million_is_seen():
    truth = np.random.default_rng(0).standard_normal(10**6)
    array = truth.copy()
    array[777_777] += 0.5
    assert verdict(truth, truth.copy()) == "pass"
    assert verdict(truth, array) == "fail"
    assert verdict(truth, array.astype("float32"), "float32", floors={("isolated", OUT): 1e-6}) == "fail"


def test_small_values_count_against_the_tensor_they_are_in():
    """Relative to the largest value: no constant floor below which small tensors are waved through."""
    assert verdict(1e-12 * VALUES, 1.1e-12 * VALUES) == "fail"


def test_transposed_square_gradient_fails():
    gradient = np.arange(16.0).reshape(4, 4)
    assert verdict(gradient, gradient.T, key=PARAM, check="backward") == "fail"
    case, reference = CASES["linear"], measure(CASES["linear"], TorchSide)

    def untransposed(side, model):
        return {name: side.gradient(parameter) for name, parameter in model.named_parameters()}

    assert check_case(case, reference, "backward")["verdict"] == "aligned"
    with patch.object(PaddleSide, "parameter_gradients", untransposed):
        entry = check_case(case, reference, "backward")
    assert (entry["verdict"], entry["blamed"]["what"], entry["blamed"]["slot"]) == ("diverged", "grad_param", "weight")


def test_calls_of_one_side_only_fail():
    later = OUT._replace(call=1)
    rows = judged({OUT: VALUES, later: VALUES}, {OUT: VALUES})
    assert {key: row.verdict for key, row in rows.items()} == {OUT: "pass", later: "fail"}
    rows = judged({OUT: VALUES}, {OUT: VALUES, later: VALUES})
    assert {key: row.verdict for key, row in rows.items()} == {OUT: "pass", later: "fail"}


def test_layer_of_one_side_only_fails():
    other = OUT._replace(layer="other")
    assert judged({OUT: VALUES, other: VALUES}, {OUT: VALUES})[other].verdict == "fail"
    assert judged({OUT: VALUES}, {OUT: VALUES, other: VALUES})[other].verdict == "fail"


def test_zero_gradient_is_judged_by_its_layer():
    """The gradient of a bias before a norm is rounding on both sides; a real one of that size would not be."""
    bias = PARAM._replace(slot="bias")
    truth = {PARAM: VALUES, bias: np.full(3, 1e-17)}
    assert judged(truth, {PARAM: VALUES, bias: np.full(3, -3e-17)}, "backward")[bias].verdict == "pass"
    assert judged(truth, {PARAM: VALUES, bias: np.full(3, 1e-9)}, "backward")[bias].verdict == "fail"
    small = OUT._replace(layer="other")  # no such excuse for an output
    truth = {OUT: VALUES, small: np.full(3, 1e-17)}
    assert judged(truth, {OUT: VALUES, small: np.full(3, -3e-17)})[small].verdict == "fail"


def test_bias_before_a_norm_is_aligned():
    def build(layers):
        return layers.Sequential(layers.Conv2D(3, 8, 3), layers.InstanceNorm2D(8))

    case = Case("conv-norm", build, [(2, 3, 9, 8)], "", "layers/convolution.py", "Conv2D")
    entry = check_case(case, measure(case, TorchSide), "backward")
    (row,) = [
        r
        for r in entry["rows"]
        if r["slot"] == "bias" and r["what"] == "grad_param" and r["view"] == "isolated" and r["dtype"] == "float64"
    ]
    assert (entry["verdict"], row["verdict"]) == ("aligned", "pass")


def test_float32_is_judged_by_the_measured_floor():
    floors = {("isolated", OUT): 1e-4}
    truth = np.ones(5)
    assert verdict(truth, (truth * (1 + 3.9e-4)).astype("float32"), "float32", floors=floors) == "pass"
    assert verdict(truth, (truth * (1 + 4.1e-4)).astype("float32"), "float32", floors=floors) == "fail"
    other_view = {("propagated", OUT): 1e-4}
    assert verdict(truth, (truth * (1 + 3.9e-4)).astype("float32"), "float32", floors=other_view) == "fail"


def test_float32_without_a_floor_is_judged_by_units_in_the_last_place():
    truth = np.ones(5)
    for units, wanted in ((8, "pass"), (9, "fail")):
        assert verdict(truth, (truth + units * FLOAT32_ULP).astype("float32"), "float32") == wanted
    weights = {"layer.weight": np.ones((3, 10_000))}  # a sum of 10 000 terms: 1.15 times its root, 115 units
    for units, wanted in ((115, "pass"), (116, "fail")):
        array = (truth + units * FLOAT32_ULP).astype("float32")
        assert verdict(truth, array, "float32", weights=weights) == wanted
    assert verdict(truth, truth + 9 * FLOAT32_ULP, weights=weights) == "fail"  # float64 takes no floor


def test_only_float32_gradients_of_a_free_run_are_judged_by_the_mean():
    """One ReLU that rounding flips may turn one value; anywhere else one value is a fault."""
    gradient = PARAM._replace(what="grad_output", slot="0")
    truth = np.ones(10_000)
    array = truth.copy()
    array[5] += 1e-3  # 1e-5 in the mean

    def one_off(key, check, view="propagated", dtype="float32"):
        floors = {(view, key): 3e-6}
        rows = judged({key: truth}, {key: array.astype(dtype)}, check, dtype, view, floors=floors)
        return rows[key].verdict

    assert one_off(gradient, "backward") == "pass"
    assert one_off(gradient, "backward", view="isolated") == "fail"
    assert one_off(gradient, "backward", dtype="float64") == "fail"
    assert one_off(OUT, "forward") == "fail"


def test_weights_are_compared_bit_for_bit():
    weights = {"layer.weight": VALUES, "layer.bias": np.ones(3)}

    def verdicts(state):
        rows = weight_rows(reference_of({}, weights), state, "float64")
        return {row.slot: row.verdict for row in rows}

    assert verdicts(weights) == {"weight": "pass", "bias": "pass"}
    assert verdicts(weights | {"layer.weight": np.nextafter(VALUES, 9)})["weight"] == "fail"
    assert verdicts(weights | {"layer.weight": VALUES.T})["weight"] == "fail"
    assert verdicts(weights | {"layer.bias": np.full(3, np.nan)})["bias"] == "fail"
    assert verdicts(weights | {"layer.bias": np.ones(3, "float32")})["bias"] == "fail"
    assert verdicts({"layer.weight": VALUES}) == {"weight": "pass", "bias": "fail"}
    assert verdicts(weights | {"layer.more": np.ones(3)}) == {"weight": "pass", "bias": "pass", "more": "fail"}


def test_no_comparison_is_no_verdict():
    entry = check_case(CASES["linear"], measure(CASES["linear"], TorchSide), "forward", dtypes=())
    assert (entry["verdict"], entry["note"]) == ("not comparable", "nothing was compared")


def _noisy(own, _layer, x):
    return own(x) * (1 + 1e-3 * paddle.rand([1], x.dtype))


def test_a_side_that_does_not_repeat_itself_is_not_comparable():
    case, reference = CASES["upsample"], measure(CASES["upsample"], TorchSide)
    entry = check_case(case, reference, "forward", tamper=run(_noisy))
    assert entry["verdict"] == "not comparable" and "paddle does not repeat itself" in entry["note"]

    def with_dropout(layers):
        from torch import nn

        return nn.Dropout(0.5)

    with pytest.raises(NotComparable, match="torch does not repeat itself"):
        measure(replace(case, build=with_dropout), TorchSide)


def test_parameter_that_pytorch_has_not_is_a_difference():
    def affine(layer):
        layer.scale = layer.create_parameter([8], dtype="float64")

    case = CASES["instance-norm"]
    entry = check_case(case, measure(case, TorchSide), "forward", ("float64",), tamper=affine)
    assert entry["verdict"] == "diverged"
    note = "PyTorch has no such key, Paddle's has the shape [8]"
    assert (entry["blamed"]["slot"], entry["blamed"]["note"]) == ("scale", note)


@pytest.mark.parametrize("spoil", [lambda state: state.pop("bias"), lambda state: state.update(bias=np.zeros(9))])
def test_weights_that_do_not_fit_are_a_difference(spoil):
    case = CASES["linear"]
    reference = measure(case, TorchSide)
    spoil(reference.weights)
    entry = check_case(case, reference, "forward", ("float64",))
    assert entry["verdict"] == "diverged" and entry["blamed"]["slot"] == "bias" and not entry["note"]


# Blame.

ORDER = [("first", 0), ("second", 0), ("first", 1)]


def row(layer, what="output", view="isolated", verdict="fail", call=0, dtype="float64", note=""):
    return Row(layer, "Linear", call, what, "0", view, dtype, [1], 1.0, None, 1e-10, verdict, note)


def blamed(rows, check="forward"):
    return blame(in_order(rows, reference_of({}, order=ORDER), check))


def test_first_isolated_failure_is_blamed_and_the_rest_inherits():
    innocent = row("first", verdict="pass")
    guilty, victims = row("second"), [row("second", view="propagated"), row("first", view="propagated", call=1)]
    assert blamed([*victims, guilty, innocent]) is guilty
    assert [r.verdict for r in (innocent, guilty, *victims)] == ["pass", "fail", "inherited", "inherited"]


def test_a_propagated_failure_before_the_isolated_one_does_not_take_the_blame():
    early, guilty = row("first", view="propagated"), row("second")
    assert blamed([early, guilty]) is guilty


def test_of_two_isolated_failures_the_first_in_execution_is_blamed():
    rows = [row("first", call=1), row("second"), row("first")]
    assert blamed(rows) is rows[2]
    assert blamed(rows[:2]) is rows[1]
    assert [r.verdict for r in rows] == ["fail", "fail", "fail"]


def test_backward_the_last_in_execution_is_blamed():
    rows = [row("first", "grad_input"), row("second", "grad_input"), row("first", "grad_input", call=1)]
    assert blamed(rows, "backward") is rows[2]
    assert blamed(rows[:2], "backward") is rows[1]


@pytest.mark.parametrize(
    ("check", "whats"),
    [
        ("forward", ["weight", "input", "output", "state"]),
        ("backward", ["weight", "grad_output", "grad_input", "grad_param"]),
    ],
)
def test_within_a_layer_what_arrives_comes_before_what_leaves(check, whats):
    rows = [row("first", what, call=1 if what not in ("weight", "state", "grad_param") else 0) for what in whats]
    for i, wanted in enumerate(rows):
        assert blamed(rows[:i:-1] + [wanted], check) is wanted


def test_weights_are_blamed_before_anything_else():
    weight, early = row("second", "weight", view="state"), row("first")
    assert blamed([early, weight]) is weight
    assert blamed([row("first", note="Paddle never computed it"), weight]) is weight


def test_unmatched_calls_are_blamed_before_values():
    early, extra = row("first"), row("second", view="propagated", note="PyTorch has no tensor of this name")
    assert blamed([early, extra]) is extra
    lost = row("second", note="Paddle never computed it")
    assert blamed([early, lost]) is lost


def test_failures_in_free_running_only_still_count():
    rows = [row("second", view="propagated"), row("first", view="propagated", call=1)]
    assert blamed(rows) is rows[0]
    assert [r.verdict for r in rows] == ["fail", "inherited"]


def test_nothing_failed_nobody_is_blamed():
    assert blamed([row("first", verdict="pass"), row("second", view="propagated", verdict="pass")]) is None


def test_message_tells_the_glue_from_the_layer():
    assert blame_message(row("first", "input"), "Net").startswith("the code before first (Linear)")
    assert blame_message(row("first", "grad_output"), "Net").startswith("the code after first (Linear)")
    assert blame_message(row("first"), "Net").startswith("first (Linear): output differs")
    assert blame_message(row(""), "Net").startswith("Net: output differs")
