"""Training of StyleGAN2 (Karras et al. 2020) in its small public form: the options, and one iteration.

Twin: torch_ref/training/stylegan2.py. Two of the losses contain a gradient, the discriminator's gradient penalty and
the generator's path length, so their own gradients are second derivatives (layers/twice_differentiable.py).
"""

import copy
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import paddle
from paddle import nn

from paddle_ugatit.backend.adam import Adam
from paddle_ugatit.backend.compat import assign, host_generator
from paddle_ugatit.data.transforms import Framing
from paddle_ugatit.inference.sample_stylegan2 import TRUNCATION, StyleGAN2Sampler
from paddle_ugatit.inference.sheets import grid
from paddle_ugatit.losses import gradient_penalty, hinge_discriminator_loss, hinge_generator_loss, path_lengths
from paddle_ugatit.models.stylegan2 import (
    StyleGAN2Discriminator,
    StyleGAN2Generator,
    StyleVectorizer,
    require_image_size,
)
from paddle_ugatit.training import distributed
from paddle_ugatit.training.accumulation import MeanLosses
from paddle_ugatit.training.augment import AUGMENTATIONS, COUNT, augment
from paddle_ugatit.training.frozen import frozen
from paddle_ugatit.training.options import RunOptions, UnsupportedError
from paddle_ugatit.training.precision import Precision

SIGN = -1  # quirk: in the public code, the discriminator's logits are low for real images and high for generated ones

Losses = dict[str, paddle.Tensor]
Random = dict[str, paddle.Tensor]  # the random numbers of a step by name


@dataclass(frozen=True)
class StyleGAN2Config(RunOptions):
    """The options of a run; steps are counted from 0.

    Raises ValueError if a value is invalid. The defaults are those of the public code, but for the size (128 there),
    the augmentations (no color there) and the batch (6 parts of 5 there): work/configs/stylegan2.yaml has the published
    run.
    """

    domain: str = "B"  # trained on train<domain>, compared with test<domain>
    img_size: int = 64  # pixels, a power of 2
    load_size: int = 64  # pixels to which an image is resized before a random crop to img_size
    keep_aspect: bool = False  # resize the shorter side and cut the middle, as the public code; else stretch
    latent_dim: int = 512  # length of a latent and of a style
    style_depth: int = 8  # layers of the style network
    network_capacity: int = 16  # half the channels of the layer with the largest map
    fmap_max: int = 512  # maximum channels of a layer
    lr: float = 2e-4  # Adam's learning rate
    lr_dis_factor: float = 1.5  # the discriminator's learning rate, relative to lr
    mixing: float = 0.9  # probability that a batch mixes the styles of two latents
    augment: float = 0.0  # probability that a batch is augmented for the discriminator
    augment_kinds: str = ",".join(AUGMENTATIONS)  # which augmentations, separated by commas
    penalty_weight: float = 10.0  # of the gradient penalty
    penalty_every: int = 4  # steps between two gradient penalties
    path_every: int = 32  # steps between two path lengths
    path_after: int = 5000  # the step after which path lengths begin
    path_decay: float = 0.99  # decay of the running mean of path lengths
    mean_decay: float = 0.995  # decay of SE and GE, the running means of S and G
    mean_every: int = 10  # steps between two updates of them
    mean_after: int = 20_000  # the step after which the updates begin
    copy_every: int = 1000  # steps between two copies of S and G to SE and GE
    copy_until: int = 25_000  # the last step that may copy
    truncation: float = TRUNCATION  # truncation of the samples that are shown and measured

    LEAST: typing.ClassVar[dict[str, int]] = {
        **RunOptions.LEAST,
        **dict.fromkeys(("latent_dim", "style_depth", "network_capacity", "fmap_max"), 1),
        **dict.fromkeys(("penalty_every", "path_every", "mean_every", "copy_every"), 1),
    }
    FREE: typing.ClassVar[tuple[str, ...]] = (*RunOptions.FREE, "truncation")
    img_ch: typing.ClassVar = 3  # channels of an image

    def __post_init__(self) -> None:
        super().__post_init__()
        require_image_size(self.img_size)
        if self.ema:
            raise ValueError("ema must be 0: this system has running means of its own, see mean_decay")
        for name in ("mixing", "augment", "path_decay", "mean_decay", "truncation"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} must be 1 at most, got {getattr(self, name)}")
        if self.amp != "off":
            raise UnsupportedError("amp must be off: losses that contain gradients need more precision")
        if strange := set(self.kinds()) - set(AUGMENTATIONS):
            raise ValueError(f"augment_kinds may be {', '.join(AUGMENTATIONS)}, not {', '.join(sorted(strange))}")

    @property
    def framing(self) -> Framing:
        """What is cut from images before they are resized."""
        return Framing(keep_aspect=self.keep_aspect)

    @property
    def domains(self) -> tuple[str, ...]:
        """The one domain whose images a run reads."""
        return (self.domain,)

    def kinds(self) -> tuple[str, ...]:
        """Return the names in `augment_kinds`."""
        return tuple(self.augment_kinds.split(",")) if self.augment_kinds else ()


class StyleGAN2Trainer:
    """S, G, D and the running means SE, GE; an optimiser for G and S, "gen", and one for D, "dis"."""

    model = "stylegan2"
    averaged: tuple[str, ...] = ()  # the running means are networks of their own
    shown = ("d_loss", "g_loss")  # losses beside a progress bar
    parts: typing.ClassVar[dict[str, tuple[str, ...]]] = {"gen": ("G", "S"), "dis": ("D",)}

    def __init__(self, config: StyleGAN2Config):
        self.config, self.iteration, self.precision = config, 0, Precision(config.amp)
        self.notes: list[str] = []
        style = StyleVectorizer(config.latent_dim, config.style_depth)
        widths = config.network_capacity, config.fmap_max
        generator = StyleGAN2Generator(config.img_size, config.latent_dim, *widths)
        self.networks: dict[str, nn.Layer] = {
            "S": style,
            "G": generator,
            "D": StyleGAN2Discriminator(config.img_size, *widths),
        }
        self.networks |= {"SE": copy.deepcopy(style), "GE": copy.deepcopy(generator)}
        rates = {"gen": float(config.lr), "dis": float(config.lr * config.lr_dis_factor)}
        self.optimizers = {kind: Adam(rate, 0.5, 0.9, self.parameters(kind)) for kind, rate in rates.items()}
        # The running mean of path lengths, and losses that are not made in every step.
        self.scalars: dict[str, typing.Any] = {}

    def named_parameters(self, kind: str) -> list[tuple[str, paddle.Tensor]]:
        """Return (name, parameter) of "gen" or "dis", in the optimiser's order."""
        nets = [(name, self.networks[name]) for name in self.parts[kind]]
        return [(f"{name}.{key}", parameter) for name, net in nets for key, parameter in net.named_parameters()]

    def parameters(self, kind: str) -> list[paddle.Tensor]:
        """Return the parameters of "gen" or "dis", in the optimiser's order."""
        return [parameter for _, parameter in self.named_parameters(kind)]

    def draw(self, batch: int) -> dict[str, paddle.Tensor]:
        """Return the random numbers of one step by name; all but those ending in "_mix" have one row for each image."""
        config, layers, size = self.config, self.networks["G"].num_layers, self.config.img_size
        host = host_generator()  # of the numbers that decide what is done, which a GPU would be waited for
        random = {"path": paddle.randn([batch, 3, size, size])}
        for half in ("d", "g"):
            first = layers  # number of blocks that get the style of the first latent
            if host.random() < config.mixing:
                first = int(host.integers(layers))
            random[f"{half}_latents"] = paddle.randn([batch, 2, config.latent_dim])
            random[f"{half}_mix"] = (paddle.arange(layers) < first).astype(paddle.get_default_dtype())
            random[f"{half}_noise"] = paddle.rand([batch, size, size, 1])
        for images in ("real", "d", "g"):
            if host.random() < config.augment:
                random[f"{images}_augment"] = paddle.rand([batch, COUNT])
        return random

    def step(self, real: paddle.Tensor, random: dict[str, paddle.Tensor] | None = None) -> dict[str, paddle.Tensor]:
        """Run one iteration on images (B,3,S,S) in [-1,1]; returns the named losses, () each.

        `random` is what `draw` returns, by default drawn anew. Raises DivergedError if a loss is not finite.
        """
        config, count = self.config, self.iteration
        self.iteration += 1
        real = (real + 1) / 2
        parts = self._parts(real, self.draw(len(real)) if random is None else random)
        penalised = count % config.penalty_every == 0
        measured = count > config.path_after and count % config.path_every == 0
        losses = self._accumulated("dis", "d_loss", [partial(self._d_losses, *part, penalised) for part in parts])
        with frozen(self.parameters("dis")):
            halves = [partial(self._g_losses, numbers, measured) for _, numbers in parts]
            losses |= self._accumulated("gen", "g_loss", halves)
        if measured:
            self._note_path_length(losses["g_path_length"])
        self._move_means(count)
        made = {"d_penalty": penalised, "g_path": measured, "g_path_length": measured}
        return losses | {name: self._latest(name, losses[name], now) for name, now in made.items()}

    def sheets(self, networks: dict[str, nn.Layer], tests: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return sheets of samples by S and G, "samples", and by their running means, "mean"."""
        return {name: grid(np.stack(list(images)), 4) for name, images, _ in self._sampled(networks, 16)}

    def generated(
        self, networks: dict[str, nn.Layer], tests: dict[str, np.ndarray]
    ) -> Iterator[tuple[str, Iterator[np.ndarray], str]]:
        """Yield as many samples as there are test images of the domain, which they should look like."""
        yield from self._sampled(networks, len(tests[self.config.domain]))

    def _sampled(self, networks: dict[str, nn.Layer], count: int) -> Iterator[tuple[str, Iterator[np.ndarray], str]]:
        for name, style, generator in (("mean", "SE", "GE"), ("samples", "S", "G")):
            sampler = StyleGAN2Sampler(networks[style], networks[generator], self.config.truncation)
            yield name, sampler.stream(sampler.latents(range(count))), self.config.domain

    def _parts(self, real: paddle.Tensor, random: Random) -> list[tuple[paddle.Tensor, Random]]:
        """Return (images, random numbers) of each part in which the batch is computed."""
        count = self.config.accumulate
        if count == 1:
            return [(real, random)]
        split = {
            name: [array] * count if name.endswith("_mix") else array.chunk(count) for name, array in random.items()
        }
        return [(part, {name: arrays[i] for name, arrays in split.items()}) for i, part in enumerate(real.chunk(count))]

    def _accumulated(self, kind: str, total: str, parts: Sequence[Callable[[], Losses]]) -> Losses:
        """Make one update of "gen" or "dis" from the mean losses of the parts, and return them by name.

        Each of `parts` computes the losses of a part.
        """
        means = MeanLosses(len(parts), self.iteration, self.precision.backward)
        for part in parts:
            losses = part()
            means.backward(losses, total)
            means.note(losses)
        distributed.average_gradients(self.parameters(kind))
        self.optimizers[kind].step()
        self.optimizers[kind].clear_grad(set_to_zero=False)
        return means.found

    def _styles(self, random: Random, half: str) -> paddle.Tensor:
        """Return styles (B,layers,latent) for the discriminator's half of a step, "d", or the generator's, "g"."""
        latents, mix = random[f"{half}_latents"], random[f"{half}_mix"].reshape([1, -1, 1])
        first, second = (self.networks["S"](z).unsqueeze(1) for z in latents.unbind(1))
        return first * mix + second * (1 - mix)

    def _augmented(self, images: paddle.Tensor, random: Random, name: str) -> paddle.Tensor:
        """Return the images, augmented if that was drawn for them."""
        numbers = random.get(f"{name}_augment")
        return images if numbers is None else augment(images, numbers, self.config.kinds())

    def _d_losses(self, real: paddle.Tensor, random: Random, penalised: bool) -> Losses:
        with paddle.no_grad():
            fake = self.networks["G"](self._styles(random, "d"), random["d_noise"])
            # quirk: the penalty is taken at real images before, but at generated ones after they are augmented
            fake = self._augmented(fake, random, "d")
        images = {"real": real.detach(), "d": fake.detach()}
        for each in images.values():
            each.stop_gradient = not penalised
        discriminator = self.networks["D"]
        seen = {"real": self._augmented(images["real"], random, "real"), "d": images["d"]}
        logits = {name: discriminator(each) for name, each in seen.items()}
        adversarial = hinge_discriminator_loss(logits["real"], logits["d"], SIGN)
        penalty = paddle.zeros([], adversarial.dtype)
        if penalised:
            gradients = [paddle.grad(logits[name].sum(), [images[name]], create_graph=True)[0] for name in images]
            penalty = self.config.penalty_weight * sum(gradient_penalty(gradient) for gradient in gradients)
        return {"d_adv": adversarial, "d_penalty": penalty, "d_loss": adversarial + penalty}

    def _g_losses(self, random: Random, measured: bool) -> Losses:
        styles = self._styles(random, "g")
        fake = self.networks["G"](styles, random["g_noise"])
        adversarial = hinge_generator_loss(self.networks["D"](self._augmented(fake, random, "g")), SIGN)
        path = length = paddle.zeros([], adversarial.dtype)
        if measured:
            directions = random["path"] / self.config.img_size
            lengths = path_lengths(paddle.grad((fake * directions).sum(), [styles], create_graph=True)[0])
            length = lengths.mean()
            if "path_length" in self.scalars:  # the first one only starts the running mean
                path = ((lengths - self._kept("path_length", lengths)) ** 2).mean()
        return {"g_adv": adversarial, "g_path": path, "g_path_length": length, "g_loss": adversarial + path}

    def _note_path_length(self, length: paddle.Tensor) -> None:
        """Update the running mean of path lengths, over all processes."""
        if distributed.world_size() > 1:
            length = paddle.full([], float(distributed.mean([length.item()])[0]), length.dtype)
        old, decay = self._kept("path_length", length, length), self.config.path_decay
        self.scalars["path_length"] = old * decay + length * (1 - decay)

    def _latest(self, name: str, loss: paddle.Tensor, made: bool) -> paddle.Tensor:
        """Return the last value of a loss that is not computed in every step."""
        if made:
            self.scalars[f"latest {name}"] = loss.detach()
        return self._kept(f"latest {name}", loss, 0.0)

    def _kept(self, name: str, like: paddle.Tensor, otherwise: typing.Any = None) -> paddle.Tensor:
        """Return one of `scalars`, or the value to be taken `otherwise`, as a tensor () with the dtype of `like`.

        It is a tensor, which a GPU need not be waited for, unless a checkpoint was read.
        """
        value = self.scalars.get(name, otherwise)
        return value if isinstance(value, paddle.Tensor) else paddle.full([], value, like.dtype)

    def _move_means(self, count: int) -> None:
        """Update SE and GE after step `count`."""
        config = self.config
        if count % config.mean_every == 0 and count > config.mean_after:
            self._set_means(config.mean_decay)
        if count <= config.copy_until and count % config.copy_every == min(2, config.copy_every - 1):
            self._set_means(0.0)

    def _set_means(self, decay: float) -> None:
        with paddle.no_grad():
            for mean, source in (("SE", "S"), ("GE", "G")):
                pairs = zip(self.networks[mean].parameters(), self.networks[source].parameters(), strict=True)
                for slow, fast in pairs:
                    assign(slow, slow * decay + fast * (1 - decay) if decay else fast)


# The names that scripts import.
Config, Trainer = StyleGAN2Config, StyleGAN2Trainer
