"""The check of a whole run: aligned as it is, and a fault in what a run does around its steps is found."""

from unittest.mock import patch

import paddle
import pytest

from align.checks.run import run_entries
from paddle_ugatit.layers.spectral_norm import passes_in_one
from paddle_ugatit.training import loop, state
from paddle_ugatit.training.accumulation import MeanLosses
from paddle_ugatit.training.average import Average
from paddle_ugatit.training.loop import Run


def last_entry():
    return list(run_entries())[-1]


def test_a_whole_run_and_its_resumption_are_aligned():
    entries = list(run_entries())
    assert {entry["verdict"] for entry in entries} == {"aligned"}
    assert [entry["name"] for entry in entries][-1] == "resumed run step 4" and len(entries) == 7
    slots = {(row["layer"].partition(".")[0], row["what"]) for row in entries[2]["rows"]}
    assert {("kid", "KID"), ("ema genA2B", "parameter"), ("genA2B", "moment2"), ("losses", "loss")} <= slots


def _other_way_round(self):
    with paddle.no_grad():
        for name, net in self.networks.items():
            for mean, weight in zip(net.parameters(), self.sources[name].parameters(), strict=True):
                mean.set_value(mean * (1 - self.decay) + weight * self.decay)


def _summed(self, losses, total, tensors=(), gradients=()):
    self._backward(losses[total], tensors, gradients)


def _no_means(self):
    return self.system.networks


def _forgotten(optimizer, named, arrays, path):
    """Nothing is restored."""


@pytest.mark.parametrize(
    ("owner", "name", "wrong", "where", "layer"),
    [
        pytest.param(Average, "update", _other_way_round, "run step 1", "ema ", id="mean the other way round"),
        pytest.param(MeanLosses, "backward", _summed, "run step 1", "dis", id="parts summed"),
        pytest.param(state, "fill_optimizer", _forgotten, "resumed run step 3", "dis", id="moments not restored"),
        pytest.param(Run, "_shown_networks", _no_means, "run step 2", "kid", id="KID of others"),
    ],
)
def test_a_fault_of_a_run_is_found_where_it_shows(owner, name, wrong, where, layer):
    assert loop.state is state
    with patch.object(owner, name, wrong):
        entry = last_entry()
    assert (entry["verdict"], entry["name"]) == ("diverged", where)
    assert entry["blamed"]["layer"].startswith(layer)


def _interleaved(discriminator, real, fake):
    """Real and translated images alternate in the batch, while each half has the power iteration of its own pass."""
    with passes_in_one(discriminator, 2):
        mixed = paddle.stack([real, fake], 1).flatten(0, 1)
        outputs = [output.reshape([-1, 2, *output.shape[1:]]) for output in discriminator(mixed)]
    return zip(*((output[:, 0], output[:, 1]) for output in outputs), strict=True)


def test_images_interleaved_within_a_part_are_found():
    """With one image in a part, this would be the right order."""
    with patch("paddle_ugatit.training.ugatit.real_and_fake", _interleaved):
        entry = last_entry()
    assert (entry["verdict"], entry["name"], entry["blamed"]["what"]) == ("diverged", "run step 1", "loss")
