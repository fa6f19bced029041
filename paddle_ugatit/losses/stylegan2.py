"""StyleGAN2's losses on gradients (Karras et al., CVPR 2020). Twin: torch_ref/losses/stylegan2.py."""

import paddle

from paddle_ugatit.backend.mixed import in_float32


@in_float32
def gradient_penalty(gradients: paddle.Tensor) -> paddle.Tensor:
    """Return the mean squared norm of a discriminator's gradients with respect to its images: (B,3,S,S) -> ().

    The squares are summed directly, since the derivative of the norm itself is infinite at 0.
    """
    return (gradients * gradients).sum([1, 2, 3]).mean()


@in_float32
def path_lengths(gradients: paddle.Tensor) -> paddle.Tensor:
    """Return each image's path length (StyleGAN2, eq. 4) from gradients in its styles: (B,layers,latent) -> (B,)."""
    return paddle.sqrt((gradients * gradients).sum(2).mean(1))
