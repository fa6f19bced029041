"""Training of AdaIN (Huang and Belongie, ICCV 2017, section 6.2): options, and the iteration of the public code.

Only the decoder learns; the encoder is frozen. Domain A are the contents, domain B the styles.
Twin: torch_ref/training/adain.py.
"""

import itertools
import typing
from dataclasses import dataclass

import numpy as np
import paddle
from paddle import nn

from paddle_ugatit import formats, weights
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

CENTRED = np.array([[0.2, 0.3, 0.2], [0.3, 1.0, 0.3], [0.2, 0.3, 0.2]])
CENTRED /= (CENTRED**2).mean() ** 0.5


@dataclass(frozen=True)
class AdaINConfig(RunOptions):
    """Every option, with the public default. ValueError for a value that cannot be."""

    iteration: int = 160_000  # iterations of the whole run
    batch_size: int = 8  # contents, and as many styles, in one iteration on each device
    encoder: str = ""  # file with VGG's weights, vgg_normalised.pth; without one the filters are random
    ch: int = 64  # channels of the encoder's first layer; 64 is VGG's
    he: bool = False  # start the decoder with He's filters, not PyTorch's: it learns sooner, which a short run needs
    load_size: int = 512  # pixels to which a picture is resized, height and width
    img_size: int = 256  # pixels of the random crop from it
    lr: float = 1e-4  # Adam's learning rate at first
    lr_decay: float = 5e-5  # after i iterations the rate is lr / (1 + lr_decay i)
    content_weight: float = 1.0  # of the distance between relu4_1 and what the decoder was given
    style_weight: float = 10.0  # of the distance between the moments, on all four layers

    LEAST: typing.ClassVar = {**RunOptions.LEAST, **dict.fromkeys(("ch", "load_size", "img_size"), 1)}
    img_ch: typing.ClassVar = 3  # channels of an image

    def __post_init__(self):
        super().__post_init__()
        require_size(self.img_size, self.img_size)

    def lr_at(self, step):
        """Learning rate of iteration `step`, counted from 1."""
        return self.lr / (1 + self.lr_decay * (step - 1))


class AdaINTrainer:
    """The frozen encoder and the decoder that learns, under these names in `networks`, and its optimiser."""

    model = "adain"
    averaged = ("decoder",)  # networks of which a running mean may be kept
    shown = ("content", "style")  # losses beside a progress bar

    def __init__(self, config):
        self.config, self.iteration, self.precision = config, 0, Precision(config.amp)
        self.networks = {"encoder": Encoder(config.ch), "decoder": Decoder(config.ch)}
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
        self.optimizers = {"decoder": paddle.optimizer.Adam(config.lr, parameters=self.parameters())}

    def named_parameters(self, kind):
        """(name, parameter) of the network `kind`, in the optimiser's order."""
        return [(f"{kind}.{key}", parameter) for key, parameter in self.networks[kind].named_parameters()]

    def parameters(self):
        return self.networks["decoder"].parameters()

    def step(self, contents, styles):
        """One iteration on a batch of contents and one of styles, (B,3,S,S) in [-1,1]; the named losses, () each."""
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

    def _losses(self, content, style):
        """The weighted terms of images in [0,1], eq. 11 to 13."""
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

    def _update(self):
        optimizer = self.optimizers["decoder"]
        average_gradients(self.parameters())
        optimizer.set_lr(self.config.lr_at(self.iteration))
        self.precision.step(optimizer)
        optimizer.clear_grad(set_to_zero=False)

    def sheets(self, networks, tests):
        """Test pictures of A in the styles of test pictures of B, (n,3,S,S) each: contents above, styles left."""
        contents, styles = (to_pixels(tests[domain]) for domain in "AB")
        return {"stylised": style_sheet(_transfer(networks), contents, styles)}

    def generated(self, networks, tests):
        """Test pictures of A, each in the style of one of B, and that they should look like B."""
        transfer, (contents, styles) = _transfer(networks), (to_pixels(tests[domain]) for domain in "AB")
        pairs = zip(contents, itertools.cycle(styles))  # noqa: B905  the second has no end
        yield "A2B", (to_input(stylise(transfer, content, [style])) for content, style in pairs), "B"


def _transfer(networks):
    return StyleTransfer(networks["encoder"], networks["decoder"])


def read_encoder(encoder, path):
    """Give an encoder the weights of a file of either framework; returns notes. InputError in one line."""
    checkpoint, notes = weights.convert(formats.read(path), "paddle", path)
    options = checkpoint.metadata["networks"]
    name = next((name for name, chosen in options.items() if chosen["kind"] == "encoder"), None)
    if name is None:
        raise InputError(f"{path}: holds {', '.join(chosen['kind'] for chosen in options.values())}, no encoder")
    fill(encoder, checkpoint.networks[name], path)
    return notes


def random_filters(encoder, seed):
    """Give an encoder random filters, the same for the same seed everywhere, from whose maps a decoder can learn.

    They come in pairs of opposite sign, of which ReLU leaves what either would lose (Shang et al., ICML 2016), with
    variance 2 / fan_in (He et al., ICCV 2015) and most of the weight in the centre. Layers that keep the number of
    channels pass each on, with a little of the others. The first brings [0,1] to about mean 0 and deviation 1.
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


def he_filters(decoder, seed):
    """Start a decoder with normal filters of variance 2 / fan_in; the image with little contrast about 1/2."""
    rng, last = np.random.default_rng([seed, 1]), len(decoder) - 1
    for place, layer in enumerate(decoder.children()):
        if isinstance(layer, nn.Conv2D):
            scale, bias = (0.2, 0.5) if place == last else (1.0, 0.0)
            _fill(layer, scale * _he(rng, *layer.weight.shape[:2]), bias)


def _he(rng, outputs, inputs):
    return rng.standard_normal((outputs, inputs, 3, 3)) * (2 / (9 * inputs)) ** 0.5


def _fill(layer, weight, bias):
    layer.weight.set_value(paddle.to_tensor(weight, layer.weight.dtype))
    layer.bias.set_value(paddle.full_like(layer.bias, bias))


# The names that scripts import.
Config, Trainer = AdaINConfig, AdaINTrainer
