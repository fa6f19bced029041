"""Losses of U-GAT-IT (Kim et al., ICLR 2020, section 2.2). Twin: paddle_ugatit/losses/ugatit.py."""

import torch

from torch_ref.losses.distances import cross_entropy, least_squares

Verdict = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # a discriminator's logit map, cam_logit and heatmap


def verdict_loss(verdict: Verdict, target: float) -> torch.Tensor:
    """Return the least-squares loss of a discriminator's outputs for `target`, 1 if real and 0 if translated: ().

    quirk: the CAM loss is least squares here and cross entropy in the generator; the paper prints one formula for both.
    """
    logit, cam_logit, _ = verdict
    return least_squares(logit, target) + least_squares(cam_logit, target)


def discriminator_loss(real: Verdict, fake: Verdict) -> torch.Tensor:
    """Return the loss of one discriminator from its outputs for real and for translated images: ()."""
    return verdict_loss(real, 1) + verdict_loss(fake, 0)


def adversarial_loss(fake: Verdict) -> torch.Tensor:
    """Return the generator's loss against one discriminator, from its outputs for translated images: ()."""
    return verdict_loss(fake, 1)


def cam_loss(translated_cam: torch.Tensor, identity_cam: torch.Tensor) -> torch.Tensor:
    """Return the loss of a generator's own CAM logits: (B,2), (B,2) -> ().

    The target is 1 for images that it translates, and 0 for images that are of its target domain already.
    """
    return cross_entropy(translated_cam, 1) + cross_entropy(identity_cam, 0)
