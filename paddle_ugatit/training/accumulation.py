"""The iteration of trainer.py in parts: the same update as from the whole batch, with the memory of one part.

Every loss is a mean over the batch, so the gradients of equal parts average to its own. What must not be repeated is
the power iteration: a discriminator makes one for each pass over the batch, so only the first part of a pass makes it,
and all real parts come before the translated ones. The translations are computed twice, since their graphs for all
parts at once would need the memory that this is meant to save.
"""

from contextlib import contextmanager

import paddle

from paddle_ugatit.losses import verdict_loss
from paddle_ugatit.training.diverged import require_finite


def accumulated_step(trainer, real_a, real_b):
    """One iteration on a batch of each domain, (B,C,H,W); the named losses, () each."""
    count = trainer.config.accumulate
    parts = list(zip(real_a.chunk(count), real_b.chunk(count), strict=True))
    losses = Means(count, trainer.iteration, trainer.precision.backward)
    with paddle.no_grad(), trainer.precision.forward():
        translated = [trainer._translate(*part) for part in parts]
    for what, target in (("real", 1), ("fake", 0)):
        for number, passes in enumerate(translated):
            with _power_iterations(trainer, number == 0), trainer.precision.forward():
                found = _verdicts(trainer, passes, what, target)
            losses.add(found, "d_loss")
    trainer._apply_gradients("dis")
    with trainer._frozen_discriminators():
        for number, part in enumerate(parts):
            with trainer.precision.forward():
                passes = trainer._translate(*part)
            with _power_iterations(trainer, number == 0):
                losses.note(trainer._generator_gradients(passes, 1 / count))
        trainer._apply_gradients("gen")
    trainer._clip_rho()
    return losses.found


def _verdicts(trainer, passes, what, target):
    """The half of the discriminators' loss that is about real or about translated images."""
    losses = {}
    for domain, images in passes.items():
        terms = [verdict_loss(net(images[what]), target) for net in trainer._discriminators(domain)]
        losses[f"d_loss_{domain}"] = trainer.config.adv_weight * sum(terms)
    return losses | {"d_loss": losses["d_loss_a"] + losses["d_loss_b"]}


class Means:
    """Losses of `count` parts, added up to those of the whole batch, with their passes by `backward(loss)`."""

    def __init__(self, count, iteration, backward):
        self.count, self.iteration, self.backward, self.found = count, iteration, backward, {}

    def add(self, losses, total):
        """A part's losses by name, of which `total` is sent backward. Raises DivergedError."""
        require_finite(losses, total, self.iteration)
        self.backward(losses[total] / self.count)
        self.note(losses)

    def note(self, losses):
        """Losses of a part that has been sent backward."""
        for name, loss in losses.items():
            part = loss.detach() / self.count
            self.found[name] = self.found[name] + part if name in self.found else part


@contextmanager
def _power_iterations(trainer, wanted):
    """In this block the discriminators' spectral norms move on at each pass, or stay where they are."""
    networks = [net for name, net in trainer.networks.items() if name.startswith("dis")]
    for net in networks:
        net.train() if wanted else net.eval()
    try:
        yield
    finally:
        for net in networks:
            net.train()
