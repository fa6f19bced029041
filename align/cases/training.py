"""The systems whose training is compared: a small configuration, both trainers, and the arrays of each step."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from align.cases import representable
from paddle_ugatit.training import Config, Trainer, adain, sagan, stylegan2
from paddle_ugatit.training.augment import COUNT
from torch_ref.training import adain as torch_adain
from torch_ref.training import sagan as torch_sagan
from torch_ref.training import stylegan2 as torch_stylegan2
from torch_ref.training.ugatit import Trainer as TorchTrainer


@dataclass(frozen=True)
class TrainingCase:
    """How the training of one system is compared.

    `given(config, seed)` yields (batch, random arrays by name) for each step. Trainers take the random arrays as
    `step(*batch, random=...)`; without any, that argument is left out.
    """

    small: object  # a configuration whose steps take about a second
    trainers: tuple  # PyTorch's, Paddle's
    sources: tuple  # Paddle's, PyTorch's
    given: Callable
    moved: Callable = lambda name, state: None  # changes the weights that a network starts with, in place
    limit: float = 1e-9  # relative to each tensor's largest value
    limits: dict = field(default_factory=dict)  # (network, what) -> another limit, its reason beside it


def batches(config, seed, domains=2):
    """Yield batches of each domain without end, with values exact in float32."""
    rng = np.random.default_rng([seed, 3])
    shape = (config.batch_size, config.img_ch, config.img_size, config.img_size)
    while True:
        yield [representable(rng.uniform(-1, 1, shape)) for _ in range(domains)]


def images(config, seed):
    """Yield a batch of each domain, without random arrays."""
    return ((pair, {}) for pair in batches(config, seed))


def images_and_latents(config, seed):
    """Yield a batch of one domain, and the latents of both halves of the step."""
    rng = np.random.default_rng([seed, 4])
    for batch in batches(config, seed, domains=1):
        yield batch, {kind: representable(rng.standard_normal((config.batch_size, config.z_dim))) for kind in "DG"}


def wide_logits(name, state):
    """Spread the discriminator's logits beyond the corners of the hinge loss, in place.

    If all of them lay between the corners, the loss would be a mean, its corners would go untested, and the gradient of
    the last bias would be pure rounding error, which Adam, dividing it by itself plus 1e-8, turns into steps of 1e-9.
    """
    if name == "D":
        state["last.0.weight"] *= 8
        state["last.0.bias"] += 1


def styles(config, seed):
    """Yield a batch and what a step of StyleGAN2 draws; the mixing point varies, every second step is augmented."""
    rng, layers, size = np.random.default_rng([seed, 4]), config.img_size.bit_length() - 2, config.img_size
    for step, batch in enumerate(batches(config, seed, 1)):
        count = len(batch[0])
        random = {"path": rng.standard_normal((count, 3, size, size))}
        for number, half in enumerate(("d", "g")):
            random[f"{half}_latents"] = rng.standard_normal((count, 2, config.latent_dim))
            random[f"{half}_mix"] = np.arange(layers) < (step + number) % (layers + 1)
            random[f"{half}_noise"] = rng.uniform(0, 1, (count, size, size, 1))
        for images in ("real", "d", "g") if step % 2 else ():
            random[f"{images}_augment"] = rng.uniform(0, 1, (count, COUNT))
        yield batch, {name: representable(array) for name, array in random.items()}


# Counted from 1: gradient penalty in steps 1, 3 and 5; path length in 3, where it only starts its running mean, and in
# 5; the averaged networks are copied from the trained ones in 3 and updated in 5 and 6.
SMALL_STYLEGAN2 = stylegan2.Config(
    img_size=16,
    load_size=16,
    latent_dim=8,
    style_depth=2,
    network_capacity=2,
    penalty_every=2,
    path_every=2,
    path_after=0,
    mean_every=1,
    mean_after=3,
    copy_every=20,
    copy_until=2,
    iteration=6,
)
# The decay of the learning rate begins within the run, and the last step has a rate of 0.
SMALL = Config(light=True, ch=4, n_res=1, img_size=48, global_layers=6, local_layers=4, iteration=6)
SYSTEMS = {
    "ugatit": TrainingCase(
        SMALL,
        (TorchTrainer, Trainer),
        ("paddle_ugatit/training/ugatit.py", "torch_ref/training/ugatit.py"),
        images,
    ),
    "adain": TrainingCase(
        adain.Config(ch=4, img_size=24, load_size=24),
        (torch_adain.Trainer, adain.Trainer),
        ("paddle_ugatit/training/adain.py", "torch_ref/training/adain.py"),
        images,
    ),
    "sagan": TrainingCase(
        sagan.Config(img_size=32, load_size=32, conv_dim=8, z_dim=12, batch_size=4, iteration=6),
        (torch_sagan.Trainer, sagan.Trainer),
        ("paddle_ugatit/training/sagan.py", "torch_ref/training/sagan.py"),
        images_and_latents,
        wide_logits,
    ),
    "stylegan2": TrainingCase(
        SMALL_STYLEGAN2,
        (torch_stylegan2.Trainer, stylegan2.Trainer),
        ("paddle_ugatit/training/stylegan2.py", "torch_ref/training/stylegan2.py"),
        styles,
    ),
}
