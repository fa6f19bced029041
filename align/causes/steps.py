"""Mistakes of a training step that trainers of several systems share, made in PyTorch's trainer.

Contents: optimiser, ADAM; rates; options; replaced; with_half_gradients. Each gives a plant, which changes a trainer in
place.
"""

import sys
from copy import copy
from dataclasses import replace
from unittest.mock import patch

import torch


def optimiser(kind=torch.optim.Adam, first=None, second=None, **wrong):
    """Plant: optimisers of this kind, with another beta1, beta2 or option."""

    def plant(theirs):
        for name, right in theirs.optimizers.items():
            group = right.param_groups[0]
            betas = [old if new is None else new for old, new in zip(group["betas"], (first, second), strict=True)]
            given = {"betas": tuple(betas), "weight_decay": group["weight_decay"], "eps": group["eps"]} | wrong
            theirs.optimizers[name] = kind(group["params"], group["lr"], **given)

    return plant


ADAM = {  # name -> (what differs first, plant)
    **{f"beta1 {beta:g}": ("moment1", optimiser(first=beta)) for beta in (0.9, 0.5, 0.0)},
    **{f"beta2 {beta:g}": ("moment2", optimiser(second=beta)) for beta in (0.999, 0.99, 0.9)},
    **{f"eps {eps:g}": ("parameter", optimiser(eps=eps)) for eps in (1e-4, 1e-5, 1e-6, 1e-7, 1e-10, 1e-12)},
}


def rates(chosen):
    """Plant: constant learning rates, `chosen(right)` of those by the optimiser's name."""

    def plant(theirs):
        right = {name: optimizer.param_groups[0]["lr"] for name, optimizer in theirs.optimizers.items()}
        for name, rate in chosen(right).items():
            theirs.optimizers[name].param_groups[0]["lr"] = rate

    return plant


def schedule(change):
    """Plant: the learning rate of step `change(step)` in each step."""

    def plant(theirs):
        config = copy(theirs.config)
        right = config.lr_at
        object.__setattr__(config, "lr_at", lambda step: right(change(step)))
        theirs.config = config

    return plant


def options(change):
    """Plant: other options for the steps, `change(config)` by name."""

    def plant(theirs):
        theirs.config = replace(theirs.config, **change(theirs.config))

    return plant


def replaced(name, change):
    """Plant: during a step, `change(right)` takes the place of a function of the trainer's module."""

    def plant(theirs):
        step, module = theirs.step, sys.modules[type(theirs).__module__]

        def stepped(*arguments, **named):
            with patch.object(module, name, change(getattr(module, name))):
                return step(*arguments, **named)

        theirs.step = stepped

    return plant


def keeping(generator, discriminator):
    """Plant: the generator keeps the gradient that the discriminator's half has left it: fakes are not cut off there.

    These are the names of the optimisers. The trainer must leave its fakes attached, see `attached`.
    """

    def plant(theirs):
        def update(kind, loss):
            theirs.optimizers[discriminator].zero_grad()
            if kind == discriminator:
                theirs.optimizers[generator].zero_grad()
            loss.backward()
            theirs.optimizers[kind].step()

        theirs._update = update

    return plant


def attached(plant):
    """Return a plant that also makes `detach` leave tensors on their graph within a step."""

    def both(theirs):
        plant(theirs)
        step = theirs.step

        def stepped(*arguments, **named):
            right = torch.Tensor.detach
            with patch.object(torch.Tensor, "detach", lambda tensor: tensor if tensor.requires_grad else right(tensor)):
                found = step(*arguments, **named)
            return {name: value.detach() for name, value in found.items()}

        theirs.step = stepped

    return both
