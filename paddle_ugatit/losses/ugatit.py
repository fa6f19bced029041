"""Losses of U-GAT-IT (Kim et al., ICLR 2020, section 2.2). Twin: torch_ref/losses/ugatit.py."""

from paddle_ugatit.losses.distances import cross_entropy, least_squares


def verdict_loss(verdict, target):
    """Distance of a discriminator's verdict, (logit map, cam_logit, heatmap), from `target`: 1 is real, 0 translated.

    quirk: the CAM loss is least squares here and cross entropy in the generator; the paper prints one formula for both.
    """
    logit, cam_logit, _ = verdict
    return least_squares(logit, target) + least_squares(cam_logit, target)


def discriminator_loss(real, fake):
    """Of one discriminator, from its verdicts on real and on translated images."""
    return verdict_loss(real, 1) + verdict_loss(fake, 0)


def adversarial_loss(fake):
    """What one discriminator's verdict on translated images costs the generator."""
    return verdict_loss(fake, 1)


def cam_loss(translated_cam, identity_cam):
    """Of a generator's own CAM logits: 1 where it translates, 0 where it gets its target domain."""
    return cross_entropy(translated_cam, 1) + cross_entropy(identity_cam, 0)
