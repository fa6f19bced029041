"""Whole runs by the training command: aligned as they are, and each planted fault found, in the file that holds it."""

import numpy as np
import pytest

import paddle_ugatit  # noqa: F401  first: it sets the process up before PyTorch
from align.checks import commanded, surroundings
from align.planting import in_force
from paddle_ugatit import losses
from paddle_ugatit.layers import spectral_norm
from paddle_ugatit.layers.fast import dispatch
from paddle_ugatit.training import (
    adain,
    augment,
    average,
    distributed,
    evaluation,
    loop,
    options,
    precision,
    sagan,
    start,
    stylegan2,
    ugatit,
)

_measure, _step, _read = evaluation.Evaluation.measure, loop.Run._step, options.read_options


def _kid_without_means(self, system, networks):
    return _measure(self, system, system.networks)


def _one_seed(self, step, batch):
    self.data.rank, own = 1, self.data.rank
    try:
        return _step(self, step, batch)
    finally:
        self.data.rank = own


RUN_FAULTS = {  # what is planted -> the run that must see it, the file that must be named, the change
    "a mean of random weights": ("sagan", "average", (average.Average, "restart", lambda self: None)),
    "buffers of the mean left": ("sagan", "average", (average.Average, "update", lambda self: _parameters_only(self))),
    "the KID of other networks": (
        "adain",
        "evaluation",
        (evaluation.Evaluation, "measure", _kid_without_means),
    ),
    "a step's seed": ("sagan wgan-gp", "sagan", (loop.Run, "_step", _one_seed)),
    "moments lost on a resume": ("sagan wgan-gp", "loop", (loop.state, "fill_optimizer", lambda *given: None)),
}


def _parameters_only(mean):
    for name, net in mean.networks.items():
        for slow, fast in zip(net.parameters(), mean.sources[name].parameters(), strict=True):
            slow.set_value(slow * mean.decay + fast * (1 - mean.decay))


@pytest.mark.parametrize("name", ["adain", "sagan wgan-gp"])
def test_a_run_by_the_command_is_aligned(name):
    """AdaIN's has sample sheets in float64, which it once could not draw."""
    entry = commanded.run_entry(name)
    assert entry["verdict"] == "aligned" and entry["counts"]["compared"] > 500, entry["blamed"]


@pytest.mark.parametrize("name", RUN_FAULTS)
def test_a_fault_in_a_run_is_found_in_its_file(name):
    case, file, patch = RUN_FAULTS[name]
    with in_force([patch]):
        entry = commanded.run_entry(case)
    assert (entry["verdict"], entry["paddle"]) == ("diverged", f"paddle_ugatit/training/{file}.py"), entry["blamed"]


AROUND = {  # part -> what is planted
    "options": (options, "_number", lambda value: value),
    "initial weights": (start.paddle, "seed", lambda seed: None),
    "evaluations": (start, "default_kind", lambda folder, weights=None: "pixels"),
    "filters of AdaIN": (adain, "CENTRED", np.ones((3, 3))),
    "calls of a step, ugatit": (ugatit.Trainer, "update", lambda self, kind: None),
    "calls of a step, adain": (adain.AdaINTrainer, "_update", lambda self: None),
    "calls of a step, sagan": (sagan.SAGANTrainer, "_update", lambda self, kind, loss: None),
    "calls of a step, stylegan2": (stylegan2.StyleGAN2Trainer, "_accumulated", lambda self, *given: given[2][0]()),
    "endings": (loop.Run, "_rescue", lambda self, error: None),
    "two processes": (distributed, "any_process", lambda flag: flag),
    "mixed precision": (precision.Precision, "step", lambda self, optimizer: optimizer.step()),
    "device": (start, "choose_device", lambda name, config: None),
    "vectors of spectral norms": (spectral_norm, "unit", lambda x, eps, added=False: x),
    "faster ways": (dispatch, "taken", lambda way, x: True),
    "losses of large logits": (losses, "l1", lambda x, y: (x - y).mean()),
    "augmentation": (augment, "_translation", lambda images, *given: images),
}


@pytest.mark.parametrize("part", surroundings.PARTS)
def test_a_fault_around_a_run_is_found(part):
    assert surroundings.surrounding_entry(part)["verdict"] == "aligned"
    with in_force([AROUND[part]]):
        assert surroundings.surrounding_entry(part)["verdict"] == "diverged"
