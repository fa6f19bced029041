"""Distances that several losses are made of. Twin: paddle_ugatit/losses/distances.py."""

import torch
import torch.nn.functional as F


def least_squares(logit, target):
    """Mean squared distance from `target`, of the same shape or, for a logit map, 0 or 1: (B,...) -> ()."""
    return ((logit - target) ** 2).mean()


def cross_entropy(logit, target):
    """Mean binary cross entropy with logits against a map full of `target` (0 or 1): (B,...) -> ()."""
    return F.binary_cross_entropy_with_logits(logit, torch.full_like(logit, target))


def l1(image, target):
    """Mean absolute difference of two batches of images: (B,C,H,W), (B,C,H,W) -> ()."""
    return (image - target).abs().mean()
