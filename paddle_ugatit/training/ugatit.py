"""Training of U-GAT-IT (Kim et al., ICLR 2020, section 2.2): the options, and one iteration.

Twin: torch_ref/training/ugatit.py, which runs the same iteration plainly, so that `step` can be read side by side.
What is saved here, without changing what is computed, and the lines of the twin that it replaces:

- `translation` is computed once for both halves of the step. The twin calls `nets["genA2B"](real_a)` in both, but the
  generators do not change in between, so the graph can be used again.
- `translate` runs `generator(source)` and `generator(target)` as one batch, since the norms are over single images.
- `real_and_fake` runs `net(real), net(fake)` as one batch, where each half has the power iteration of its own pass.
- `frozen`: `loss.backward()` in the generators' half computes no gradients of the discriminators' weights.
- `into_a.fake.detach()`: the twin's discriminator loss goes back through the generators, whose gradients are discarded.
- `MeanLosses.backward` is called for one translation at a time, so that only one graph is in memory, and `update` for
  the discriminators of one domain at a time, so that only their gradients are. The twin adds up their losses first.

If `accumulate` is above 1, the same step runs over parts of the batch. Every loss is a mean over the batch, so the mean
of the gradients of equal parts is the gradient of the batch. Power iterations are made with the first part and reused
for the others (`same_iterations`). The translations are then computed twice, so that the graphs of only one part are in
memory.
"""

import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import paddle
from paddle import nn

from paddle_ugatit.backend.adam import Adam
from paddle_ugatit.data.transforms import MARGIN
from paddle_ugatit.inference.sheets import sample_sheet
from paddle_ugatit.inference.translate import generate
from paddle_ugatit.layers.norm import require_revision
from paddle_ugatit.layers.spectral_norm import passes_in_one, same_iterations
from paddle_ugatit.losses import adversarial_loss, cam_loss, discriminator_loss, l1
from paddle_ugatit.losses.ugatit import Verdict
from paddle_ugatit.models.ugatit import (
    Discriminator,
    ResnetGenerator,
    require_cam,
    require_discriminator_size,
    require_img_size,
)
from paddle_ugatit.training.accumulation import MeanLosses, added
from paddle_ugatit.training.distributed import average_gradients
from paddle_ugatit.training.frozen import frozen
from paddle_ugatit.training.options import RunOptions
from paddle_ugatit.training.precision import Precision
from paddle_ugatit.weights.ugatit import MODELS

_DOMAINS = ("a", "b")


@dataclass(frozen=True)
class Config(RunOptions):
    """The options of a run, under the names of the public command line and with its defaults.

    Raises ValueError if a value is invalid.
    """

    light: bool = False  # the light generator, which pools before its gamma-beta network
    revision: str = "current"  # of the public code: "current", "initial" (until 2019-08-27), "tensorflow"
    older_cam: bool = False  # revision tensorflow: the CAM heads of its files from before 2019-08-20
    ch: int = 64  # channels of the first layer, of generators and discriminators
    n_res: int = 4  # residual blocks in a generator's encoder, and as many in its decoder
    img_size: int = 256  # pixels, height and width
    margin: int = MARGIN  # pixels by which training images are larger than their crop of img_size
    img_ch: int = 3  # channels of an image
    global_layers: int = 7  # of the global discriminators; fewer for images under 96 px
    local_layers: int = 5  # of the local discriminators
    lr: float = 1e-4  # Adam's learning rate
    decay_flag: bool = True  # lower the learning rate to 0 over the second half
    weight_decay: float = 1e-4  # L2 penalty, also for rho and biases
    adv_weight: float = 1.0  # of the adversarial loss
    cycle_weight: float = 10.0  # of the cycle loss
    identity_weight: float = 10.0  # of the identity loss
    cam_weight: float = 1000.0  # of the generators' CAM loss
    recompute: bool = False  # compute the generators' blocks once more in the backward pass, for less memory

    # The gradients are the same, so a run may be resumed with the other value.
    FREE: typing.ClassVar[tuple[str, ...]] = (*RunOptions.FREE, "recompute")

    LEAST: typing.ClassVar[dict[str, int]] = {
        **RunOptions.LEAST,
        **dict.fromkeys(("ch", "img_size", "img_ch"), 1),
        **dict.fromkeys(("global_layers", "local_layers"), 3),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require_revision(self.revision)
        require_cam(self.revision, self.older_cam)
        require_img_size(self.img_size, self.light)
        for layers in (self.global_layers, self.local_layers):
            require_discriminator_size(self.img_size, self.img_size, layers)

    def lr_at(self, step: int) -> float:
        """Return the learning rate of iteration `step`, counted from 1: constant, then linear down to 0 at the last."""
        half = self.iteration // 2
        if not self.decay_flag or step <= half or half == 0:
            return self.lr
        return max(0.0, self.lr * (1 - (step - half) / half))


class Translation(NamedTuple):
    """The outputs of one generator for one part of a batch: images (B,C,H,W), CAM logits (B,2)."""

    real: paddle.Tensor  # images of the target domain
    fake: paddle.Tensor  # translations into the target domain
    identity: paddle.Tensor  # `real` passed through the same generator
    fake_cam: paddle.Tensor  # CAM logits of `fake`
    identity_cam: paddle.Tensor  # CAM logits of `identity`


def translate(generator: nn.Layer, source: paddle.Tensor, target: paddle.Tensor) -> Translation:
    """Translate `source` into the domain of `target`, and `target` into itself, as one batch."""
    images, cams, _ = generator(paddle.concat([source, target]))
    return Translation(target, *images.chunk(2), *cams.chunk(2))


def real_and_fake(discriminator: nn.Layer, real: paddle.Tensor, fake: paddle.Tensor) -> Iterator[Verdict]:
    """Yield the discriminator's outputs for real and then for translated images, computed as one batch."""
    with passes_in_one(discriminator, 2):
        outputs = discriminator(paddle.concat([real, fake]))
    return zip(*(output.chunk(2) for output in outputs), strict=True)


class Trainer:
    """Six networks, in `networks` under the checkpoint's names, and two optimisers, "gen" and "dis"."""

    averaged = ("genA2B", "genB2A")  # networks of which a running mean may be kept
    shown = ("d_loss", "g_loss")  # losses beside a progress bar

    def __init__(self, config: Config):
        self.config, self.iteration, self.precision = config, 0, Precision(config.amp)
        self.notes: list[str] = []
        self.scalars: dict[str, Any] = {}
        self.model = {revision: model for model, revision in MODELS.items()}[config.revision]
        variant: dict[str, Any] = {"revision": config.revision, "older_cam": config.older_cam}
        options: dict[str, Any] = {
            "ngf": config.ch,
            "n_blocks": config.n_res,
            "img_size": config.img_size,
            "light": config.light,
            **variant,
        }
        self.networks: dict[str, nn.Layer] = {
            "genA2B": ResnetGenerator(config.img_ch, config.img_ch, **options),
            "genB2A": ResnetGenerator(config.img_ch, config.img_ch, **options),
            "disGA": Discriminator(config.img_ch, config.ch, config.global_layers, **variant),
            "disGB": Discriminator(config.img_ch, config.ch, config.global_layers, **variant),
            "disLA": Discriminator(config.img_ch, config.ch, config.local_layers, **variant),
            "disLB": Discriminator(config.img_ch, config.ch, config.local_layers, **variant),
        }
        if config.recompute:
            for name in self.averaged:
                self.networks[name].recompute_blocks()
        self.optimizers = {kind: self._adam(kind) for kind in ("gen", "dis")}

    def _adam(self, kind: str) -> Adam:
        return Adam(self.config.lr, 0.5, 0.999, self.parameters(kind), self.config.weight_decay)

    # --- one iteration, top to bottom ------------------------------------------------------------------------

    def step(self, real_a: paddle.Tensor, real_b: paddle.Tensor) -> dict[str, paddle.Tensor]:
        """Run one iteration on a batch of each domain, (B,C,H,W) in [-1,1]; returns the named losses, () each.

        Raises DivergedError if a loss is not finite.
        """
        self.iteration += 1
        count = self.config.accumulate
        parts = list(zip(real_a.chunk(count), real_b.chunk(count), strict=True))
        losses = MeanLosses(count, self.iteration, self.precision.backward)
        discriminators = [net for name, net in self.networks.items() if name.startswith("dis")]
        into: dict[str, Translation] = {}

        # The discriminators learn to tell real images, target 1, from translations, target 0.
        for domain in _DOMAINS:
            for number, (a, b) in enumerate(parts):
                with same_iterations(discriminators, number > 0), self.precision.forward():
                    with paddle.set_grad_enabled(count == 1):  # one part's graph is used again in the generators' half
                        into[domain] = self.translation(domain, a, b)
                    loss = {f"d_loss_{domain}": self.discriminators_loss(domain, into[domain])}
                losses.backward_sum(loss, "d_loss")
                losses.note(loss)
            if domain == _DOMAINS[-1] or not self.precision.scaled:  # a scaler skips an update as a whole
                self.update("dis")
        losses.found["d_loss"] = added(losses.found.values())

        # The generators learn to pass as real, to keep images of their target domain, and to translate back.
        with frozen(self.parameters("dis")):
            for number, (a, b) in enumerate(parts):
                with same_iterations(discriminators, number > 0):
                    if count > 1:
                        with self.precision.forward():
                            into = {domain: self.translation(domain, a, b) for domain in _DOMAINS}
                    losses.note(self.generator_gradients(into["a"], into["b"], losses))
            self.update("gen")
        self.clip_rho()
        return losses.found

    def translation(self, domain: str, real_a: paddle.Tensor, real_b: paddle.Tensor) -> Translation:
        """Return the translations into domain "a" or "b"."""
        if domain == "a":
            return translate(self.networks["genB2A"], real_b, real_a)
        return translate(self.networks["genA2B"], real_a, real_b)

    def discriminators_loss(self, domain: str, images: Translation) -> paddle.Tensor:
        """Return the loss of the two discriminators of domain "a" or "b", ()."""
        real, fake = images.real, images.fake.detach()
        terms = [discriminator_loss(*real_and_fake(net, real, fake)) for net in self.discriminators(domain)]
        return self.config.adv_weight * added(terms)

    def generator_gradients(
        self, into_a: Translation, into_b: Translation, losses: MeanLosses
    ) -> dict[str, paddle.Tensor]:
        """Compute the generators' losses, accumulate their gradients, and return the losses by name."""
        # Each translation is judged and translated back on a graph of its own, which is freed before the next one.
        fake_a, adv_a, cycle_b = self._judged_and_cycled("a", into_a.fake, into_b.real, losses)
        fake_b, adv_b, cycle_a = self._judged_and_cycled("b", into_b.fake, into_a.real, losses)
        config = self.config
        with self.precision.forward():
            identity_a = config.identity_weight * l1(into_a.identity, into_a.real)
            identity_b = config.identity_weight * l1(into_b.identity, into_b.real)
            cam_a = config.cam_weight * cam_loss(into_a.fake_cam, into_a.identity_cam)
            cam_b = config.cam_weight * cam_loss(into_b.fake_cam, into_b.identity_cam)
        terms = {"g_identity_a": identity_a, "g_cam_a": cam_a, "g_identity_b": identity_b, "g_cam_b": cam_b}
        # Together with the gradients that have arrived at the translations.
        losses.backward_sum(terms, "g_loss", [into_a.fake, into_b.fake], [fake_a.grad, fake_b.grad])
        found_a = {"g_adv_a": adv_a, "g_cycle_a": cycle_a, "g_identity_a": identity_a, "g_cam_a": cam_a}
        found_b = {"g_cycle_b": cycle_b, "g_adv_b": adv_b, "g_identity_b": identity_b, "g_cam_b": cam_b}
        found = {name: loss.detach() for name, loss in (found_a | found_b).items()}
        return found | {"g_loss": added(found.values())}

    def _judged_and_cycled(
        self, domain: str, translated: paddle.Tensor, source: paddle.Tensor, losses: MeanLosses
    ) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
        """Run the backward pass of a translation's adversarial loss in `domain` and of its cycle loss against `source`.

        Returns the translation as a leaf tensor, which holds the gradient, and the two losses.
        """
        fake, config = translated.detach(), self.config
        fake.stop_gradient = False
        back, other = ("genA2B", "b") if domain == "a" else ("genB2A", "a")
        with self.precision.forward():
            adversarial = config.adv_weight * added(adversarial_loss(net(fake)) for net in self.discriminators(domain))
            cycle = config.cycle_weight * l1(self.networks[back](fake)[0], source)
        losses.backward_sum({f"g_adv_{domain}": adversarial, f"g_cycle_{other}": cycle}, "g_loss")
        return fake, adversarial, cycle

    def update(self, kind: str) -> None:
        """Make the optimiser's step for "gen" or "dis" at this iteration's learning rate, and clear the gradients."""
        optimizer = self.optimizers[kind]
        average_gradients(self.parameters(kind))
        optimizer.set_lr(self.config.lr_at(self.iteration))
        self.precision.step(optimizer)
        optimizer.clear_grad(set_to_zero=False)

    def clip_rho(self) -> None:
        """Clip every rho of the generators to [0, 1]."""
        with paddle.no_grad():
            for name in ("genA2B", "genB2A"):
                for key, parameter in self.networks[name].named_parameters():
                    if key.rpartition(".")[2] == "rho":
                        parameter.clip_(0, 1)

    # --- what a run needs of it -----------------------------------------------------------------------------

    def named_parameters(self, kind: str) -> list[tuple[str, paddle.Tensor]]:
        """Return (name, parameter) of the generators, "gen", or the discriminators, "dis", in the optimiser's order."""
        nets = [(name, net) for name, net in self.networks.items() if name.startswith(kind)]
        return [(f"{name}.{key}", parameter) for name, net in nets for key, parameter in net.named_parameters()]

    def parameters(self, kind: str) -> list[paddle.Tensor]:
        """Return the parameters of "gen" or "dis", in the optimiser's order."""
        return [parameter for _, parameter in self.named_parameters(kind)]

    def discriminators(self, domain: str) -> tuple[nn.Layer, nn.Layer]:
        """Return the global and the local discriminator of domain "a" or "b"."""
        return self.networks[f"disG{domain.upper()}"], self.networks[f"disL{domain.upper()}"]

    def sheets(self, networks: dict[str, nn.Layer], tests: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return a sample sheet for each direction, made from the test images with these networks."""
        return {
            "A2B": sample_sheet(networks, tests["A"], "a2b"),
            "B2A": sample_sheet(networks, tests["B"], "b2a"),
        }

    def generated(
        self, networks: dict[str, nn.Layer], tests: dict[str, np.ndarray]
    ) -> Iterator[tuple[str, Iterator[np.ndarray], str]]:
        """Yield the translations of the test images, and the domain that they should look like."""
        for name, source, target in (("A2B", "A", "B"), ("B2A", "B", "A")):
            images = (generate(networks[f"gen{name}"], image[None])[0][0] for image in tests[source])
            yield name, images, target
