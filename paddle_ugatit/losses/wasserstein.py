"""Losses of Wasserstein GANs with a gradient penalty (Gulrajani et al. 2017). Twin: torch_ref/losses/wasserstein.py."""

import paddle

from paddle_ugatit.backend.mixed import in_float32


@in_float32
def wasserstein(logit: paddle.Tensor, side: int) -> paddle.Tensor:
    """Return -side * mean(logit), which falls as logits move towards `side`, 1 or -1: (B,...) -> ()."""
    return -side * logit.mean()


@in_float32
def unit_gradient_penalty(gradients: paddle.Tensor) -> paddle.Tensor:
    """Return the mean of (|g| - 1)^2 over each image's gradient g: (B,3,S,S) -> ()."""
    return ((paddle.sqrt((gradients * gradients).sum([1, 2, 3])) - 1) ** 2).mean()
