"""The systems whose training is compared: a small configuration of each, both trainers, and what a step is given."""

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
    """`given(config, seed)` yields, step by step, the arrays of a batch and the random ones, by name.

    Where there are random arrays, the trainers take them as step(*batch, random=...); else there is no such argument.
    """

    small: object  # a configuration on which a step takes a second
    trainers: tuple  # PyTorch's, ours
    sources: tuple  # ours, PyTorch's
    given: Callable
    moved: Callable = lambda name, state: None  # changes the weights that a network starts with, in place
    limit: float = 1e-9  # relative to each tensor's largest value
    limits: dict = field(default_factory=dict)  # (network, what) -> another limit, its reason beside it


def batches(config, seed, domains=2):
    """Endless batches of each domain, exact in float32."""
    rng = np.random.default_rng([seed, 3])
    shape = (config.batch_size, config.img_ch, config.img_size, config.img_size)
    while True:
        yield [representable(rng.uniform(-1, 1, shape)) for _ in range(domains)]


def images(config, seed):
    """A batch of each domain, and no random arrays."""
    return ((pair, {}) for pair in batches(config, seed))


def images_and_latents(config, seed):
    """A batch of one domain, and the latents of both steps."""
    rng = np.random.default_rng([seed, 4])
    for batch in batches(config, seed, domains=1):
        yield batch, {kind: representable(rng.standard_normal((config.batch_size, config.z_dim))) for kind in "DG"}


def wide_logits(name, state):
    """Logits on either side of a hinge's corner.

    With all of them between the two, the loss is a mean, its corners are not seen, and the last bias has a gradient
    that is rounding: Adam, which divides it by itself plus 1e-8, would make a step of 1e-9 of it.
    """
    if name == "D":
        state["last.0.weight"] *= 8
        state["last.0.bias"] += 1


def styles(config, seed):
    """A batch of images, and what a step of StyleGAN2 draws: every second one augmented, with a cut that varies."""
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


# A gradient penalty in the steps 1, 3, 5 counted from 1, a path length in 3 (the first, which only begins the running
# mean) and 5, copies to the running means in 3, updates of them in 5 and 6.
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
