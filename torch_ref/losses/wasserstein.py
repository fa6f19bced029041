"""Losses of Wasserstein GANs with a gradient penalty (Gulrajani et al. 2017).

Twin: paddle_ugatit/losses/wasserstein.py.
"""

import torch


def wasserstein(logit: torch.Tensor, side: int) -> torch.Tensor:
    """Return -side * mean(logit), which falls as logits move towards `side`, 1 or -1: (B,...) -> ()."""
    return -side * logit.mean()


def unit_gradient_penalty(gradients: torch.Tensor) -> torch.Tensor:
    """Return the mean of (|g| - 1)^2 over each image's gradient g: (B,3,S,S) -> ()."""
    return (gradients.flatten(1).norm(dim=1) - 1).square().mean()
