"""The measured table of PyTorch's functions and Paddle's: what is known must come out by measurement."""

from unittest.mock import patch

import paddle
import pytest
import torch

from align.api import document, pairs, verdict
from align.api.arguments import compared, signature_of, translated
from align.api.entry import Entry, looked_up, recipe_text
from align.api.inputs import elementwise
from align.api.measure import measured
from align.api.tables import activations, every

OLD = paddle.__version__.startswith("2.")


def safe(use):
    """Whether a comparison is made here: Paddle 2.6 ends the process at many empty tensors."""
    return not (OLD and use.endswith("empty"))


def summary(name):
    """The line of a name, measured here and now."""
    with patch.object(document, "SHOWN", 100):
        return document.summary(measured(every()[name], safe))


def test_the_table_has_its_sizes():
    entries = every()
    kinds = [entry.kind for entry in entries.values()]
    assert len(entries) >= 400
    assert {kind: kinds.count(kind) >= 10 for kind in set(kinds)} == dict.fromkeys(
        ("function", "layer", "optimiser", "schedule"), True
    )
    assert [name for name in entries if looked_up(torch, name) is None] == []
    assert all(recipe_text(entry.recipe)[0] for entry in entries.values() if entry.recipe)


def test_both_versions_are_kept_and_complete():
    files = document.kept()
    assert list(files) == ["3.3.1", "2.6.2"]
    for file in files.values():
        assert file["lines"].keys() == every().keys()
        counts = [line["verdict"] for line in file["lines"].values()]
        assert counts.count("same") > 200 and set(counts) == set(verdict.VERDICTS)


KNOWN = {  # name -> words among what differs, the arguments or the initial values; whether the recipe makes it equal
    "nn.BatchNorm2d": (("state running_var differs", "momentum=0.3", "default of momentum: 0.1 → 0.9"), True),
    "nn.AvgPool2d": (("output 0 differs", "only Paddle: exclusive"), True),
    "nn.Linear": (("initial: weight uniform", "bias uniform", "all 0 in Paddle"), True),
    "nn.functional.linear": (("output 0 differs",), True),
    "nn.functional.interpolate": (("the grid of a linear interpolation",), True),
    "optim.Adam": (("only PyTorch: betas",), True),
    "max": (("returns 1 tensors, PyTorch 2",), True),
    "nn.functional.smooth_l1_loss": (("beta=0.3: output 0 differs",), True),
    "nn.functional.kl_div": (("gradient of input 1 is zero",), True),
    "nn.functional.leaky_relu": (("ties: gradient of input 0 differs",), True),
    "nn.InstanceNorm2d": (("is in Paddle only",), True),
    "optim.lr_scheduler.OneCycleLR": (("learning rates differs",), True),
}


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_difference_comes_out(name):
    words, fits = KNOWN[name]
    line = summary(name)
    initial = [f"initial: {text}" for text in line["initial"]]
    side = line["naive"]
    said = "\n".join([*side["wrong"], *side["edges"], *side["constants"], *line["arguments"], *initial])
    assert all(word in said for word in words), said
    assert line["recipe"]["fits"] is fits


@pytest.mark.parametrize(
    "name", ["optim.AdamW", "optim.lr_scheduler.StepLR", "optim.lr_scheduler.CosineAnnealingLR", "nn.ReflectionPad2d"]
)
def test_what_is_known_to_agree_does(name):
    line = summary(name)
    assert line["verdict"] in (verdict.SAME, verdict.CONSTANT, *[verdict.EDGES] * OLD) and not line["naive"]["wrong"]


def test_a_variance_in_float32_over_a_large_map():
    line = summary("var")
    assert any("(1,64,65536) in float32: output 0 differs" in text for text in line["naive"]["edges"])
    assert not any("float32" in text for text in line["recipe"]["edges"]), line["recipe"]


def test_constants_are_told_from_faults():
    assert "1/k" in " ".join(summary("nn.functional.adaptive_avg_pool2d")["naive"]["constants"])
    wrong = Entry("nn.functional.elu", "nn.functional.celu", inputs=elementwise(), uses=({"alpha": 0.5},))
    assert verdict.verdict_of(measured(wrong, safe)) == verdict.DIFFERS


def test_a_recipe_is_run():
    right = Entry("nn.functional.softmin", "", inputs=elementwise(), uses=({"dim": -1},), recipe=activations.softmin)
    line = measured(right, safe)
    assert verdict.verdict_of(line) == verdict.MISSING and verdict.recipe_fits(line)

    def wrong_recipe(x, dim=None):
        """It is not."""
        return activations.softmin(x * 1.001, dim)

    line = measured(Entry(**{**right.__dict__, "recipe": wrong_recipe}), safe)
    assert not verdict.recipe_fits(line)


def test_a_comparison_that_ends_the_process_is_left_out():
    line = measured(every()["square"], lambda use: use != "empty")
    assert [use["naive"].get("refused") for use in line["uses"] if use["given"] == "empty"] == [
        "Paddle ends the process"
    ]
    assert verdict.verdict_of(line) == verdict.EDGES


def test_arguments_and_defaults():
    def theirs(input, dim, keepdim=False, eps=1e-5, inplace=False, only=1):
        pass

    def ours(x, axis, keepdim=True, epsilon=1e-5, own=2, name=None):
        pass

    lines = document.argument_lines(compared(theirs, ours, {}))
    assert lines == [
        "input → x",
        "dim → axis",
        "eps → epsilon",
        "default of keepdim: False → True",
        "only PyTorch: only",
        "only Paddle: own",
    ]
    assert translated({"dim": 1, "only": 2}, ours, {}) == ({"axis": 1}, ["only"])
    assert signature_of(torch.var)["dim"] is None or "dim" in signature_of(torch.var)


@pytest.mark.parametrize("name", ["nn.Conv2d", "nn.PReLU", "nn.AvgPool1d"])
def test_a_stock_layer_through_the_pair_harness(name):
    trials = list(pairs.trials_of(every()[name]))
    assert {trial.same for trial in trials} == ({True, False} if name == "nn.AvgPool1d" else {True})
    for trial in trials[:1] + trials[-1:]:
        assert pairs.outcome(trial)["verdict"] == ("aligned" if trial.same else "diverged"), trial.name


def test_the_group_norm_without_a_weight():
    line = summary("nn.functional.group_norm")
    assert line["recipe"]["fits"]
    assert line["verdict"] == (verdict.MISSING if OLD else verdict.DIFFERS)
