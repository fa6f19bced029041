"""The systems whose training is compared: a small configuration of each, both trainers, and what a step is given."""

from collections.abc import Callable
from dataclasses import dataclass, field

from align.training_case import batches
from paddle_ugatit.training import Config, Trainer
from torch_ref.training.trainer import Trainer as TorchTrainer


@dataclass(frozen=True)
class System:
    """`given(config, seed)` yields, step by step, the arrays of a batch and the random ones, by name.

    Where there are random arrays, the trainers take them as step(*batch, random=...); else there is no such argument.
    """

    small: object  # a configuration on which a step takes a second
    trainers: tuple  # PyTorch's, ours
    sources: tuple  # ours, PyTorch's
    given: Callable
    limit: float = 1e-9  # relative to each tensor's largest value
    limits: dict = field(default_factory=dict)  # (network, what) -> another limit, its reason beside it


def images(config, seed):
    """A batch of each domain, and no random arrays."""
    return ((pair, {}) for pair in batches(config, seed))


# The decay of the learning rate begins within the run, and the last step has a rate of 0.
SMALL = Config(light=True, ch=4, n_res=1, img_size=48, global_layers=6, local_layers=4, iteration=6)
SYSTEMS = {
    "ugatit": System(
        SMALL,
        (TorchTrainer, Trainer),
        ("paddle_ugatit/training/trainer.py", "torch_ref/training/trainer.py"),
        images,
    ),
}
