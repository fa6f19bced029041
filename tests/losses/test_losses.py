"""The hinge losses, on either side, against the formula in NumPy; the other losses are tested with the trainers."""

import numpy as np
import paddle
import pytest
import torch

from paddle_ugatit import losses
from torch_ref import losses as torch_losses

REAL = np.array([2.0, 0.5, -0.25, 1.0])
FAKE = np.array([-3.0, 0.5, 0.75, -1.0])


def both(name, *arrays, **options):
    """The loss and its gradients, from Paddle and from PyTorch."""
    found = []
    ours = losses, [paddle.to_tensor(array, stop_gradient=False) for array in arrays]
    theirs = torch_losses, [torch.tensor(array, requires_grad=True) for array in arrays]
    for room, tensors in (ours, theirs):
        loss = getattr(room, name)(*tensors, **options)
        loss.backward()
        found.append((loss.item(), [tensor.grad.numpy() for tensor in tensors]))
    return found


@pytest.mark.parametrize("sign", [1, -1])
def test_discriminator_hinge(sign):
    wanted = np.maximum(0, 1 - sign * REAL).mean() + np.maximum(0, 1 + sign * FAKE).mean()
    gradients = [-sign * (sign * REAL < 1) / 4, sign * (sign * FAKE > -1) / 4]  # 0 at the corner itself
    for loss, found in both("hinge_discriminator_loss", REAL, FAKE, sign=sign):
        assert loss == wanted
        np.testing.assert_array_equal(found, gradients)


@pytest.mark.parametrize("sign", [1, -1])
def test_generator_hinge(sign):
    for loss, (found,) in both("hinge_generator_loss", FAKE, sign=sign):
        assert loss == -sign * FAKE.mean()
        np.testing.assert_array_equal(found, np.full(4, -sign / 4))


def test_the_signs_are_each_others_mirror():
    """SAGAN wants real logits above 1, StyleGAN2 below -1: losses are equal where logits are negated, not before."""
    (sagan, _), _ = both("hinge_discriminator_loss", REAL, FAKE)
    (mirrored, _), _ = both("hinge_discriminator_loss", -REAL, -FAKE, sign=-1)
    (unmirrored, _), _ = both("hinge_discriminator_loss", REAL, FAKE, sign=-1)
    assert sagan == mirrored != unmirrored
