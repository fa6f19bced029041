"""Losses of all systems, as pure functions. Twin: torch_ref/losses.py.

Contents: those of U-GAT-IT (Kim et al., ICLR 2020, section 2.2); AdaIN's (Huang and Belongie, ICCV 2017); the hinge
losses of SAGAN and StyleGAN2; the two of StyleGAN2 (Karras et al., CVPR 2020) that contain a gradient.
"""

import paddle
import paddle.nn.functional as F


def least_squares(logit, target):
    """Mean squared distance from `target`, of the same shape or, for a logit map, 0 or 1: (B,...) -> ()."""
    return ((logit - target) ** 2).mean()


def cross_entropy(logit, target):
    """Mean binary cross entropy with logits against a map full of `target` (0 or 1): (B,...) -> ()."""
    return F.binary_cross_entropy_with_logits(logit, paddle.full_like(logit, target))


def l1(image, target):
    """Mean absolute difference of two batches of images: (B,C,H,W), (B,C,H,W) -> ()."""
    return (image - target).abs().mean()


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


def style_loss(found, wanted):
    """How far means and deviations of maps are from those of a style's, per layer (mean, deviation): eq. 13 of AdaIN.

    quirk: mean squares per layer, not the norms that the paper prints, as in the public code.
    """
    pairs = zip(found, wanted, strict=True)
    return sum(least_squares(x, y) for moments in pairs for x, y in zip(*moments, strict=True))


def hinge(logit, side):
    """Mean distance that logits lack from being beyond `side` (1 or -1), relu(1 - side logit): (B,...) -> ()."""
    return F.relu(1 - side * logit).mean()


def hinge_discriminator_loss(real, fake, sign=1):
    """Logits of real images belong beyond `sign`, of generated ones beyond -sign: (B,...), (B,...) -> ().

    1 as in SAGAN (Zhang et al. 2018, section 3.1); -1 in StyleGAN2's small public form, whose signs are inverted.
    """
    return hinge(real, sign) + hinge(fake, -sign)


def hinge_generator_loss(fake, sign=1):
    """What the discriminator's logits of generated images cost the generator, -sign mean: (B,...) -> ()."""
    return -sign * fake.mean()


def gradient_penalty(gradients):
    """Mean squared length of a discriminator's gradients in its images: (B,3,S,S) -> (); centred at 0.

    The squares as they are: the length's own derivative at 0 is infinite.
    """
    return (gradients * gradients).sum([1, 2, 3]).mean()


def path_lengths(gradients):
    """How far an image moves with its styles (StyleGAN2, eq. 4), from gradients in them: (B,layers,latent) -> (B,)."""
    return paddle.sqrt((gradients * gradients).sum(2).mean(1))
