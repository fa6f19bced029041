"""The check of mixed precision, imitated: aligned as it is, and every planted fault is seen, in the right layer."""

from contextlib import nullcontext
from unittest.mock import patch

import paddle
import pytest

from align.checks.mixed import RUNS, mixed_entry, system_of
from align.checks.mixed_steps import PARTS, part_entry
from align.mutants import units
from paddle_ugatit.backend import mixed
from paddle_ugatit.layers import recompute
from paddle_ugatit.layers.norm import AdaILN
from paddle_ugatit.layers.spectral_norm import SpectralNorm
from paddle_ugatit.models import ugatit
from paddle_ugatit.models.sagan import SelfAttention
from paddle_ugatit.models.ugatit import ResnetGenerator
from paddle_ugatit.training.precision import Precision


@pytest.mark.parametrize(
    "name", ["generator-light forward bfloat16", "discriminator-local-two backward float16", "encoder forward float16"]
)
def test_a_network_is_aligned(name):
    entry = mixed_entry(name)
    assert entry["verdict"] == "aligned", entry["blamed"]
    assert {row["dtype"] for row in entry["rows"]} == {name.split()[-1]}
    assert max(row["error"] / row["limit"] for row in entry["rows"]) > 0.05  # something was in half precision


def test_every_system_that_may_be_trained_so_has_runs():
    assert {system_of(name) for name in RUNS} == {"ugatit", "adain", "sagan", "stylegan2"}
    listed = {unit.case for unit in units.listed(quick=False) if unit.check == "mixed"}
    assert listed == {*RUNS, *PARTS}


def plain(owner, name):
    """A method without its decorator."""
    return owner, name, getattr(owner, name).__wrapped__


FAULTS = {  # name -> run, what is replaced by what, layer that is blamed, part of what is said
    "an output in half precision": (
        "generator-light forward bfloat16",
        (ugatit, "full", lambda x: x),
        ("", "is in bfloat16, wanted float32"),
    ),
    "styles in half precision": (
        "generator-full forward bfloat16",
        plain(ResnetGenerator, "_styles"),
        ("FC.0", "is in bfloat16, wanted float32"),
    ),
    "a norm that returns float32": (
        "generator-light forward float16",
        (AdaILN, "forward", mixed.in_float32(AdaILN.forward)),
        ("UpBlock1_1.norm1", "is in float32, wanted float16"),
    ),
    "attention weights in half precision": (
        "sagan-discriminator forward bfloat16",
        plain(SelfAttention, "_attention"),
        ("attn1.softmax", "is in bfloat16, wanted float32"),
    ),
    "a weight multiplied by sigma": (
        "discriminator-global forward float16",
        (SpectralNorm, "_normalised_first", lambda self, apply: apply(self.weight * self.sigma[0])),
        ("model.1", "error"),
    ),
    "a gradient of a tenth less": (
        "decoder-odd backward float16",
        (paddle.nn.ReLU, "forward", lambda self, x: paddle.nn.functional.leaky_relu(x, 0.02)),
        ("26", "error"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen(fault):
    name, replaced, (layer, told) = FAULTS[fault]
    with patch.object(*replaced):
        entry = mixed_entry(name)
    assert entry["verdict"] == "diverged"
    assert entry["blamed"]["layer"] == layer
    assert told in entry["blamed"]["message"]


def test_an_error_is_not_comparable():
    with patch.object(*plain(SpectralNorm, "advance")):  # the buffers u and v would be replaced by half precision
        entry = mixed_entry("discriminator-global forward float16")
    assert entry["verdict"] == "not comparable" and "Paddle raised" in entry["note"]


PART_FAULTS = {  # name -> part, what is replaced by what, what is blamed
    "losses in float32": (
        "step of adain in bfloat16",
        (Precision, "forward", lambda self: nullcontext()),
        "dtypes of products",
    ),
    "gradients that stay scaled": (
        "step of sagan in float16",
        (Precision, "step", lambda self, optimizer: optimizer.step()),
        "gradients of",
    ),
    "a step that is not left out": (
        "overflow of adain",
        (Precision, "step", lambda self, optimizer: optimizer.step()),
        "updates after an overflow",
    ),
    "a scale that stays": (
        "the scale of the loss",
        (Precision, "restore", lambda self, numbers: None),
        "restored",
    ),
    "recomputed in another precision": (
        "recomputed blocks",
        (recompute, "precision_of_now", lambda: lambda: paddle.amp.auto_cast(enable=False)),
        "in bfloat16",
    ),
    "nothing recomputed": (
        "recomputed blocks",
        (recompute._Recomputed, "apply", lambda function, *inputs: function(*inputs)),
        "calls",
    ),
}


@pytest.mark.parametrize("fault", PART_FAULTS)
def test_a_fault_of_a_step_is_seen(fault):
    name, replaced, told = PART_FAULTS[fault]
    assert part_entry(name)["verdict"] == "aligned"
    with patch.object(*replaced):
        entry = part_entry(name)
    if entry["verdict"] == "not comparable":
        assert "Paddle raised" in entry["note"]
    else:
        assert entry["verdict"] == "diverged" and told in entry["blamed"]["message"]
