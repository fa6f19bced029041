"""The style loss of AdaIN (Huang and Belongie, ICCV 2017). Twin: paddle_ugatit/losses/adain.py."""

from collections.abc import Sequence

import torch

from torch_ref.losses.distances import least_squares

Moments = tuple[torch.Tensor, torch.Tensor]  # means and deviations of a map's channels


def style_loss(found: Sequence[Moments], wanted: Sequence[Moments]) -> torch.Tensor:
    """Return the distance between the channel moments of two lists of maps, one pair of moments per layer, eq. 13: ().

    quirk: as in the public code, the terms are mean squares per layer, not the norms that the paper prints.
    """
    pairs = zip(found, wanted, strict=True)
    return sum(least_squares(x, y) for moments in pairs for x, y in zip(*moments, strict=True))
