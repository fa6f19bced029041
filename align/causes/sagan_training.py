"""Likely mistakes in a step of SAGAN, made in PyTorch's twin: MISTAKES."""

from align.causes.steps import ADAM, attached, keeping, options, rates, replaced
from torch_ref import losses


def _drawn(change):
    """Plant: a step gets `change(random)` for its random arrays."""

    def plant(theirs):
        step = theirs.step
        theirs.step = lambda real, random: step(real, change(random))

    return plant


def _ordered(generator_first=False, joined=False):
    """Plant: the generator's half is made first, or the discriminator makes one step for its loss and the penalty."""

    def plant(theirs):
        gradient = theirs.config.adv_loss == "wgan-gp"

        def discriminator(real, fake, random):
            found = theirs._discriminator_losses(real, fake)
            if gradient and joined:
                found["d_penalty"] = theirs._penalty(real, fake, random["mix"])
                found["d_loss"] = found["d_loss"] + found["d_penalty"]
            theirs._update("D", found["d_loss"])
            if gradient and not joined:
                found["d_penalty"] = theirs._penalty(real, fake, random["mix"])
                theirs._update("D", found["d_penalty"])
            return found

        def generator(random):
            found = theirs._generator_losses(random["G"])
            theirs._update("G", found["g_loss"])
            return found

        def step(real, random):
            theirs.iteration += 1
            fake = theirs.networks["G"](random["D"])[0].detach()
            early = generator(random) if generator_first else {}
            found = discriminator(real, fake, random) | (early or generator(random))
            return {name: loss.detach() for name, loss in found.items()} | theirs._gammas()

        theirs.step = step

    return plant


def _swapped(right):
    return dict(zip(right, reversed(right.values()), strict=True))


def _at_rate_of(kind):
    return rates(lambda right: dict.fromkeys(right, right[kind]))


def _hinge(change):
    return replaced("hinge", change)


def _of_generator(loss):
    return replaced("hinge_generator_loss", lambda right: loss)


def _penalty(change):
    return replaced("unit_gradient_penalty", change)


def _one_share(random):
    return random | {"mix": random["mix"][:1].expand_as(random["mix"])} if "mix" in random else random


MISTAKES = {  # name -> (what differs first, plant)
    "learning rates swapped": ("learning rate", rates(_swapped)),
    "both networks at the generator's learning rate": ("learning rate", _at_rate_of("G")),
    "both networks at the discriminator's learning rate": ("learning rate", _at_rate_of("D")),
    "the generator's half first": ("loss", _ordered(generator_first=True)),
    "the same latents in both halves": ("loss", _drawn(lambda random: random | {"G": random["D"]})),
    "no margin in the hinge": ("loss", _hinge(lambda right: losses.wasserstein)),
    "the hinge's sign inverted": ("loss", _hinge(lambda right: lambda logit, side: right(logit, -side))),
    "a hinge in the generator's loss": ("loss", _of_generator(lambda logit: losses.hinge(logit, 1))),
    "the sign of the generator's loss inverted": ("loss", _of_generator(lambda logit: logit.mean())),
    "the gradient penalty centred at 0": ("loss", _penalty(lambda right: losses.gradient_penalty)),
    "the gradient penalty with weight 1": ("loss", options(lambda config: {"penalty_weight": 1.0})),
    "one share for the whole batch": ("loss", _drawn(_one_share)),
    "the gradient penalty in one step with the loss": ("loss", _ordered(joined=True)),
    "the gradient penalty detached": (
        "moment1",
        _penalty(lambda right: lambda gradients: right(gradients.detach().requires_grad_())),
    ),
    "the generator keeps the gradient of the discriminator's step": ("moment1", attached(keeping("G", "D"))),
    **ADAM,
}
