"""Why a training step differs: `find_training_cause` tries likely mistakes in PyTorch's trainer.

A mistake is named only if every number that check_training compares (losses, rates, parameters, moments, spectral-norm
vectors) then agrees with Paddle's within its limit, up to one step beyond the first that differed, and does so again in
a second training: other weights and images, another batch and another size (SMALLER, OTHER) and, for U-GAT-IT, another
schedule, run to its end if it is the learning rate that differs.
"""

from contextlib import ExitStack
from dataclasses import replace
from unittest.mock import patch

import torch

from align.cases import TRAINING
from align.causes import adain_training, sagan_training, stylegan2
from align.causes.steps import ADAM, optimiser, schedule
from align.compare.paddle_side import PaddleSide
from align.compare.torch_side import TorchSide
from align.compare.training import compared, one_step, paddle_state, started, torch_state
from align.compare.verdict import UNKNOWN
from torch_ref import losses

SMALLER = {"ch": 2, "img_size": 24, "global_layers": 5, "local_layers": 3}  # of the second training of U-GAT-IT
OTHER = {  # of that of the other systems
    "adain": {"img_size": 32, "load_size": 32},
    "sagan": {"img_size": 16, "z_dim": 7},
    "stylegan2": {"latent_dim": 6},
}


def find_training_cause(config, step, seed, tamper, trainers, steps, first, before, system="ugatit"):
    """Find why a step differs; returns {"name", "before", "after", "tried"}.

    `step` is the first that differed, `first` says what differed in it, and `before` by how much.
    """
    sides = TorchSide("float64"), PaddleSide("float64")
    last = min(step + 1, steps)
    place = config, last, seed
    found = _paddle_states(*place, tamper, trainers, sides, system)
    mistakes = MISTAKES if system == "ugatit" else OTHERS.get(system, {})
    order = sorted(mistakes, key=lambda name: mistakes[name][0] != first)
    second = _Second(config, last, first, seed, tamper, trainers, sides, system)
    for number, name in enumerate(order, 1):
        try:
            after = _distance(found, _twin_states(*place, mistakes[name][1], trainers, sides, system))
        except (AttributeError, KeyError, TypeError):
            continue  # a trainer without that part
        if after is not None and second(name, mistakes[name][1]):
            return {"name": name, "before": before, "after": after, "tried": number}
    return {"name": UNKNOWN, "before": before, "after": None, "tried": len(order)}


class _Second:
    """A second training, in which a cause must hold as well before it is named."""

    def __init__(self, config, steps, first, seed, tamper, trainers, sides, system):
        if system in OTHER:
            config = replace(config, batch_size=config.batch_size + config.accumulate, **OTHER[system])
        if system == "ugatit":
            # A small rate, since with a large one rounding errors grow too fast for a whole schedule.
            rates = first == "learning rate"
            batch = config.batch_size if rates else config.batch_size + config.accumulate
            config = replace(config, batch_size=batch, iteration=11, lr=min(config.lr, 1e-4))
            steps = config.iteration if rates else 3
            if config.img_size == SMALLER["img_size"]:
                config = replace(config, img_size=28)
            else:
                config = replace(config, **SMALLER)
        self.place = config, steps, seed + 1
        self.rest, self.tamper, self.found = (trainers, sides, system), tamper, None

    def __call__(self, name, plant):
        """Return whether the mistake gives what Paddle gives."""
        if self.found is None:
            self.found = _paddle_states(*self.place, self.tamper, *self.rest)
        try:
            return _distance(self.found, _twin_states(*self.place, plant, *self.rest)) is not None
        except (AttributeError, KeyError, TypeError):
            return False


def _paddle_states(config, steps, seed, tamper, trainers, sides, system):
    _, ours = started(config, seed, trainers, sides, TRAINING[system].moved)
    if tamper:
        tamper(ours)
    given = zip(range(steps), TRAINING[system].given(config, seed), strict=False)
    return [paddle_state(ours, one_step(ours, sides[1], *arrays)) for _, arrays in given]


def _twin_states(config, steps, seed, plant, trainers, sides, system):
    """A generator, so that a mistake refuted by the first step costs only one."""
    theirs, _ = started(config, seed, trainers, sides, TRAINING[system].moved)
    if plant:
        plant(theirs)
    for _, arrays in zip(range(steps), TRAINING[system].given(config, seed), strict=False):
        yield torch_state(theirs, one_step(theirs, sides[0], *arrays))


def _distance(found, states):
    """The largest error of all numbers; None as soon as a step does not agree."""
    largest = 0.0
    for step, (ours, theirs) in enumerate(zip(found, states, strict=True), 1):
        rows = compared(theirs, ours, step)
        if any(row.verdict == "fail" for row in rows):
            return None
        largest = max(largest, *(row.error for row in rows))
    return largest


# The mistakes: each changes a trainer in place.


def _no_decay(leaf):
    def plant(theirs):
        for kind, optimizer in theirs.optimizers.items():
            nets = [net for name, net in theirs.networks.items() if name.startswith(kind)]
            named = [pair for net in nets for pair in net.named_parameters()]
            without = {id(parameter) for name, parameter in named if name.rpartition(".")[2] == leaf}
            optimizer.param_groups[0]["params"] = [p for _, p in named if id(p) not in without]
            optimizer.add_param_group({"params": [p for _, p in named if id(p) in without], "weight_decay": 0.0})
            optimizer.step = _same_rate(optimizer, optimizer.step)

    return plant


def _same_rate(optimizer, step):
    def stepped():
        for group in optimizer.param_groups:
            group["lr"] = optimizer.param_groups[0]["lr"]
        step()

    return stepped


def _eps_uncorrected(theirs):
    for optimizer in theirs.optimizers.values():
        optimizer.step = _uncorrected(optimizer, optimizer.step)


def _uncorrected(optimizer, step):
    def stepped():
        optimizer.made = getattr(optimizer, "made", 0) + 1
        optimizer.param_groups[0]["eps"] = 1e-8 / (1 - 0.999**optimizer.made) ** 0.5
        step()

    return stepped


def _update(function):
    def plant(theirs):
        theirs._update = lambda *arguments: function(theirs, *arguments)

    return plant


def _accumulating(theirs, kind, loss):
    loss.backward()
    if kind == "gen":  # Paddle's trainer never computes the discriminators' gradients of these losses
        for parameter in theirs.optimizers["dis"].param_groups[0]["params"]:
            parameter.grad = None if parameter.grad is None else theirs.kept[parameter]
    else:
        theirs.kept = {p: p.grad.clone() for p in theirs.optimizers["dis"].param_groups[0]["params"]}
        for parameter in theirs.optimizers["gen"].param_groups[0]["params"]:
            parameter.grad = getattr(theirs, "kept_gen", {}).get(parameter)
    theirs.optimizers[kind].step()
    if kind == "gen":
        theirs.kept_gen = {p: p.grad.clone() for p in theirs.optimizers["gen"].param_groups[0]["params"]}


def _kept_from_discriminators(theirs, kind, loss):
    theirs.optimizers["dis"].zero_grad()
    loss.backward()
    theirs.optimizers[kind].step()
    if kind == "gen":
        theirs.optimizers["gen"].zero_grad()


def _clip_first(theirs):
    clip = theirs._clip_rho
    theirs._clip_rho = lambda: None

    def update(kind, loss):
        theirs.optimizers[kind].zero_grad()
        loss.backward()
        if kind == "gen":
            clip()
        theirs.optimizers[kind].step()

    theirs._update = update


def _clip(names):
    def plant(theirs):
        def clip():
            with torch.no_grad():
                for name in names:
                    for key, parameter in theirs.networks[name].named_parameters():
                        if key.rpartition(".")[2] == "rho":
                            parameter.clamp_(0, 1)

        theirs._clip_rho = clip

    return plant


def _passes(order, swapped=False):
    """Plant: discriminators see real and translated images in this order; `swapped`, those of the other direction."""

    def plant(theirs):
        def discriminator_losses(real_a, real_b):
            nets, found = theirs.networks, {}
            fakes = {"a": nets["genB2A"](real_b)[0], "b": nets["genA2B"](real_a)[0]}
            fakes = {"a": fakes["b"], "b": fakes["a"]} if swapped else fakes
            for domain, real in (("a", real_a), ("b", real_b)):
                terms = []
                for net in theirs._discriminators(domain):
                    images = {"real": real, "fake": fakes[domain]}
                    verdicts = {name: net(images[name]) for name in order}
                    terms.append(losses.discriminator_loss(verdicts["real"], verdicts["fake"]))
                found[f"d_loss_{domain}"] = theirs.config.adv_weight * sum(terms)
            return found | {"d_loss": found["d_loss_a"] + found["d_loss_b"]}

        theirs._discriminator_losses = discriminator_losses

    return plant


def _other_direction(theirs):
    """Plant: all losses, and the cycles, use the translations of the other direction."""
    _passes(("real", "fake"), swapped=True)(theirs)

    def generator_losses(real_a, real_b):
        nets = theirs.networks
        fake_b, cam_b, _ = nets["genA2B"](real_a)
        fake_a, cam_a, _ = nets["genB2A"](real_b)
        fake_a, fake_b = fake_b, fake_a
        cycled_a, cycled_b = nets["genB2A"](fake_b)[0], nets["genA2B"](fake_a)[0]
        same_a, same_cam_a, _ = nets["genB2A"](real_a)
        same_b, same_cam_b, _ = nets["genA2B"](real_b)
        found = theirs._direction("a", real_a, fake_a, cycled_a, same_a, cam_a, same_cam_a)
        found |= theirs._direction("b", real_b, fake_b, cycled_b, same_b, cam_b, same_cam_b)
        return found | {"g_loss": sum(found.values())}

    theirs._generator_losses = generator_losses


def _twice(theirs):
    """Plant: all passes of a discriminator in a half are made, and then once more; the later ones count."""
    _passes(("real", "fake", "real", "fake"))(theirs)
    half, nets = theirs._generator_losses, [net for name, net in theirs.networks.items() if name.startswith("dis")]

    def generator_losses(real_a, real_b):
        with ExitStack() as stack:
            for net in nets:
                twice = lambda x, right=net.forward: (right(x), right(x))[1]  # noqa: E731
                stack.enter_context(patch.object(net, "forward", twice))
            return half(real_a, real_b)

    theirs._generator_losses = generator_losses


def _cam(loss):
    def plant(theirs):
        right = theirs._direction

        def direction(domain, real, fake, cycled, same, fake_cam, same_cam):
            found = right(domain, real, fake, cycled, same, fake_cam, same_cam)
            found[f"g_cam_{domain}"] = theirs.config.cam_weight * (loss(fake_cam, 1) + loss(same_cam, 0))
            return found

        theirs._direction = direction

    return plant


def _summed(logit, target):
    return losses.cross_entropy(logit, target) * logit.numel()


def _zero_gradients(theirs):
    for optimizer in theirs.optimizers.values():
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.zeros_like(parameter)
        optimizer.zero_grad = lambda right=optimizer.zero_grad: right(set_to_none=False)


# Name -> (what differs first, plant).
MISTAKES = {
    "discriminators see translated before real": ("loss", _passes(("fake", "real"))),
    "every discriminator pass made twice": ("loss", _twice),
    "discriminators get the translations of the other direction": ("loss", _other_direction),
    "CAM loss by least squares": ("loss", _cam(losses.least_squares)),
    "CAM loss summed for its mean": ("loss", _cam(_summed)),
    "learning rate never decays": ("learning rate", schedule(lambda step: 1)),
    "learning rate a step early": ("learning rate", schedule(lambda step: step + 1)),
    "learning rate a step late": ("learning rate", schedule(lambda step: step - 1)),
    **{
        f"learning rate by epochs of {n} steps": ("learning rate", schedule(lambda step, n=n: (step - 1) // n * n + 1))
        for n in (2, 3, 4, 5, 10)
    },
    "AdamW: decoupled decay": ("moment1", optimiser(torch.optim.AdamW)),
    "no weight decay": ("moment1", optimiser(weight_decay=0.0)),
    **ADAM,
    **{f"no weight decay of {leaf}": ("moment1", _no_decay(leaf)) for leaf in ("rho", "bias", "gamma", "beta")},
    "gradients accumulate over the steps": ("moment1", _update(_accumulating)),
    "generators keep the gradient of the discriminators' step": ("moment1", _update(_kept_from_discriminators)),
    "gradients zero where there are none": ("moment1", _zero_gradients),
    "eps not corrected": ("parameter", _eps_uncorrected),
    "rho never clipped": ("parameter", _clip(())),
    "rho clipped before the step": ("parameter", _clip_first),
    **{f"rho of {name} alone clipped": ("parameter", _clip((name,))) for name in ("genA2B", "genB2A")},
}
OTHERS = {  # of the other systems
    "adain": adain_training.MISTAKES,
    "sagan": sagan_training.MISTAKES,
    "stylegan2": stylegan2.MISTAKES,
}
