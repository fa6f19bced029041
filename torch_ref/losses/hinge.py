"""Hinge losses of SAGAN (Zhang et al., ICML 2019) and StyleGAN2. Twin: paddle_ugatit/losses/hinge.py."""

import torch.nn.functional as F


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
