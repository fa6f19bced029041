"""What a training in lockstep is: a small configuration, both trainers, and what a step is given."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module

import numpy as np

from align.cases.case import representable


@dataclass(frozen=True)
class TrainingCase:
    """The training of one system.

    `given(config, seed)` yields, step by step, the arrays of a batch and the random ones, by name. Where there are
    random arrays, the trainers take them as step(*batch, random=...); else there is no such argument.
    """

    system: str  # the name of its files, paddle_ugatit/training/NAME.py and torch_ref/training/NAME.py
    options: dict  # of a configuration on which a step takes a second
    given: Callable
    moved: Callable = lambda name, state: None  # changes the weights that a network starts with, in place
    limit: float = 1e-9  # relative to each tensor's largest value
    afterwards: tuple[str, ...] = ()  # of what a step returns among the losses, values of after the step
    limits: dict = field(default_factory=dict)  # (network, what) -> another limit, its reason beside it
    schedules: tuple[dict, ...] = ()  # options of schedules that are compared rate by rate; none if rates are constant
    variants: dict[str, dict] = field(default_factory=dict)  # name -> options of another training in lockstep

    @property
    def small(self):
        """The small configuration."""
        return import_module(f"paddle_ugatit.training.{self.system}").Config(**self.options)

    @property
    def trainers(self):
        """The classes that make the steps: PyTorch's, ours."""
        modules = (f"{room}.training.{self.system}" for room in ("torch_ref", "paddle_ugatit"))
        return tuple(import_module(module).Trainer for module in modules)

    @property
    def sources(self):
        """The files that hold them: ours, PyTorch's."""
        return f"paddle_ugatit/training/{self.system}.py", f"torch_ref/training/{self.system}.py"


def batches(config, seed, domains=2):
    """Yield batches of each domain without end, with values exact in float32."""
    rng = np.random.default_rng([seed, 3])
    shape = (config.batch_size, config.img_ch, config.img_size, config.img_size)
    while True:
        yield [representable(rng.uniform(-1, 1, shape)) for _ in range(domains)]


def images(config, seed):
    """Yield a batch of each domain, without random arrays."""
    return ((pair, {}) for pair in batches(config, seed))
