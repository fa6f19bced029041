"""Named causes: a mistake is named where it reproduces what Paddle gave, and nothing is named where it nearly does."""

from dataclasses import replace
from functools import lru_cache
from unittest.mock import patch

import numpy as np
import paddle
import pytest

from align import planting
from align.cases import CASES as ALL_CASES
from align.cases import TRAINING, Case
from align.causes import search as causes
from align.causes.training import find_training_cause
from align.checks import layers as check
from align.checks import training as check_training
from align.checks.layers import check_case
from align.compare.reference import measure
from align.compare.torch_side import TorchSide
from align.faults.catalogue import CAUSES, MODEL_FAULTS
from align.faults.layers import CASES
from align.faults.small_layer import SmallLayer, rules, twin
from align.faults.training import FAULTS as TRAINING_FAULTS
from align.faults.training import TINY, TRAINERS
from align.planting import local, put, run
from align.report.document import case_line, document
from align.report.page import render
from paddle_ugatit.layers import norm
from paddle_ugatit.layers.channels import spatial_sum
from paddle_ugatit.models import ugatit
from paddle_ugatit.training import Config


@lru_cache
def reference(case):
    return measure(CASES[case], TorchSide, float32=False)


def entry_of(fault, check_name="forward"):
    with fault.planted() as tamper:
        case = CASES[fault.case]
        return check_case(case, reference(fault.case), check_name, ("float64",), tamper, causes=True)


def cause_of(fault, check_name="forward"):
    return entry_of(fault, check_name)["blamed"]["cause"]


FEW = [
    "square Linear applied transposed",
    "two convolutions swapped",
    "biased layer variance",
    "eps 1e-6 in one ILN",
    "no skip in one block",
    "heatmap as a mean",
    "encoder block left out",
    "gmp by gap's weight",
]
BACKWARD = ["sigma detached", "attention weight detached", "one weight frozen", "power iteration with a gradient"]


@pytest.mark.parametrize("name", FEW + BACKWARD)
def test_cause_is_named_with_its_evidence(name):
    (fault,) = [fault for fault in MODEL_FAULTS if fault.name == name]
    cause = cause_of(fault, "backward" if name in BACKWARD else "forward")
    assert cause["name"] == CAUSES[name]
    assert cause["after"] <= 1e-10 and cause["tried"] >= 1
    assert cause["before"] is None or cause["before"] > 1e-10


def _nearly(own, _layer, x):
    return own(x) * (1 + 1e-6 * paddle.tanh(x))


def _two_mistakes(layer):
    put(eps=2e-5)(layer)
    run(lambda own, layer, x: own(x).flip([3]))(layer)


@pytest.mark.parametrize(
    "fault",
    [
        local(0, "an eps that nobody would write", "generator-light", "UpBlock2.3", put(eps=2.1e-5)),
        local(0, "a slope that nobody would write", "discriminator-local", "model.5", put(slope=0.0123)),
        local(0, "two mistakes at once", "generator-light", "UpBlock2.8", _two_mistakes),
        local(0, "nearly right", "iln", "", run(_nearly)),
    ],
    ids=lambda fault: fault.name,
)
def test_what_no_mistake_explains_is_unknown(fault):
    cause = cause_of(fault)
    assert (cause["name"], cause["after"]) == ("unknown", None) and cause["tried"] > 20


def test_a_mistake_that_would_show_elsewhere_is_not_named():
    """Without the attention's gradient gap_fc looks as if it had taken gmp's weight; but the maps are right."""
    (fault,) = [fault for fault in MODEL_FAULTS if fault.name == "attention weight detached"]
    with patch.object(causes._Search, "_wrong_keys", lambda *_: set()):
        careless = cause_of(fault, "backward")["name"]
    assert careless != CAUSES[fault.name] == cause_of(fault, "backward")["name"]


def test_no_time_no_cause():
    (fault,) = [fault for fault in MODEL_FAULTS if fault.name == "eps 1e-6 in one ILN"]
    with patch.object(causes, "SECONDS", 0), patch.object(causes.find_cause, "__defaults__", (None, 0)):
        assert cause_of(fault)["name"] == "unknown"
    with patch.object(causes, "LARGE", 10):
        assert cause_of(fault) == {"name": "unknown", "before": None, "after": None, "tried": 0}


def test_without_pytorch_no_cause_is_searched_for():
    (fault,) = [fault for fault in MODEL_FAULTS if fault.name == "eps 1e-6 in one ILN"]
    with patch.object(check, "find_spec", lambda name: None):
        assert cause_of(fault) is None


def test_reports_show_the_cause():
    (fault,) = [fault for fault in MODEL_FAULTS if fault.name == "eps 1e-6 in one ILN"]
    entry = entry_of(fault)
    words = "eps 1e-06 for 1e-05"
    assert f"cause: {words}: with it the error falls from" in case_line(entry)
    about = {"kind": "live", "file": None, "torch": TorchSide.version}
    page = render([document("forward", [entry], 1.0, 0, about, None)])
    assert f"Cause: {words}" in page
    entry["blamed"]["cause"] = {"name": "unknown", "before": 1.0, "after": None, "tried": 7}
    assert "cause: unknown (7 mistakes tried)" in case_line(entry)
    assert "Cause: unknown" in render([document("forward", [entry], 1.0, 0, about, None)])


def test_a_layer_may_know_mistakes_of_its_own():
    import torch

    class Power(torch.nn.Module):
        def forward(self, x):
            return x**2

        def mistakes(self):
            return {"cubed": run(lambda own, layer, x: x**3)}

    class PaddlePower(SmallLayer):
        def forward(self, x):
            return x * x * x

    case = Case("power", twin(Power, PaddlePower), [(3, 4)], "", "", "Power")
    with rules():
        entry = check_case(case, measure(case, TorchSide), "forward", causes=True)
    assert entry["blamed"]["cause"]["name"] == "cubed"


def test_cause_of_a_training_step():
    (fault,) = [fault for fault in TRAINING_FAULTS if fault.name == "beta1 0.9"]
    with fault.planted() as tamper:
        found = find_training_cause(TINY, 1, 0, tamper, TRAINERS, 3, "moment1", 0.8)
    assert found["name"] == "beta1 0.9" and found["after"] < 1e-10 and found["before"] == 0.8


def test_training_step_without_a_known_cause(capsys):
    trainer = TRAINING["ugatit"].trainers[1]
    step = trainer.update

    def louder(self, kind):
        for parameter in self.parameters(kind):
            if parameter.grad is not None:
                parameter.grad.set_value(parameter.grad * 1.001)
        step(self, kind)

    mistakes = dict(list(causes_of_training().items())[:2])
    with (
        patch.object(trainer, "update", louder),
        patch("align.causes.training.MISTAKES", mistakes),
        patch.dict(TRAINING, ugatit=replace(TRAINING["ugatit"], options=TINY.as_dict())),
    ):
        assert check_training.main(["--system", "ugatit", "--steps", "4"]) == 1
    assert "cause: unknown (2 mistakes tried)" in capsys.readouterr().out


def causes_of_training():
    from align.causes.training import MISTAKES

    return MISTAKES


def test_weights_are_named_only_where_they_are_equal_to_the_bit():
    from align.causes.arrays import weight_cause
    from align.compare.verdict import Row

    row = Row("a", "Linear", 0, "weight", "weight", "state", "float64", [3, 3], 1.0, None, 0.0)
    weight = np.random.default_rng(0).normal(size=(3, 3))
    wanted = {"a.weight": weight, "b.weight": weight + 1}

    def name(array):
        return weight_cause(row, wanted, {"a.weight": array}, {}, lambda: False)["name"]

    assert name(weight.T) == "transposed" and name(weight + 1) == "the values of b.weight"
    assert name(np.nextafter(weight.T, 9)) == "unknown"


def test_a_coincidence_of_numbers_is_no_cause():
    """A sum over a map of 4x8 pixels is 32 times the mean, as a sum over 32 channels would be."""
    case = ALL_CASES["generator-light-wide"]
    with patch("paddle_ugatit.models.ugatit.spatial_mean", spatial_sum):
        entry = check_case(case, measure(case, TorchSide, float32=False), "forward", ("float64",), causes=True)
    assert entry["verdict"] == "diverged" and entry["blamed"]["cause"]["name"] == "unknown"


def test_a_rate_that_never_decays_is_not_taken_for_one_by_epochs():
    config = replace(TINY, iteration=6, decay_flag=True)
    with patch.object(Config, "lr_at", lambda self, step: self.lr):
        blamed = list(check_training.lockstep(config, 6, causes=True))[-1]["blamed"]
    assert (blamed["what"], blamed["cause"]["name"]) == ("learning rate", "learning rate never decays")


def test_the_second_case_has_other_maps_and_another_batch():
    case = ALL_CASES["adailn-odd"]
    assert [other.shapes for other in causes.second_cases(case)] == [
        [(4, 8, 13, 11), (4, 8), (4, 8)],
        [(4, 8, 9, 7), (4, 8), (4, 8)],
        case.shapes,
    ]


def _without_bias(own, layer, x):
    return own(x) - layer.bias.reshape([1, -1, 1, 1])


def _attend_without_bias(generator, x):
    return ugatit.attend_twice(x, generator.cam_fc.weight), ugatit.cam_logits(x, generator.cam_fc)


_LIGHT_TF, _FULL_TF = "generator-light-tensorflow", "generator-full-tensorflow"
TENSORFLOW_SLIPS = [  # case, what is wrong in Paddle, the cause
    ("adailn-tensorflow", ((norm, "biased", lambda var, count: var),), None, "unbiased variance"),
    ("iln-tensorflow", ((norm, "biased", lambda var, count: var),), None, "unbiased variance"),
    ("adailn-tensorflow", ((norm, "SMOOTHING", 0.0),), None, "rho without smoothing"),
    (_LIGHT_TF, (), "UpBlock1_1.conv1", "bias zero"),
    (
        _LIGHT_TF,
        ((ugatit.ResnetGenerator, "_attend", _attend_without_bias),),
        None,
        "attention without the head's bias",
    ),
    (
        _FULL_TF,
        ((ugatit.ResnetGenerator, "_flatten", lambda generator, x: x.flatten(1)),),
        None,
        "rows of the first Linear by channel, height, width",
    ),
]


@pytest.mark.parametrize(("case", "patches", "place", "cause"), TENSORFLOW_SLIPS)
def test_slips_of_the_tensorflow_revision_are_named(case, patches, place, cause):
    with planting.in_force(patches):
        plant = place and (lambda model: run(_without_bias)(dict(model.named_sublayers())[place]))
        found = check_case(ALL_CASES[case], reference(case), "forward", ("float64",), plant or None, causes=True)
    assert found["verdict"] == "diverged" and found["blamed"]["cause"]["name"] == cause
