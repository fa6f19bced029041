"""Training of AdaIN (Huang and Belongie, ICCV 2017, section 6.2): one iteration of the public code, written plainly.

Only the decoder learns; the encoder is frozen. Contents are from domain A, styles from domain B.
Twin: paddle_ugatit/training/adain.py.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from torch_ref.layers.norm import AdaIN, channel_moments
from torch_ref.losses import least_squares, style_loss
from torch_ref.models.adain import Decoder, Encoder


@dataclass(frozen=True)
class AdaINConfig:
    """The options of a run, with the defaults of the public code.

    Those of the public `train.py`: written from paper and command line, not from the port, so that a wrong default or
    schedule of the port shows as a difference.
    """

    iteration: int = 160_000  # --max_iter
    batch_size: int = 8
    ch: int = 64  # of VGG's first layer
    he: bool = False  # there is no such option: the decoder starts as PyTorch's layers do
    load_size: int = 512  # transforms.Resize(size=(512, 512))
    img_size: int = 256  # transforms.RandomCrop(256)
    lr: float = 0.0001
    lr_decay: float = 0.00005
    content_weight: float = 1.0
    style_weight: float = 10.0

    def lr_at(self, step: int) -> float:
        """Return the learning rate of iteration `step`, counted from 1: the public code counts those before it."""
        before = step - 1
        return self.lr / (1.0 + self.lr_decay * before)


class AdaINTrainer:
    """The frozen encoder and the decoder that learns, in `networks` under these names, and the decoder's optimiser.

    `config` is an AdaINConfig, or has its fields.
    """

    def __init__(self, config: Any):
        self.config, self.iteration = config, 0
        self.networks = {"encoder": Encoder(config.ch), "decoder": Decoder(config.ch)}
        self.networks["encoder"].requires_grad_(False)
        self.adain = AdaIN()
        self.optimizers = {"decoder": torch.optim.Adam(self.networks["decoder"].parameters(), config.lr)}
        for layer in self.networks["encoder"]:  # replaced if the weights are read from a file
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def step(self, contents: torch.Tensor, styles: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run one iteration on contents and styles, (B,3,S,S) in [-1,1]; returns the named losses, () each."""
        self.iteration += 1
        optimizer = self.optimizers["decoder"]
        optimizer.param_groups[0]["lr"] = self.config.lr_at(self.iteration)
        losses = self._losses((contents + 1) / 2, (styles + 1) / 2)
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        return {name: loss.detach() for name, loss in losses.items()}

    def _losses(self, content: torch.Tensor, style: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the weighted terms for images in [0,1], eq. 11 to 13."""
        encoder, decoder = self.networks["encoder"], self.networks["decoder"]
        styles = encoder(style)
        target = self.adain(encoder(content)[-1], styles[-1])
        found = encoder(decoder(target))
        moments, wanted = ([channel_moments(tap) for tap in taps] for taps in (found, styles))
        losses = {
            "content": self.config.content_weight * least_squares(found[-1], target),
            "style": self.config.style_weight * style_loss(moments, wanted),
        }
        return losses | {"loss": losses["content"] + losses["style"]}


# The names that scripts import.
Config, Trainer = AdaINConfig, AdaINTrainer
