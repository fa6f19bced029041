"""Training of AdaIN (Huang and Belongie, ICCV 2017, section 6.2): the options, and one iteration of the public code.

Only the decoder learns; the encoder is frozen. Contents are from domain A, styles from domain B.
Twin: torch_ref/training/adain.py.
"""

import itertools
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from paddle_ugatit import formats, weights
from paddle_ugatit.backend.adam import Adam
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data.transforms import to_input, to_pixels
from paddle_ugatit.inference.stylise import style_sheet, stylise
from paddle_ugatit.layers.norm import AdaIN, channel_moments
from paddle_ugatit.losses import least_squares, style_loss
from paddle_ugatit.models.adain import Decoder, Encoder, StyleTransfer, require_size
from paddle_ugatit.training.accumulation import MeanLosses
from paddle_ugatit.training.distributed import average_gradients
from paddle_ugatit.training.options import RunOptions
from paddle_ugatit.training.precision import Precision
from paddle_ugatit.training.state import fill

# Weights of a random filter's pixels, scaled to a mean square of 1.
CENTRED = np.array([[0.2, 0.3, 0.2], [0.3, 1.0, 0.3], [0.2, 0.3, 0.2]])
CENTRED /= (CENTRED**2).mean() ** 0.5


@dataclass(frozen=True)
class AdaINConfig(RunOptions):
    """The options of a run, with the defaults of the public code.

    Raises ValueError if a value is invalid.
    """

    iteration: int = 160_000  # iterations of the whole run
    batch_size: int = 8  # contents in one iteration on each device, and as many styles
    encoder: str = ""  # file with VGG's weights, vgg_normalised.pth; if empty, the filters are random
    ch: int = 64  # channels of the encoder's first layer; 64 is VGG's
    he: bool = False  # initialise the decoder by He instead of PyTorch: it learns sooner, as a short run must
    load_size: int = 512  # pixels to which an image is resized, height and width
    img_size: int = 256  # pixels of the random crop from it
    lr: float = 1e-4  # Adam's initial learning rate
    lr_decay: float = 5e-5  # after i iterations the rate is lr / (1 + lr_decay i)
    content_weight: float = 1.0  # of the distance between the result's relu4_1 and the decoder's input
    style_weight: float = 10.0  # of the distance between the moments of all four layers

    LEAST: typing.ClassVar[dict[str, int]] = {**RunOptions.LEAST, **dict.fromkeys(("ch", "load_size", "img_size"), 1)}
    img_ch: typing.ClassVar = 3  # channels of an image

    def __post_init__(self) -> None:
        super().__post_init__()
        require_size(self.img_size, self.img_size)

    def lr_at(self, step: int) -> float:
        """Return the learning rate of iteration `step`, counted from 1."""
        return self.lr / (1 + self.lr_decay * (step - 1))


class AdaINTrainer:
    """The frozen encoder and the decoder that learns, in `networks` under these names, and the decoder's optimiser."""

    model = "adain"
    averaged = ("decoder",)  # networks of which a running mean may be kept
    shown = ("content", "style")  # losses beside a progress bar

    def __init__(self, config: AdaINConfig):
        self.config, self.iteration, self.precision = config, 0, Precision(config.amp)
        self.scalars: dict[str, typing.Any] = {}
        self.networks: dict[str, nn.Layer] = {"encoder": Encoder(config.ch), "decoder": Decoder(config.ch)}
        if config.encoder:
            self.notes = read_encoder(self.networks["encoder"], config.encoder)
        else:
            self.notes = ["no file of VGG's weights is given (encoder=FILE): the encoder's filters are random"]
            random_filters(self.networks["encoder"], config.seed)
        if config.he:
            he_filters(self.networks["decoder"], config.seed)
        for parameter in self.networks["encoder"].parameters():
            parameter.stop_gradient = True
        self.adain = AdaIN()
        self.optimizers = {"decoder": Adam(config.lr, parameters=self.parameters())}

    def named_parameters(self, kind: str) -> list[tuple[str, paddle.Tensor]]:
        """Return (name, parameter) of the network `kind`, in the optimiser's order."""
        return [(f"{kind}.{key}", parameter) for key, parameter in self.networks[kind].named_parameters()]

    def parameters(self) -> list[paddle.Tensor]:
        """Return the decoder's parameters."""
        return self.networks["decoder"].parameters()

    def step(self, contents: paddle.Tensor, styles: paddle.Tensor) -> dict[str, paddle.Tensor]:
        """Run one iteration on contents and styles, (B,3,S,S) in [-1,1]; returns the named losses, () each.

        Raises DivergedError if a loss is not finite.
        """
        self.iteration += 1
        count = self.config.accumulate
        means = MeanLosses(count, self.iteration, self.precision.backward)
        for content, style in zip(contents.chunk(count), styles.chunk(count), strict=True):
            with self.precision.forward():
                losses = self._losses((content + 1) / 2, (style + 1) / 2)
            means.backward(losses, "loss")
            means.note(losses)
        self._update()
        return means.found

    def _losses(self, content: paddle.Tensor, style: paddle.Tensor) -> dict[str, paddle.Tensor]:
        """Return the weighted terms for images in [0,1], eq. 11 to 13."""
        encoder, decoder = self.networks["encoder"], self.networks["decoder"]
        with paddle.no_grad():
            styles = encoder(style)
            target = self.adain(encoder(content)[-1], styles[-1])
            wanted = [channel_moments(tap) for tap in styles]
        found = encoder(decoder(target))
        losses = {
            "content": self.config.content_weight * least_squares(found[-1], target),
            "style": self.config.style_weight * style_loss([channel_moments(tap) for tap in found], wanted),
        }
        return losses | {"loss": losses["content"] + losses["style"]}

    def _update(self) -> None:
        optimizer = self.optimizers["decoder"]
        average_gradients(self.parameters())
        optimizer.set_lr(self.config.lr_at(self.iteration))
        self.precision.step(optimizer)
        optimizer.clear_grad(set_to_zero=False)

    def sheets(self, networks: dict[str, nn.Layer], tests: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return a sheet of test images of A in the styles of test images of B: contents above, styles on the left."""
        contents, styles = (list(to_pixels(tests[domain])) for domain in "AB")
        return {"stylised": style_sheet(_transfer(networks), contents, styles)}

    def generated(
        self, networks: dict[str, nn.Layer], tests: dict[str, np.ndarray]
    ) -> Iterator[tuple[str, Iterator[np.ndarray], str]]:
        """Yield the test images of A, each in the style of one of B, which should look like B."""
        transfer, (contents, styles) = _transfer(networks), (to_pixels(tests[domain]) for domain in "AB")
        pairs = zip(contents, itertools.cycle(styles))  # noqa: B905  the second is endless
        yield "A2B", (to_input(stylise(transfer, content, [style])) for content, style in pairs), "B"


def _transfer(networks: dict[str, nn.Layer]) -> StyleTransfer:
    return StyleTransfer(networks["encoder"], networks["decoder"])


def read_encoder(encoder: nn.Layer, path: Path | str) -> list[str]:
    """Set an encoder's weights from a file of either framework, and return notes.

    Raises InputError if the file holds no encoder.
    """
    checkpoint, notes = weights.convert(formats.read(path), "paddle", path)
    options = checkpoint.metadata["networks"]
    name = next((name for name, chosen in options.items() if chosen["kind"] == "encoder"), None)
    if name is None:
        raise InputError(f"{path}: holds {', '.join(chosen['kind'] for chosen in options.values())}, no encoder")
    fill(encoder, checkpoint.networks[name], path)
    return notes


def random_filters(encoder: nn.Layer, seed: int) -> None:
    """Set an encoder to random filters from whose maps a decoder can learn; the same for the same seed everywhere.

    The filters have variance 2 / fan_in (He et al., ICCV 2015) and most of their weight in the centre. They come in
    pairs of opposite sign, so that what one loses in its ReLU is kept by the other (Shang et al., ICML 2016). Layers
    that keep the number of channels pass each channel on, with a little of the others. The first layer maps [0,1] to
    about mean 0 and deviation 1.
    """
    rng = np.random.default_rng([seed, 0])
    for place, layer in enumerate(encoder.children()):
        if isinstance(layer, nn.Conv2D):
            (outputs, inputs, *_), bias = layer.weight.shape, 0.0
            if place == 0:
                weight, bias = 4 * np.eye(3)[:, :, None, None], -2.0
            elif outputs == inputs:
                weight = 0.2 * _he(rng, outputs, inputs) * CENTRED
                weight[range(outputs), range(outputs), 1, 1] += 1
            else:
                half = _he(rng, (outputs + 1) // 2, inputs) * CENTRED
                weight = np.concatenate([half, -half])[:outputs]
            _fill(layer, weight, bias)


def he_filters(decoder: nn.Sequential, seed: int) -> None:
    """Set a decoder to normal filters of variance 2 / fan_in, with an image of low contrast around 1/2 at first."""
    rng, last = np.random.default_rng([seed, 1]), len(decoder) - 1
    for place, layer in enumerate(decoder.children()):
        if isinstance(layer, nn.Conv2D):
            scale, bias = (0.2, 0.5) if place == last else (1.0, 0.0)
            _fill(layer, scale * _he(rng, *layer.weight.shape[:2]), bias)


def _he(rng: np.random.Generator, outputs: int, inputs: int) -> np.ndarray:
    return rng.standard_normal((outputs, inputs, 3, 3)) * (2 / (9 * inputs)) ** 0.5


def _fill(layer: nn.Layer, weight: np.ndarray, bias: float) -> None:
    layer.weight.set_value(paddle.to_tensor(weight, layer.weight.dtype))
    layer.bias.set_value(paddle.full(layer.bias.shape, bias, layer.bias.dtype))


# The names that scripts import.
Config, Trainer = AdaINConfig, AdaINTrainer
