"""Hinge losses of SAGAN (Zhang et al., ICML 2019) and StyleGAN2. Twin: torch_ref/losses/hinge.py."""

import paddle
import paddle.nn.functional as F

from paddle_ugatit.backend.mixed import in_float32


@in_float32
def hinge(logit: paddle.Tensor, side: int) -> paddle.Tensor:
    """Return mean(relu(1 - side * logit)), which is 0 if all logits lie beyond `side`, 1 or -1: (B,...) -> ()."""
    return F.relu(1 - side * logit).mean()


def hinge_discriminator_loss(real: paddle.Tensor, fake: paddle.Tensor, sign: int = 1) -> paddle.Tensor:
    """Return the hinge loss that pushes real logits beyond `sign` and fake ones beyond -sign: (B,...), (B,...) -> ().

    `sign` is 1 in SAGAN (Zhang et al. 2018, section 3.1), and -1 in StyleGAN2's small public form, whose signs are
    inverted.
    """
    return hinge(real, sign) + hinge(fake, -sign)


@in_float32
def hinge_generator_loss(fake: paddle.Tensor, sign: int = 1) -> paddle.Tensor:
    """Return the generator's loss -sign * mean(logit), from the logits of generated images: (B,...) -> ()."""
    return -sign * fake.mean()
