"""One training iteration of AdaIN (Huang and Belongie, ICCV 2017, section 6.2) as the public code runs it, plainly.

Twin: paddle_ugatit/training/adain.py.
"""

import torch
from torch import nn

from torch_ref.layers.norm import AdaIN, channel_moments
from torch_ref.losses import least_squares, style_loss
from torch_ref.models.adain import Decoder, Encoder


class Trainer:
    """The frozen encoder, the decoder that learns; `config` has the fields of paddle_ugatit.training.adain.Config."""

    def __init__(self, config):
        self.config, self.iteration = config, 0
        self.networks = {"encoder": Encoder(config.ch), "decoder": Decoder(config.ch)}
        self.networks["encoder"].requires_grad_(False)
        self.adain = AdaIN()
        self.optimizers = {"decoder": torch.optim.Adam(self.networks["decoder"].parameters(), config.lr)}
        for layer in self.networks["encoder"]:  # where a file's weights do not take their place
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def step(self, content, style):
        """One iteration on a batch of contents and one of styles, (B,3,S,S) in [-1,1]; the named losses."""
        self.iteration += 1
        optimizer = self.optimizers["decoder"]
        optimizer.param_groups[0]["lr"] = self.config.lr_at(self.iteration)
        losses = self._losses((content + 1) / 2, (style + 1) / 2)
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        return {name: loss.detach() for name, loss in losses.items()}

    def _losses(self, content, style):
        """The weighted terms of images in [0,1], eq. 11 to 13."""
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
