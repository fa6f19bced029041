"""Training of SAGAN (Zhang et al. 2018, sections 3 and 4): one iteration of the public code, written plainly.

Hinge loss, one step of each network with learning rates of their own; or wgan-gp, where the discriminator makes a
second step for the gradient penalty. Every pass is run by itself.
Twin: paddle_ugatit/training/sagan.py, which makes the same updates with less work.
"""

from dataclasses import dataclass
from typing import Any

import torch

from torch_ref.losses import hinge, hinge_generator_loss, unit_gradient_penalty, wasserstein
from torch_ref.models.sagan import SAGANDiscriminator, SAGANGenerator


@dataclass(frozen=True)
class SAGANConfig:
    """The options of a run, with the defaults of the public code.

    The paper's (section 4) and those of the public command line: written from these, not from the port, so that a wrong
    default or schedule of the port shows as a difference.
    """

    iteration: int = 1_000_000  # --total_step
    batch_size: int = 64
    img_size: int = 64  # --imsize, whose own default, 32, crashes
    load_size: int = 64  # the public code resizes to --imsize
    center_crop: int = 0  # 160 for CelebA, nothing for LSUN
    z_dim: int = 128
    conv_dim: int = 64  # --g_conv_dim and --d_conv_dim
    adv_loss: str = "hinge"  # the paper's; --adv_loss itself has wgan-gp
    penalty_weight: float = 10.0  # --lambda_gp
    lr_g: float = 0.0001  # both constant: --lr_decay is not used
    lr_d: float = 0.0004
    beta1: float = 0.0
    beta2: float = 0.9


class SAGANTrainer:
    """Generator and discriminator, in `networks` as G and D, and an optimiser each.

    `config` is a SAGANConfig, or has its fields.
    """

    def __init__(self, config: Any):
        self.config, self.iteration = config, 0
        self.networks = {
            "G": SAGANGenerator(config.img_size, config.z_dim, config.conv_dim),
            "D": SAGANDiscriminator(config.img_size, config.conv_dim),
        }
        self.optimizers = {"G": self._adam("G", config.lr_g), "D": self._adam("D", config.lr_d)}

    def _adam(self, kind: str, rate: float) -> torch.optim.Adam:
        betas = self.config.beta1, self.config.beta2
        return torch.optim.Adam(self.networks[kind].parameters(), rate, betas=betas)

    def draw(self, count: int) -> dict[str, torch.Tensor]:
        """Return random latents for the step of the discriminator, "D", and of the generator, "G": (B,z) each.

        For wgan-gp, "mix" (B,) in [0,1) is the share of the real image in each at which the penalty is taken.
        """
        random = {kind: torch.randn(count, self.config.z_dim) for kind in "DG"}
        return random | ({"mix": torch.rand(count)} if self.config.adv_loss == "wgan-gp" else {})

    def step(self, real: torch.Tensor, random: dict[str, torch.Tensor] | None = None) -> dict[str, torch.Tensor]:
        """Run one iteration on images (B,3,S,S) in [-1,1]; returns the named losses and the gammas, () each.

        `random` is what `draw` returns, by default drawn anew.
        """
        self.iteration += 1
        random = random or self.draw(real.shape[0])
        fake = self.networks["G"](random["D"])[0].detach()
        losses = self._discriminator_losses(real, fake)
        self._update("D", losses["d_loss"])
        if self.config.adv_loss == "wgan-gp":
            losses["d_penalty"] = self._penalty(real, fake, random["mix"])
            self._update("D", losses["d_penalty"])
        losses |= self._generator_losses(random["G"])
        self._update("G", losses["g_loss"])
        return {name: loss.detach() for name, loss in losses.items()} | self._gammas()

    def _discriminator_losses(self, real: torch.Tensor, fake: torch.Tensor) -> dict[str, torch.Tensor]:
        loss = wasserstein if self.config.adv_loss == "wgan-gp" else hinge
        on_real, on_fake = self.networks["D"](real)[0], self.networks["D"](fake)[0]
        losses = {"d_real": loss(on_real, 1), "d_fake": loss(on_fake, -1)}
        return losses | {"d_loss": losses["d_real"] + losses["d_fake"]}

    def _penalty(self, real: torch.Tensor, fake: torch.Tensor, mix: torch.Tensor) -> torch.Tensor:
        """Return the weighted gradient penalty at images between real and generated ones."""
        share = mix.reshape(-1, 1, 1, 1)
        images = (share * real + (1 - share) * fake).requires_grad_()
        gradients = torch.autograd.grad(self.networks["D"](images)[0].sum(), images, create_graph=True)[0]
        return self.config.penalty_weight * unit_gradient_penalty(gradients)

    def _generator_losses(self, z: torch.Tensor) -> dict[str, torch.Tensor]:
        fake = self.networks["G"](z)[0]
        return {"g_loss": hinge_generator_loss(self.networks["D"](fake)[0])}

    def _update(self, kind: str, loss: torch.Tensor) -> None:
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        loss.backward()
        self.optimizers[kind].step()

    def _gammas(self) -> dict[str, torch.Tensor]:
        """Return the gamma of every attention after the step; they are 0 at first."""
        places = [(kind, number) for kind in "gd" for number in (1, 2)]
        layers = {(kind, n): getattr(self.networks[kind.upper()], f"attn{n}") for kind, n in places}
        return {f"{kind}_gamma{n}": layer.gamma.detach().clone().reshape(()) for (kind, n), layer in layers.items()}


# The names that scripts import.
Config, Trainer = SAGANConfig, SAGANTrainer
