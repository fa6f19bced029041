"""Training of SAGAN (Zhang et al. 2018, sections 3 and 4): hinge loss, one step of each network, two learning rates.

Twin: torch_ref/training/sagan.py. Saved here, without changing what is computed: the discriminator sees real and
generated images in one batch, each half with the power iteration of its own pass.
"""

import typing
from dataclasses import dataclass

import numpy as np
import paddle

from paddle_ugatit.inference.sample import attention_rows
from paddle_ugatit.inference.sample_sagan import SAGANSampler
from paddle_ugatit.inference.sheets import grid
from paddle_ugatit.layers.spectral_norm import passes_in_one
from paddle_ugatit.losses import hinge, hinge_generator_loss
from paddle_ugatit.models.sagan import SAGANDiscriminator, SAGANGenerator, depth_of, require_width
from paddle_ugatit.training.distributed import average_gradients
from paddle_ugatit.training.diverged import require_finite
from paddle_ugatit.training.frozen import frozen
from paddle_ugatit.training.options import RunOptions
from paddle_ugatit.training.precision import Precision

SHOWN, COLUMNS, ATTENTIVE = 64, 8, 4  # samples on a sheet, in a row of it, and with their attention


@dataclass(frozen=True)
class SAGANConfig(RunOptions):
    """Every option, with the public default. ValueError for a value that cannot be."""

    batch_size: int = 64  # real images, and as many generated ones, in one iteration on each device
    domain: str = "B"  # what is learnt: train<domain>
    img_size: int = 64  # pixels, height and width: 16, 32, 64, ...
    load_size: int = 64  # pixels to which a picture is resized before it is cropped at random to img_size
    z_dim: int = 128  # length of a latent
    conv_dim: int = 64  # channels of the widest map's layer, in generator and discriminator
    lr_g: float = 1e-4  # Adam's learning rate of the generator
    lr_d: float = 4e-4  # and of the discriminator, which makes no more steps: section 3.3
    beta1: float = 0.0  # of both
    beta2: float = 0.9

    img_ch = 3  # channels of an image
    LEAST: typing.ClassVar = {**RunOptions.LEAST, "z_dim": 1, "load_size": 1}

    @property
    def domains(self):
        """The one domain that a run reads."""
        return (self.domain,)

    def __post_init__(self):
        super().__post_init__()
        depth_of(self.img_size)
        require_width(self.conv_dim)
        if max(self.beta1, self.beta2) >= 1:
            raise ValueError(f"beta1 and beta2 must be below 1, got {self.beta1} and {self.beta2}")
        if self.accumulate > 1:
            raise ValueError("accumulate must be 1: the batch norms need the whole batch at once")


class SAGANTrainer:
    """Generator and discriminator, as G and D in `networks`, and an optimiser each."""

    model = "sagan"
    averaged = ("G",)  # networks of which a running mean may be kept
    shown = ("d_loss", "g_loss")  # losses beside a progress bar

    def __init__(self, config):
        self.config, self.iteration, self.precision = config, 0, Precision(config.amp)
        self.networks = {
            "G": SAGANGenerator(config.img_size, config.z_dim, config.conv_dim),
            "D": SAGANDiscriminator(config.img_size, config.conv_dim),
        }
        self.optimizers = {"G": self._adam("G", config.lr_g), "D": self._adam("D", config.lr_d)}

    def _adam(self, kind, rate):
        parameters = self.networks[kind].parameters()
        return paddle.optimizer.Adam(
            float(rate), float(self.config.beta1), float(self.config.beta2), parameters=parameters
        )

    def named_parameters(self, kind):
        """(name, parameter) of "G" or "D", in the optimiser's order."""
        return [(f"{kind}.{key}", parameter) for key, parameter in self.networks[kind].named_parameters()]

    def draw(self, count):
        """The latents of the discriminator's and of the generator's step, (B,z) each."""
        return {kind: paddle.randn([count, self.config.z_dim]) for kind in "DG"}

    def step(self, real, random=None):
        """One iteration on a batch of images (B,3,S,S) in [-1,1]; the named losses and attention's gammas, () each."""
        self.iteration += 1
        random = random or self.draw(real.shape[0])
        with self.precision.forward():
            losses = self._discriminator_losses(real, random["D"])
        require_finite(losses, "d_loss", self.iteration)
        self._update("D", losses["d_loss"])
        with frozen(self.networks["D"].parameters()):
            with self.precision.forward():
                losses |= self._generator_losses(random["G"])
            require_finite(losses, "g_loss", self.iteration)
            self._update("G", losses["g_loss"])
        return {name: loss.detach() for name, loss in losses.items()} | self._gammas()

    def _discriminator_losses(self, real, z):
        generator, discriminator = self.networks["G"], self.networks["D"]
        with paddle.no_grad():
            fake = generator(z)[0]
        with passes_in_one(discriminator, 2):
            on_real, on_fake = discriminator(paddle.concat([real, fake]))[0].chunk(2)
        losses = {"d_real": hinge(on_real, 1), "d_fake": hinge(on_fake, -1)}
        return losses | {"d_loss": losses["d_real"] + losses["d_fake"]}

    def _generator_losses(self, z):
        fake = self.networks["G"](z)[0]
        return {"g_loss": hinge_generator_loss(self.networks["D"](fake)[0])}

    def _update(self, kind, loss):
        self.precision.backward(loss)
        average_gradients(self.networks[kind].parameters())
        self.precision.step(self.optimizers[kind])
        self.optimizers[kind].clear_grad(set_to_zero=False)

    def _gammas(self):
        """How much of its attention each map takes, after the step: 0 at first."""
        places = [(kind, number) for kind in "gd" for number in (1, 2)]
        layers = {(kind, n): getattr(self.networks[kind.upper()], f"attn{n}") for kind, n in places}
        return {f"{kind}_gamma{n}": layer.gamma.detach().clone().reshape([]) for (kind, n), layer in layers.items()}

    def sheets(self, networks, _tests):
        """Samples of fixed latents, in evaluation mode, and what some of them attend to."""
        sampler = SAGANSampler(networks["G"])
        samples = np.stack(list(sampler.stream(sampler.latents(range(SHOWN)))))
        attention = attention_rows(*sampler.images(sampler.latents(range(ATTENTIVE))))
        return {"samples": grid(samples, COLUMNS), "attention": attention}

    def generated(self, networks, tests):
        """As many samples as there are test pictures, and the domain they should look like."""
        sampler = SAGANSampler(networks["G"])
        yield "samples", sampler.stream(sampler.latents(range(len(tests[self.config.domain])))), self.config.domain


# The names that scripts import.
Config, Trainer = SAGANConfig, SAGANTrainer
