"""Distances that several losses are built from. Twin: torch_ref/losses/distances.py."""

import paddle
import paddle.nn.functional as F

from paddle_ugatit.backend.mixed import in_float32


@in_float32
def least_squares(logit: paddle.Tensor, target: paddle.Tensor | float) -> paddle.Tensor:
    """Return the mean squared difference from `target`, a tensor of the same shape or a number: (B,...) -> ()."""
    return ((logit - target) ** 2).mean()


@in_float32
def cross_entropy(logit: paddle.Tensor, target: float) -> paddle.Tensor:
    """Return the mean binary cross entropy with logits against `target`, 0 or 1, everywhere: (B,...) -> ()."""
    return F.binary_cross_entropy_with_logits(logit, paddle.full_like(logit, target))


@in_float32
def l1(image: paddle.Tensor, target: paddle.Tensor) -> paddle.Tensor:
    """Return the mean absolute difference between two batches of images: (B,C,H,W), (B,C,H,W) -> ()."""
    return (image - target).abs().mean()
