"""The two losses of StyleGAN2 (Karras et al., CVPR 2020) on gradients. Twin: paddle_ugatit/losses/stylegan2.py."""


def gradient_penalty(gradients):
    """Mean squared length of a discriminator's gradients in its images: (B,3,S,S) -> (); centred at 0."""
    return gradients.flatten(1).norm(dim=1).square().mean()


def path_lengths(gradients):
    """How far an image moves with its styles (StyleGAN2, eq. 4), from gradients in them: (B,layers,latent) -> (B,)."""
    return (gradients**2).sum(2).mean(1).sqrt()
