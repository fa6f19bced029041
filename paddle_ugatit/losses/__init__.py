"""The losses of all systems, as pure functions, in mixed precision too in float32. Twin: torch_ref/losses/."""

from paddle_ugatit.losses.adain import style_loss
from paddle_ugatit.losses.distances import cross_entropy, l1, least_squares
from paddle_ugatit.losses.hinge import hinge, hinge_discriminator_loss, hinge_generator_loss
from paddle_ugatit.losses.stylegan2 import gradient_penalty, path_lengths
from paddle_ugatit.losses.ugatit import adversarial_loss, cam_loss, discriminator_loss, verdict_loss
from paddle_ugatit.losses.wasserstein import unit_gradient_penalty, wasserstein

__all__ = [
    "adversarial_loss",
    "cam_loss",
    "cross_entropy",
    "discriminator_loss",
    "gradient_penalty",
    "hinge",
    "hinge_discriminator_loss",
    "hinge_generator_loss",
    "l1",
    "least_squares",
    "path_lengths",
    "style_loss",
    "unit_gradient_penalty",
    "verdict_loss",
    "wasserstein",
]
