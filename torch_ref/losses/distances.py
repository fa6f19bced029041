"""Distances that several losses are built from. Twin: paddle_ugatit/losses/distances.py."""

import torch
import torch.nn.functional as F


def least_squares(logit: torch.Tensor, target: torch.Tensor | float) -> torch.Tensor:
    """Return the mean squared difference from `target`, a tensor of the same shape or a number: (B,...) -> ()."""
    return ((logit - target) ** 2).mean()


def cross_entropy(logit: torch.Tensor, target: float) -> torch.Tensor:
    """Return the mean binary cross entropy with logits against `target`, 0 or 1, everywhere: (B,...) -> ()."""
    return F.binary_cross_entropy_with_logits(logit, torch.full_like(logit, target))


def l1(image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the mean absolute difference between two batches of images: (B,C,H,W), (B,C,H,W) -> ()."""
    return (image - target).abs().mean()
