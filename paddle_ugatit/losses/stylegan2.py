"""The two losses of StyleGAN2 (Karras et al., CVPR 2020) on gradients. Twin: torch_ref/losses/stylegan2.py."""

import paddle


def gradient_penalty(gradients):
    """Mean squared length of a discriminator's gradients in its images: (B,3,S,S) -> (); centred at 0.

    The squares as they are: the length's own derivative at 0 is infinite.
    """
    return (gradients * gradients).sum([1, 2, 3]).mean()


def path_lengths(gradients):
    """How far an image moves with its styles (StyleGAN2, eq. 4), from gradients in them: (B,layers,latent) -> (B,)."""
    return paddle.sqrt((gradients * gradients).sum(2).mean(1))
