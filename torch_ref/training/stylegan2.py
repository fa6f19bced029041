"""Training of StyleGAN2 (Karras et al. 2020) in its small public form: one iteration, written plainly.

Twin: paddle_ugatit/training/stylegan2.py.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch

from torch_ref.losses import gradient_penalty, hinge_discriminator_loss, hinge_generator_loss, path_lengths
from torch_ref.models.stylegan2 import StyleGAN2Discriminator, StyleGAN2Generator, StyleVectorizer
from torch_ref.training.augment import augment

SIGN = -1  # quirk: in the public code, the discriminator's logits are low for real images and high for generated ones

Losses = dict[str, torch.Tensor]
Random = dict[str, torch.Tensor]  # the random numbers of a step by name


@dataclass(frozen=True)
class StyleGAN2Config:
    """The options of a run; steps are counted from 0.

    Those of the public command line, but where a comment has another: written from it, not from the port, so that a
    wrong default or schedule of the port shows as a difference.
    """

    iteration: int = 1_000_000  # --num-train-steps 150000
    batch_size: int = 1  # --batch-size 5, --gradient-accumulate-every 6
    img_size: int = 64  # --image-size 128
    load_size: int = 64
    keep_aspect: bool = False  # the public code keeps the aspect
    latent_dim: int = 512
    style_depth: int = 8
    network_capacity: int = 16
    fmap_max: int = 512
    lr: float = 0.0002
    lr_dis_factor: float = 1.5  # --ttur-mult
    mixing: float = 0.9  # --mixed-prob
    augment: float = 0.0  # --aug-prob
    augment_kinds: str = "color,translation,cutout"  # --aug-types translation, cutout
    penalty_weight: float = 10.0
    penalty_every: int = 4
    path_every: int = 32
    path_after: int = 5000
    path_decay: float = 0.99
    mean_decay: float = 0.995
    mean_every: int = 10
    mean_after: int = 20_000
    copy_every: int = 1000
    copy_until: int = 25_000
    truncation: float = 0.75  # --trunc-psi

    def kinds(self) -> list[str]:
        """Return the names of the augmentations."""
        return [name.strip() for name in self.augment_kinds.split(",") if name.strip()]


class StyleGAN2Trainer:
    """S, G, D and the running means SE, GE; an optimiser for G and S, "gen", and one for D, "dis".

    `config` is a StyleGAN2Config, or has its fields.
    """

    def __init__(self, config: Any):
        self.config, self.iteration, self.path_length, self.latest = config, 0, None, {}
        style = StyleVectorizer(config.latent_dim, config.style_depth)
        widths = config.network_capacity, config.fmap_max
        generator = StyleGAN2Generator(config.img_size, config.latent_dim, *widths)
        self.networks = {"S": style, "G": generator, "D": StyleGAN2Discriminator(config.img_size, *widths)}
        self.networks |= {"SE": copy.deepcopy(style), "GE": copy.deepcopy(generator)}
        self.optimizers = {
            "gen": torch.optim.Adam([*generator.parameters(), *style.parameters()], config.lr, (0.5, 0.9)),
            "dis": torch.optim.Adam(self.networks["D"].parameters(), config.lr * config.lr_dis_factor, (0.5, 0.9)),
        }

    def step(self, real: torch.Tensor, random: Random) -> Losses:
        """Run one iteration on images (B,3,S,S) in [-1,1]; returns the named losses, () each.

        `random` is what `draw` of the twin returns.
        """
        count = self.iteration
        self.iteration += 1
        losses = self._d_losses((real + 1) / 2, random, count % self.config.penalty_every == 0)
        self._update("dis", losses["d_loss"])
        measured = count > self.config.path_after and count % self.config.path_every == 0
        losses |= self._g_losses(random, measured)
        self._update("gen", losses["g_loss"])
        if measured:
            self._note_path_length(losses["g_path_length"].item())
        self._move_means(count)
        made = {"d_penalty": count % self.config.penalty_every == 0, "g_path": measured, "g_path_length": measured}
        for name, now in made.items():  # the last value of a loss that is not computed in every step
            losses[name] = self.latest[name] = losses[name] if now else self.latest.get(name, losses[name])
        return {name: loss.detach() for name, loss in losses.items()}

    def _styles(self, random: Random, half: str) -> torch.Tensor:
        """Return styles (B,layers,latent) for the discriminator's half of a step, "d", or the generator's, "g"."""
        latents, mix = random[f"{half}_latents"], random[f"{half}_mix"]
        first, second = self.networks["S"](latents[:, 0]), self.networks["S"](latents[:, 1])
        return torch.stack([first if use else second for use in mix], 1)

    def _augmented(self, images: torch.Tensor, random: Random, name: str) -> torch.Tensor:
        """Return the images, augmented if that was drawn for them."""
        numbers = random.get(f"{name}_augment")
        return images if numbers is None else augment(images, numbers, self.config.kinds())

    def _d_losses(self, real: torch.Tensor, random: Random, penalised: bool) -> Losses:
        fake = self.networks["G"](self._styles(random, "d"), random["d_noise"])
        # quirk: the penalty is taken at real images before, but at generated ones after they are augmented
        real, fake = real.requires_grad_(), self._augmented(fake, random, "d").detach().requires_grad_()
        on_real, on_fake = self.networks["D"](self._augmented(real, random, "real")), self.networks["D"](fake)
        adversarial = hinge_discriminator_loss(on_real, on_fake, SIGN)
        penalty = torch.zeros(())
        if penalised:
            pairs = ((on_real, real), (on_fake, fake))
            gradients = [torch.autograd.grad(verdict.sum(), image, create_graph=True)[0] for verdict, image in pairs]
            penalty = self.config.penalty_weight * sum(gradient_penalty(gradient) for gradient in gradients)
        return {"d_adv": adversarial, "d_penalty": penalty, "d_loss": adversarial + penalty}

    def _g_losses(self, random: Random, measured: bool) -> Losses:
        styles = self._styles(random, "g")
        fake = self.networks["G"](styles, random["g_noise"])
        adversarial = hinge_generator_loss(self.networks["D"](self._augmented(fake, random, "g")), SIGN)
        path = length = torch.zeros(())
        if measured:
            directions = random["path"] / self.config.img_size
            lengths = path_lengths(torch.autograd.grad((fake * directions).sum(), styles, create_graph=True)[0])
            length = lengths.mean()
            if self.path_length is not None:  # the first one only starts the running mean
                path = ((lengths - self.path_length) ** 2).mean()
        return {"g_adv": adversarial, "g_path": path, "g_path_length": length, "g_loss": adversarial + path}

    def _note_path_length(self, length: float) -> None:
        """Update the running mean of path lengths."""
        before, decay = self.path_length, self.config.path_decay
        self.path_length = length if before is None else decay * before + (1 - decay) * length

    def _move_means(self, count: int) -> None:
        """Update SE and GE after step `count`."""
        config = self.config
        if count > config.mean_after and count % config.mean_every == 0:
            self._set_means(config.mean_decay)
        if count <= config.copy_until and count % config.copy_every == min(2, config.copy_every - 1):
            self._set_means(0.0)

    def _set_means(self, decay: float) -> None:
        with torch.no_grad():
            for mean, source in (("SE", "S"), ("GE", "G")):
                pairs = zip(self.networks[mean].parameters(), self.networks[source].parameters(), strict=True)
                for slow, fast in pairs:
                    slow.mul_(decay).add_(fast, alpha=1 - decay)

    def _update(self, kind: str, loss: torch.Tensor) -> None:
        self.optimizers[kind].zero_grad()
        loss.backward()
        self.optimizers[kind].step()


# The names that scripts import.
Config, Trainer = StyleGAN2Config, StyleGAN2Trainer
