"""StyleGAN2's losses on gradients (Karras et al., CVPR 2020). Twin: paddle_ugatit/losses/stylegan2.py."""

import torch


def gradient_penalty(gradients: torch.Tensor) -> torch.Tensor:
    """Return the mean squared norm of a discriminator's gradients with respect to its images: (B,3,S,S) -> ()."""
    return gradients.flatten(1).norm(dim=1).square().mean()


def path_lengths(gradients: torch.Tensor) -> torch.Tensor:
    """Return each image's path length (StyleGAN2, eq. 4) from gradients in its styles: (B,layers,latent) -> (B,)."""
    return (gradients**2).sum(2).mean(1).sqrt()
