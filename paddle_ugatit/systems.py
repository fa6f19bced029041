"""The systems of this project, in one table from which every room takes what it needs.

A system is a row of SYSTEMS and files of its own, all under its name:
    models/NAME.py                  its networks
    weights/NAME.py                 its checkpoints and conversion rules, see `Checkpoints`
    training/NAME.py                `Config` and `Trainer`, if it is trained here (loop.py says what a trainer has)
    inference/sample_NAME.py        `sampler_of`, if images are sampled from it
and in the parity harness torch_ref/models/NAME.py, torch_ref/training/NAME.py and align/cases/NAME.py. Modules are
imported when they are asked for, since the rooms that use this table hold them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:  # a machine that records references has no Paddle
    from paddle import nn


class Checkpoints(Protocol):
    """What weights/NAME.py knows of the checkpoints of one system."""

    MODELS: dict[str, str]  # name of a model -> its revision; the first is what keys alone tell
    KINDS: tuple[str, ...]  # the `kind` of each of its networks, in words
    EAGER: tuple[str, ...]  # kinds that cannot be built without allocating their weights
    RULES: "dict[type[nn.Layer], dict[str, str]]"  # layers of its own -> name of an array -> rule, see weights/rules.py

    def infer_options(self, state: dict, framework: str, prefix: str) -> dict[str, Any] | None:
        """What a network was built with, from its keys and shapes; None if it is of another system."""

    def build(self, options: dict[str, Any], revision: str) -> "nn.Layer":
        """Such a network, with fresh weights."""

    def require_names(self, options: dict[str, dict[str, Any]], path: Any) -> None:
        """Raise WeightError if names and kinds of the networks in a file do not go together."""

    def unpacked(self, checkpoint: Any, path: Any, notes: list[str]) -> Any | None:
        """A public PyTorch file as named networks; None if it holds them as such, or is of another system."""

    def packed(self, checkpoint: Any) -> Any:
        """The inverse of `unpacked`, before a PyTorch file is written."""


@dataclass(frozen=True)
class System:
    """One row of the table."""

    name: str  # of its files, and the `system` of a configuration
    title: str  # as people write it
    trained: bool = True  # whether training/NAME.py exists
    sampled: bool = False  # whether inference/sample_NAME.py exists

    @property
    def checkpoints(self) -> Checkpoints:
        """Its checkpoints: weights/NAME.py."""
        return cast(Checkpoints, import_module(f"paddle_ugatit.weights.{self.name}"))

    @property
    def config(self) -> Any:
        """The dataclass of its training options."""
        return import_module(f"paddle_ugatit.training.{self.name}").Config

    @property
    def trainer(self) -> Any:
        """The class that makes its training steps."""
        return import_module(f"paddle_ugatit.training.{self.name}").Trainer

    @property
    def sampling(self) -> Any:
        """inference/sample_NAME.py."""
        return import_module(f"paddle_ugatit.inference.sample_{self.name}")


SYSTEMS: tuple[System, ...] = (
    System("ugatit", "U-GAT-IT"),
    System("inception", "FID's Inception", trained=False),
    System("adain", "AdaIN"),
    System("sagan", "SAGAN", sampled=True),
    System("stylegan2", "StyleGAN2", sampled=True),
)


def trained() -> dict[str, System]:
    """The systems that can be trained, by name."""
    return {system.name: system for system in SYSTEMS if system.trained}


def sampled() -> Iterator[System]:
    """The systems that images can be sampled from."""
    return (system for system in SYSTEMS if system.sampled)
