"""torch_ref's iteration with the savings that PyTorch can make as well, for a fair comparison of speed with Paddle.

Contents: SavingTrainer. Its updates are those of the plain trainer (tests/align/test_bench.py).
"""

from contextlib import contextmanager

import torch

from torch_ref.losses import discriminator_loss
from torch_ref.training.ugatit import Trainer


class SavingTrainer(Trainer):
    """The plain iteration, with fakes computed once, discriminators frozen for the generators, and batched passes."""

    def _adam(self, kind):
        parameters = [p for name, net in self.networks.items() if name.startswith(kind) for p in net.parameters()]
        config = self.config
        return torch.optim.Adam(parameters, config.lr, (0.5, 0.999), weight_decay=config.weight_decay, fused=True)

    def step(self, real_a, real_b):
        """Make one iteration on a batch of each domain; returns the losses by name."""
        self._passes = self._translate(real_a, real_b)
        try:
            return super().step(real_a, real_b)
        finally:
            del self._passes

    def _translate(self, real_a, real_b):
        """For each target domain: translated and reconstructed images, and the CAM logits of both."""
        passes = {}
        for domain, generator, real, other in (("a", "genB2A", real_a, real_b), ("b", "genA2B", real_b, real_a)):
            images, cams, _ = self.networks[generator](torch.cat([other, real]))
            passes[domain] = *images.chunk(2), *cams.chunk(2)
        return passes

    def _discriminator_losses(self, real_a, real_b):
        losses = {}
        for domain, real in (("a", real_a), ("b", real_b)):
            fake = self._passes[domain][0].detach()
            terms = [discriminator_loss(net(real), net(fake)) for net in self._discriminators(domain)]
            losses[f"d_loss_{domain}"] = self.config.adv_weight * sum(terms)
        return losses | {"d_loss": losses["d_loss_a"] + losses["d_loss_b"]}

    def _generator_losses(self, real_a, real_b):
        (fake_a, same_a, fake_cam_a, same_cam_a), (fake_b, same_b, fake_cam_b, same_cam_b) = self._passes.values()
        cycled_a, cycled_b = self.networks["genB2A"](fake_b)[0], self.networks["genA2B"](fake_a)[0]
        losses = self._direction("a", real_a, fake_a, cycled_a, same_a, fake_cam_a, same_cam_a)
        losses |= self._direction("b", real_b, fake_b, cycled_b, same_b, fake_cam_b, same_cam_b)
        return losses | {"g_loss": sum(losses.values())}

    def _direction(self, *arguments):
        with self._frozen_discriminators():
            return super()._direction(*arguments)

    @contextmanager
    def _frozen_discriminators(self):
        parameters = self.optimizers["dis"].param_groups[0]["params"]
        for parameter in parameters:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in parameters:
                parameter.requires_grad_(True)
