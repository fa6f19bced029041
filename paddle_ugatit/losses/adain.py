"""The style loss of AdaIN (Huang and Belongie, ICCV 2017). Twin: torch_ref/losses/adain.py."""

from paddle_ugatit.losses.distances import least_squares


def style_loss(found, wanted):
    """How far means and deviations of maps are from those of a style's, per layer (mean, deviation): eq. 13 of AdaIN.

    quirk: mean squares per layer, not the norms that the paper prints, as in the public code.
    """
    pairs = zip(found, wanted, strict=True)
    return sum(least_squares(x, y) for moments in pairs for x, y in zip(*moments, strict=True))
