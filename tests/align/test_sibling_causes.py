"""The causes of the other systems' training: each slip is named, which holds in a second training, too."""

from dataclasses import replace
from unittest.mock import patch

import paddle
import pytest

from align.cases import TRAINING
from align.checks.training import lockstep
from paddle_ugatit import losses
from paddle_ugatit.training import adain, sagan


def adam(**wrong):
    """Plant: Adam with these options."""

    def plant(ours):
        for name, optimizer in ours.optimizers.items():
            given = {"beta1": optimizer._beta1, "beta2": optimizer._beta2, "epsilon": optimizer._epsilon} | wrong
            parameters = [parameter for _, parameter in ours.named_parameters(name)]
            ours.optimizers[name] = paddle.optimizer.Adam(optimizer.get_lr(), **given, parameters=parameters)

    return plant


def options(**changes):
    """Plant: other options for the steps alone."""

    def plant(ours):
        ours.config = ours.config.replaced(**changes)

    return plant


_losses = adain.Trainer._losses


def _from_minus_one(self, content, style):
    return _losses(self, 2 * content - 1, 2 * style - 1)


def _attached(self, z):
    return self.networks["G"](z)[0]


def _same_latents(ours):
    right = ours.step
    ours.step = lambda real, random: right(real, random | {"G": random["D"]})


def _signed(ours):
    ours.config = ours.config.replaced(content_weight=ours.config.style_weight, style_weight=ours.config.content_weight)


SLIPS = [  # system, plant, patches, options, cause
    ("adain", adam(beta1=0.5), (), {}, "beta1 0.5"),
    ("adain", _signed, (), {}, "weights of content and style swapped"),
    (
        "adain",
        None,
        (
            (
                adain.Trainer,
                "_losses",
                lambda self, c, s, right=adain.Trainer._losses: right(self, 2 * c - 1, 2 * s - 1),
            ),
        ),
        {},
        "images in [-1,1] for [0,1]",
    ),
    ("sagan", _same_latents, (), {}, "the same latents in both halves"),
    ("sagan", None, ((sagan, "hinge", losses.wasserstein),), {}, "no margin in the hinge"),
    (
        "sagan",
        None,
        ((sagan.Trainer, "_generated", _attached),),
        {},
        "the generator keeps the gradient of the discriminator's step",
    ),
    (
        "sagan",
        None,
        ((sagan, "unit_gradient_penalty", losses.gradient_penalty),),
        {"adv_loss": "wgan-gp"},
        "the gradient penalty centred at 0",
    ),
    ("sagan", options(penalty_weight=1.0), (), {"adv_loss": "wgan-gp"}, "the gradient penalty with weight 1"),
    ("stylegan2", options(penalty_every=1), (), {}, "the gradient penalty in every step"),
    ("stylegan2", adam(beta2=0.999), (), {}, "beta2 0.999"),
    ("stylegan2", options(path_decay=0.9), (), {"path_every": 1}, "path_decay 0.9"),
]


@pytest.mark.parametrize(("system", "plant", "patches", "options", "cause"), SLIPS, ids=[slip[-1] for slip in SLIPS])
def test_a_slip_is_named(system, plant, patches, options, cause, monkeypatch):
    for owner, name, wrong in patches:
        monkeypatch.setattr(owner, name, wrong)
    config = replace(TRAINING[system].small, **options)
    *_, last = lockstep(config, 6, tamper=plant, system=system, causes=True)
    assert last["blamed"] and last["blamed"]["cause"]["name"] == cause


def test_what_is_no_slip_has_no_cause():
    with patch.object(sagan, "hinge", lambda logit, side: 0.7 * losses.hinge(logit, side)):
        *_, last = lockstep(TRAINING["sagan"].small, 2, system="sagan", causes=True)
    assert last["verdict"] == "diverged" and last["blamed"]["cause"]["name"] == "unknown"
