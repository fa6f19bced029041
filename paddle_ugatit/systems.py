"""The systems of this project, in one table from which every package takes what it needs.

A system is a row of SYSTEMS and files of its own, all under its name:
    models/NAME.py                  its networks
    weights/NAME.py                 its checkpoints and conversion rules, see `CheckpointRules`
    training/NAME.py                `Config` and `Trainer`, if it is trained here, see training/system.py
    inference/sample_NAME.py        `sampler_of`, if images are sampled from it
and for the parity harness torch_ref/models/NAME.py, torch_ref/training/NAME.py and align/cases/NAME.py. These modules
are imported on first use, since some of them import this table themselves.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:  # Paddle is not installed where references are recorded
    from paddle import nn

    from paddle_ugatit.training.options import RunOptions
    from paddle_ugatit.training.system import TrainedSystem
    from paddle_ugatit.weights.rules import Treatment


class CheckpointRules(Protocol):
    """The interface of weights/NAME.py, the rules for a system's checkpoints."""

    MODELS: dict[str, str]  # name of a model -> its revision; the first is assumed if only the keys are known
    KINDS: tuple[str, ...]  # the `kind` of each of its networks, in words
    NAMES: dict[str, str]  # the name of a network in a file -> its kind; a network alone needs no name
    HIDDEN: dict[str, dict[str, Any]]  # kind -> option that neither keys nor shapes show -> its usual value
    EAGER: tuple[str, ...]  # kinds that cannot be built without allocating their weights
    RULES: "dict[type[nn.Layer], dict[str, Treatment]]"  # own layer type -> name of an array -> how

    def infer_options(self, state: dict, framework: str, prefix: str) -> dict[str, Any] | None:
        """Return the options a network was built with, from its keys and shapes; None if it is of another system."""

    def build(self, options: dict[str, Any], revision: str) -> "nn.Layer":
        """Return a network with these options and new weights."""

    def require_names(self, options: dict[str, dict[str, Any]], path: Any) -> None:
        """Raise WeightError if the names of the networks in a file do not match their kinds."""

    def unpacked(self, checkpoint: Any, path: Any, notes: list[str]) -> Any | None:
        """Return a public PyTorch file as named networks; None if it already is, or is of another system."""

    def packed(self, checkpoint: Any) -> Any:
        """Return a checkpoint as the public PyTorch file holds it; the inverse of `unpacked`."""


@dataclass(frozen=True)
class System:
    """One row of the table."""

    name: str  # the NAME of its files, and the `system` of a configuration
    title: str  # the name for people
    trained: bool = True  # whether training/NAME.py exists
    sampled: bool = False  # whether inference/sample_NAME.py exists

    @property
    def checkpoints(self) -> CheckpointRules:
        """The rules for its checkpoints, weights/NAME.py."""
        return cast(CheckpointRules, import_module(f"paddle_ugatit.weights.{self.name}"))

    @property
    def config(self) -> "type[RunOptions]":
        """The dataclass of its training options."""
        return import_module(f"paddle_ugatit.training.{self.name}").Config

    @property
    def trainer(self) -> "Callable[[Any], TrainedSystem]":
        """The class that makes its training steps, which takes the configuration."""
        return import_module(f"paddle_ugatit.training.{self.name}").Trainer

    @property
    def sampling(self) -> Any:
        """The module with its `sampler_of`, inference/sample_NAME.py."""
        return import_module(f"paddle_ugatit.inference.sample_{self.name}")


SYSTEMS: tuple[System, ...] = (
    System("ugatit", "U-GAT-IT"),
    System("inception", "FID's Inception", trained=False),
    System("mtcnn", "MTCNN", trained=False),
    System("adain", "AdaIN"),
    System("sagan", "SAGAN", sampled=True),
    System("stylegan2", "StyleGAN2", sampled=True),
)


def trained() -> dict[str, System]:
    """Return the systems that can be trained, by name."""
    return {system.name: system for system in SYSTEMS if system.trained}


def sampled() -> Iterator[System]:
    """Return the systems from which images can be sampled."""
    return (system for system in SYSTEMS if system.sampled)
