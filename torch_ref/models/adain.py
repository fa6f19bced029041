"""AdaIN style transfer (Huang and Belongie, ICCV 2017, arXiv 1703.06868): VGG-19 up to relu4_1, AdaIN, a decoder.

Contents: Encoder, Decoder, StyleTransfer. Twin: paddle_ugatit/models/adain.py.
Attribute names are those of the public files `vgg_normalised.pth` and `decoder.pth`: positions in a Sequential.
"""

from collections.abc import Sequence

import torch
from torch import nn

from torch_ref.layers.norm import AdaIN

TAPS = {3, 10, 17, 30}  # positions of relu1_1, relu2_1, relu3_1 and relu4_1 in the encoder
SMALLEST = 9  # pixels a side; of fewer the encoder leaves one, which has no border to reflect and no variance


def reflected_conv(inputs: int, outputs: int) -> list[nn.Module]:
    """Return the layers of a 3x3 convolution with a reflected border, and a ReLU: (B,in,H,W) -> (B,out,H,W)."""
    return [nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 3), nn.ReLU()]


class Encoder(nn.Sequential):
    """VGG-19 up to relu4_1: images (B,3,H,W), RGB in [0,1] -> relu1_1 (B,ch,H,W), relu2_1, relu3_1, relu4_1.

    Each map has twice the channels of the one before and half its height and width, rounded up: the fourth is
    (B,8ch,ceil(H/8),ceil(W/8)). Raises ValueError if a side of the images is shorter than 9 pixels.
    """

    def __init__(self, ch: int = 64):
        super().__init__(
            nn.Conv2d(3, 3, 1),  # to BGR with the mean subtracted, which VGG was trained on
            *reflected_conv(3, ch),
            *reflected_conv(ch, ch),
            nn.MaxPool2d(2, ceil_mode=True),  # (B,ch,H/2,W/2)
            *reflected_conv(ch, 2 * ch),
            *reflected_conv(2 * ch, 2 * ch),
            nn.MaxPool2d(2, ceil_mode=True),  # (B,2ch,H/4,W/4)
            *reflected_conv(2 * ch, 4 * ch),
            *reflected_conv(4 * ch, 4 * ch),
            *reflected_conv(4 * ch, 4 * ch),
            *reflected_conv(4 * ch, 4 * ch),
            nn.MaxPool2d(2, ceil_mode=True),  # (B,4ch,H/8,W/8)
            *reflected_conv(4 * ch, 8 * ch),
        )
        self.ch = ch

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        require_size(*x.shape[2:])
        taps = []
        for place, layer in enumerate(self.children()):
            x = layer(x)
            if place in TAPS:
                taps.append(x)
        return tuple(taps)


class Decoder(nn.Sequential):
    """The encoder mirrored, without norms: relu4_1 (B,8ch,h,w) -> images (B,3,8h,8w), roughly in [0,1], not clamped."""

    def __init__(self, ch: int = 64):
        super().__init__(
            *reflected_conv(8 * ch, 4 * ch),
            nn.Upsample(scale_factor=2, mode="nearest"),  # (B,4ch,2h,2w)
            *reflected_conv(4 * ch, 4 * ch),
            *reflected_conv(4 * ch, 4 * ch),
            *reflected_conv(4 * ch, 4 * ch),
            *reflected_conv(4 * ch, 2 * ch),
            nn.Upsample(scale_factor=2, mode="nearest"),  # (B,2ch,4h,4w)
            *reflected_conv(2 * ch, 2 * ch),
            *reflected_conv(2 * ch, ch),
            nn.Upsample(scale_factor=2, mode="nearest"),  # (B,ch,8h,8w)
            *reflected_conv(ch, ch),
            *reflected_conv(ch, 3)[:-1],
        )
        self.ch = ch


class StyleTransfer(nn.Module):
    """decoder((1 - alpha) f(c) + alpha AdaIN(f(c), f(s))), eq. 14, with f the encoder's relu4_1.

    content (B,3,H,W), styles (B or 1,3,h,w) each -> (B,3,8 ceil(H/8),8 ceil(W/8)). Each of several styles has a share,
    a number or a map (B or 1,1,ceil(H/8),ceil(W/8)); at every pixel the shares should sum to 1 (eq. 15, and section 7.3
    for maps).
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        self.encoder, self.decoder, self.adain = encoder, decoder, AdaIN()

    def forward(
        self,
        content: torch.Tensor,
        *styles: torch.Tensor,
        shares: Sequence[float | torch.Tensor] = (1.0,),
        alpha: float = 1.0,
    ) -> torch.Tensor:
        content = self.encoder(content)[-1]
        stylised = self.stylised(content, [self.encoder(style)[-1] for style in styles], shares)
        return self.decoder((1 - alpha) * content + alpha * stylised)

    def stylised(
        self, content: torch.Tensor, styles: Sequence[torch.Tensor], shares: Sequence[float | torch.Tensor]
    ) -> torch.Tensor:
        """Return the sum over styles of share * AdaIN(f(c), f(s)), from relu4_1 of the content and of each style.

        (B,C,h,w), (B or 1,C,.,.) each -> (B,C,h,w).
        """
        parts = []
        for style, share in zip(styles, shares, strict=True):
            if isinstance(share, float):
                parts.append(share * self.adain(content, style))
            else:  # the content's moments are weighted by the share, so they are those of the style's region
                parts.append(share * self.adain(content, style, share))
        return sum(parts)


def require_size(height: int, width: int) -> None:
    """Raise ValueError if images of this size are too small for the encoder."""
    if min(height, width) < SMALLEST:
        raise ValueError(f"the encoder needs images of {SMALLEST}x{SMALLEST} pixels or more, got {height}x{width}")
