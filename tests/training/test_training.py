"""Training: both trainers in lockstep, the faults that must show there, and what the iteration saves."""

import contextlib
import dataclasses
from unittest.mock import patch

import numpy as np
import paddle
import pytest

from align.cases.training import batches
from align.checks import training as check_training
from align.checks.training import SMALL, lockstep
from align.compare.paddle_side import PaddleSide
from align.compare.training import paddle_state
from align.faults import training as training_faults
from paddle_ugatit.layers import sequential
from paddle_ugatit.layers.fast import dispatch
from paddle_ugatit.training import Config, Trainer, ugatit
from paddle_ugatit.training.accumulation import MeanLosses


def verdict(config=SMALL, steps=3, tamper=None):
    """(verdict, blamed entry) of the last step that was run."""
    *_, last = lockstep(config, steps, tamper=tamper)
    return last["verdict"], last["blamed"]


@pytest.mark.parametrize("options", [{}, {"light": False}, {"revision": "initial"}, {"batch_size": 2}], ids=str)
def test_lockstep(options):
    entries = list(lockstep(dataclasses.replace(SMALL, **options), 6))
    assert [entry["verdict"] for entry in entries] == ["aligned"] * 6
    assert all(entry["counts"]["compared"] > 300 for entry in entries)
    assert max(row["error"] for entry in entries for row in entry["rows"]) < 1e-11


TENSORFLOW = dataclasses.replace(SMALL, revision="tensorflow", iteration=2)


@pytest.mark.parametrize("older", [False, True])
def test_lockstep_of_the_tensorflow_revision(older):
    """Its biases before norms have gradients of zero, which only decay moves: rounding is no fault."""
    entries = list(lockstep(dataclasses.replace(TENSORFLOW, older_cam=older), 2))
    assert [entry["verdict"] for entry in entries] == ["aligned"] * 2


@pytest.mark.parametrize("how", ["without a gradient", "without decay"])
def test_a_bias_that_only_decay_moves_is_watched(how):
    """Also where its gradient is zero: the moments and the bias itself are compared."""

    def plant(trainer):
        bias = trainer.networks["genA2B"].DownBlock[1].bias
        if how == "without a gradient":
            bias.stop_gradient = True
        else:
            bias.optimize_attr["learning_rate"] = 0.5

    found, blamed = verdict(TENSORFLOW, 2, plant)
    assert found == "diverged" and blamed["layer"] == "genA2B.DownBlock.1" and blamed["slot"] == "bias"


PLANTED = {fault.name: fault for fault in training_faults.FAULTS}


@pytest.mark.parametrize("name", ["beta1 0.9", "no decay of rho", "AdamW for Adam"])
def test_wrong_optimiser_is_found(name):
    with PLANTED[name].planted() as tamper:
        found, blamed = verdict(tamper=tamper)
    assert found == "diverged" and blamed["what"] == "moment1"


FAULTS = {  # name -> what is blamed first
    "translated before real": "loss",
    "an extra discriminator pass": "loss",
    "rho clipped before the step": "parameter",
    "fakes of the wrong direction": "loss",
    "cam loss by least squares": "loss",
    "gradients accumulate": "moment1",
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_in_the_iteration_is_found(name):
    config = dataclasses.replace(SMALL, lr=0.02)  # so that some rho leaves [0,1] within three steps
    assert verdict(config) == ("aligned", None)
    with PLANTED[name].planted() as tamper:
        found, blamed = verdict(config, tamper=tamper)
    assert (found, blamed and blamed["what"]) == ("diverged", FAULTS[name])


def test_decay_a_step_early_is_found():
    with PLANTED["decay a step early"].planted() as tamper:
        found, blamed = verdict(SMALL, 6, tamper)
    assert (found, blamed["what"], blamed["call"]) == ("diverged", "learning rate", 3)


def test_command(tmp_path, capsys):
    page = tmp_path / "p.html"
    assert check_training.main(["--system", "ugatit", "--lockstep", "--steps", "2", "--html", str(page)]) == 0
    assert "ALIGNED" in capsys.readouterr().out and "ALIGNED" in page.read_text()
    assert check_training.main(["--steps", "0"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert check_training.main(["--system", "ugatit", "--ch", "-1"]) == 2
    assert capsys.readouterr().err == "check_training: --ch must be from 1 to 4096, got -1\n"


@pytest.mark.cpu_path
def test_command_at_a_width_that_takes_the_faster_ways(capsys):
    taken = patch.object(sequential, "bordered_conv", wraps=sequential.bordered_conv)
    with taken as bordered, patch.object(dispatch, "unfolded_conv", wraps=dispatch.unfolded_conv) as unfolded:
        assert check_training.main(["--system", "ugatit", "--steps", "1", "--ch", "32", "--lockstep"]) == 0
    assert bordered.called and unfolded.called and "ALIGNED" in capsys.readouterr().out


def test_no_gradient_goes_where_it_is_not_wanted():
    ours = Trainer(SMALL)
    image = paddle.randn([1, 3, 48, 48])
    translations = [ours.translation(domain, image, image) for domain in "ab"]
    for domain, images in zip("ab", translations, strict=True):
        ours.discriminators_loss(domain, images).backward()
    assert all(p.grad is None for p in ours.parameters("gen"))
    for parameter in ours.parameters("dis"):
        parameter.clear_gradient(False)
    with ugatit.frozen(ours.parameters("dis")):
        ours.generator_gradients(*translations, MeanLosses(1, 1, ours.precision.backward))
    assert all(p.grad is None for p in ours.parameters("dis"))
    assert not any(p.stop_gradient for p in ours.parameters("dis"))
    assert all(p.grad is not None for p in ours.parameters("gen"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -1.0}, "lr must be 0 or more"),
        ({"ch": 0}, "ch must be 1 or more"),
        ({"light": 2}, "light must be of type bool"),
        ({"revision": "first"}, "revision must be one of"),
        ({"learning_rate": 1.0}, "unknown option learning_rate"),
        ({"lr": float("nan")}, "finite"),
    ],
)
def test_config_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        Config.from_dict(options)


def test_learning_rate():
    config = Config(iteration=10, lr=1.0)
    rates = [config.lr_at(step) for step in range(1, 11)]
    assert rates == pytest.approx([1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2, 0])
    assert dataclasses.replace(config, decay_flag=False).lr_at(10) == 1


def states(config, steps=3, dtype="float64"):
    """All numbers after some steps on the same batches, of a trainer with this configuration."""
    side = PaddleSide(dtype)
    ours = side.build(lambda _: Trainer(config), 0)
    stream = batches(config, 0)
    for _ in range(steps):
        losses = ours.step(*[side.tensor(array) for array in next(stream)])
    return paddle_state(ours, losses)


def largest_difference(one, other):
    assert one.keys() == other.keys()
    return max(np.abs(one[key] - other[key]).max() / (np.abs(one[key]).max() or 1) for key in one)


@pytest.mark.parametrize("parts", [2, 4])
def test_accumulated_parts_make_the_update_of_the_whole_batch(parts):
    config = dataclasses.replace(SMALL, batch_size=4)
    whole = states(config)
    assert largest_difference(whole, states(dataclasses.replace(config, accumulate=parts))) < 1e-10


def test_a_power_iteration_for_each_part_would_be_noticed():
    config = dataclasses.replace(SMALL, batch_size=4)
    with patch.object(ugatit, "same_iterations", lambda networks, repeat: contextlib.nullcontext()):
        assert largest_difference(states(config), states(dataclasses.replace(config, accumulate=2))) > 1e-6


@pytest.mark.cpu_path
@pytest.mark.parametrize("amp", ["bfloat16", "float16"])
@pytest.mark.filterwarnings("ignore:AmpScaler can only be enabled")
def test_mixed_precision_changes_nothing_on_a_cpu(amp):
    """So it says nothing about a GPU, but that every path of it runs."""
    config = dataclasses.replace(SMALL, batch_size=2)
    plain = states(config, 2, "float32")
    for parts in (1, 2):
        mixed = dataclasses.replace(config, amp=amp, accumulate=parts)
        assert largest_difference(plain, states(mixed, 2, "float32")) < (1e-12 if parts == 1 else 1e-2)
