"""Training of SAGAN (Zhang et al. 2018, sections 3 and 4): the options, and one iteration.

Hinge loss, one step of each network with learning rates of their own; or wgan-gp, where the discriminator makes a
second step for the gradient penalty. Twin: torch_ref/training/sagan.py. What is saved here, without changing what is
computed: the discriminator takes real and generated images as one batch, and each half has the power iteration of its
own pass.
"""

import typing
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import paddle
from paddle import nn

from paddle_ugatit.backend.adam import Adam
from paddle_ugatit.data.transforms import Framing
from paddle_ugatit.inference.sample import attention_rows
from paddle_ugatit.inference.sample_sagan import SAGANSampler
from paddle_ugatit.inference.sheets import grid
from paddle_ugatit.layers.fast.dispatch import twice_differentiable
from paddle_ugatit.layers.spectral_norm import passes_in_one
from paddle_ugatit.losses import hinge, hinge_generator_loss, unit_gradient_penalty, wasserstein
from paddle_ugatit.models.sagan import SAGANDiscriminator, SAGANGenerator, depth_of, require_width
from paddle_ugatit.training.distributed import average_gradients
from paddle_ugatit.training.diverged import require_finite
from paddle_ugatit.training.frozen import frozen
from paddle_ugatit.training.options import RunOptions, UnsupportedError
from paddle_ugatit.training.precision import Precision

LOSSES = ("hinge", "wgan-gp")
SHOWN, COLUMNS, ATTENTIVE = 64, 8, 4  # samples on a sheet, samples in a row, samples shown with their attention


@dataclass(frozen=True)
class SAGANConfig(RunOptions):
    """The options of a run, with the defaults of the public code.

    Raises ValueError if a value is invalid.
    """

    batch_size: int = 64  # real images in one iteration on each device, and as many generated ones
    domain: str = "B"  # trained on train<domain>, compared with test<domain>
    img_size: int = 64  # pixels, height and width: 16, 32, 64, ...
    load_size: int = 64  # pixels to which an image is resized before a random crop to img_size
    center_crop: int = 0  # pixels of the square that is cut from the middle before that: 160 for CelebA; 0 is none
    z_dim: int = 128  # length of a latent
    conv_dim: int = 64  # channels of the layer with the largest map, in generator and discriminator
    adv_loss: str = "hinge"  # hinge as published, or wgan-gp, the default of the public code
    penalty_weight: float = 10.0  # of wgan-gp's gradient penalty
    lr_g: float = 1e-4  # Adam's learning rate for the generator
    lr_d: float = 4e-4  # and for the discriminator, instead of more steps: section 3.3
    beta1: float = 0.0  # Adam's, for both
    beta2: float = 0.9  # Adam's, for both

    img_ch = 3  # channels of an image
    LEAST: typing.ClassVar[dict[str, int]] = {**RunOptions.LEAST, "z_dim": 1, "load_size": 1}

    @property
    def framing(self) -> Framing:
        """What is cut from images before they are resized."""
        return Framing(middle=self.center_crop)

    @property
    def domains(self) -> tuple[str, ...]:
        """The one domain whose images a run reads."""
        return (self.domain,)

    def __post_init__(self) -> None:
        super().__post_init__()
        depth_of(self.img_size)
        require_width(self.conv_dim)
        if max(self.beta1, self.beta2) >= 1:
            raise ValueError(f"beta1 and beta2 must be below 1, got {self.beta1} and {self.beta2}")
        if self.adv_loss not in LOSSES:
            raise ValueError(f"adv_loss must be one of {', '.join(LOSSES)}, got {self.adv_loss!r}")
        if self.adv_loss == "wgan-gp" and self.amp != "off":
            raise UnsupportedError("amp must be off with wgan-gp: a loss that contains gradients needs more precision")
        if self.accumulate > 1:
            raise ValueError("accumulate must be 1: batch norm needs the whole batch at once")


class SAGANTrainer:
    """Generator and discriminator, in `networks` as G and D, and an optimiser each."""

    model = "sagan"
    averaged = ("G",)  # networks of which a running mean may be kept
    shown = ("d_loss", "g_loss")  # losses beside a progress bar

    def __init__(self, config: SAGANConfig):
        self.config, self.iteration, self.precision = config, 0, Precision(config.amp)
        self.notes: list[str] = []
        self.scalars: dict[str, typing.Any] = {}
        self.networks: dict[str, nn.Layer] = {
            "G": SAGANGenerator(config.img_size, config.z_dim, config.conv_dim),
            "D": SAGANDiscriminator(config.img_size, config.conv_dim),
        }
        self.optimizers = {"G": self._adam("G", config.lr_g), "D": self._adam("D", config.lr_d)}

    def _adam(self, kind: str, rate: float) -> Adam:
        return Adam(rate, self.config.beta1, self.config.beta2, self.networks[kind].parameters())

    def named_parameters(self, kind: str) -> list[tuple[str, paddle.Tensor]]:
        """Return (name, parameter) of "G" or "D", in the optimiser's order."""
        return [(f"{kind}.{key}", parameter) for key, parameter in self.networks[kind].named_parameters()]

    def draw(self, count: int) -> dict[str, paddle.Tensor]:
        """Return random latents for the step of the discriminator, "D", and of the generator, "G": (B,z) each.

        For wgan-gp, "mix" (B,) in [0,1) is the share of the real image in each at which the penalty is taken.
        """
        random = {kind: paddle.randn([count, self.config.z_dim]) for kind in "DG"}
        return random | ({"mix": paddle.rand([count])} if self.config.adv_loss == "wgan-gp" else {})

    def step(self, real: paddle.Tensor, random: dict[str, paddle.Tensor] | None = None) -> dict[str, paddle.Tensor]:
        """Run one iteration on images (B,3,S,S) in [-1,1]; returns the named losses and the gammas, () each.

        `random` is what `draw` returns, by default drawn anew. Raises DivergedError if a loss is not finite.
        """
        self.iteration += 1
        random = random or self.draw(real.shape[0])
        with self.precision.forward():
            fake = self._generated(random["D"])
            losses = self._discriminator_losses(real, fake)
        require_finite(losses, "d_loss", self.iteration)
        self._update("D", losses["d_loss"])
        if self.config.adv_loss == "wgan-gp":
            losses["d_penalty"] = self._penalty(real, fake, random["mix"])
            require_finite(losses, "d_penalty", self.iteration)
            self._update("D", losses["d_penalty"])
        with frozen(self.networks["D"].parameters()):
            with self.precision.forward():
                losses |= self._generator_losses(random["G"])
            require_finite(losses, "g_loss", self.iteration)
            self._update("G", losses["g_loss"])
        return {name: loss.detach() for name, loss in losses.items()} | self._gammas()

    def _generated(self, z: paddle.Tensor) -> paddle.Tensor:
        """Return images for the discriminator's step, without a gradient."""
        with paddle.no_grad():
            return self.networks["G"](z)[0]

    def _discriminator_losses(self, real: paddle.Tensor, fake: paddle.Tensor) -> dict[str, paddle.Tensor]:
        discriminator, loss = self.networks["D"], wasserstein if self.config.adv_loss == "wgan-gp" else hinge
        with passes_in_one(discriminator, 2):
            on_real, on_fake = discriminator(paddle.concat([real, fake]))[0].chunk(2)
        losses = {"d_real": loss(on_real, 1), "d_fake": loss(on_fake, -1)}
        return losses | {"d_loss": losses["d_real"] + losses["d_fake"]}

    def _penalty(self, real: paddle.Tensor, fake: paddle.Tensor, mix: paddle.Tensor) -> paddle.Tensor:
        """Return the weighted gradient penalty at images between real and generated ones."""
        share = mix.reshape([-1, 1, 1, 1])
        images = share * real + (1 - share) * fake
        images.stop_gradient = False
        with twice_differentiable():
            gradients = paddle.grad(self.networks["D"](images)[0].sum(), [images], create_graph=True)[0]
            return self.config.penalty_weight * unit_gradient_penalty(gradients)

    def _generator_losses(self, z: paddle.Tensor) -> dict[str, paddle.Tensor]:
        fake = self.networks["G"](z)[0]
        return {"g_loss": hinge_generator_loss(self.networks["D"](fake)[0])}

    def _update(self, kind: str, loss: paddle.Tensor) -> None:
        self.precision.backward(loss)
        average_gradients(self.networks[kind].parameters())
        self.precision.step(self.optimizers[kind])
        self.optimizers[kind].clear_grad(set_to_zero=False)

    def _gammas(self) -> dict[str, paddle.Tensor]:
        """Return the gamma of every attention after the step; they are 0 at first."""
        places = [(kind, number) for kind in "gd" for number in (1, 2)]
        layers = {(kind, n): getattr(self.networks[kind.upper()], f"attn{n}") for kind, n in places}
        return {f"{kind}_gamma{n}": layer.gamma.detach().clone().reshape([]) for (kind, n), layer in layers.items()}

    def sheets(self, networks: dict[str, nn.Layer], tests: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return a sheet of samples of fixed latents, and one of what some of them attend to."""
        sampler = SAGANSampler(networks["G"])
        samples = np.stack(list(sampler.stream(sampler.latents(range(SHOWN)))))
        attention = attention_rows(*sampler.images(sampler.latents(range(ATTENTIVE))))
        return {"samples": grid(samples, COLUMNS), "attention": attention}

    def generated(
        self, networks: dict[str, nn.Layer], tests: dict[str, np.ndarray]
    ) -> Iterator[tuple[str, Iterator[np.ndarray], str]]:
        """Yield as many samples as there are test images of the domain, which they should look like."""
        sampler = SAGANSampler(networks["G"])
        yield "samples", sampler.stream(sampler.latents(range(len(tests[self.config.domain])))), self.config.domain


# The names that scripts import.
Config, Trainer = SAGANConfig, SAGANTrainer
