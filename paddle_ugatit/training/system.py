"""The interface of what is trained: every training/NAME.py has a `Trainer` that fulfils it."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
import paddle
from paddle import nn

from paddle_ugatit.training.options import RunOptions
from paddle_ugatit.training.precision import Precision


@runtime_checkable
class TrainedSystem(Protocol):
    """Networks with their optimisers, and the step that trains them; constructed from its configuration.

    `tests` below are the test images of each domain, float32 (n,3,S,S) in [-1,1]. `networks` are the system's own, or
    running means of them in their place.
    """

    iteration: int  # iterations done so far
    networks: dict[str, nn.Layer]  # name in the checkpoint -> network
    optimizers: dict[str, paddle.optimizer.Optimizer]  # kind -> optimiser
    notes: list[str]  # lines about the initial weights, to be printed before a run; usually none
    precision: Precision  # which makes the steps of the optimisers
    # What else a resumed run needs, by name; usually nothing. Numbers, or tensors () that are read for a checkpoint.
    scalars: dict[str, Any]

    @property
    def config(self) -> RunOptions:
        """The options of the run."""

    @property
    def model(self) -> str:
        """The name of its checkpoints' model, see MODELS in weights/NAME.py."""

    @property
    def averaged(self) -> tuple[str, ...]:
        """The networks of which a running mean is kept if `ema` is set."""

    @property
    def shown(self) -> tuple[str, ...]:
        """The losses that are shown beside the progress bar."""

    def named_parameters(self, kind: str) -> list[tuple[str, paddle.Tensor]]:
        """Return (name, parameter) of everything that the optimiser `kind` updates, in the optimiser's order."""

    def step(self, *batch: Any, **random: Any) -> dict[str, paddle.Tensor]:
        """Run one iteration on a batch of each domain, and return the named losses, () each.

        Random numbers are drawn if they are not given. Raises DivergedError if a loss is not finite.
        """

    def sheets(self, networks: dict[str, nn.Layer], tests: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return sample sheets made with these networks: name -> uint8 (H,W,3)."""

    def generated(
        self, networks: dict[str, nn.Layer], tests: dict[str, np.ndarray]
    ) -> Iterator[tuple[str, Iterable[np.ndarray], str]]:
        """Yield (name, images, domain) of what these networks generate, for evaluation.

        The images are (3,S,S) in [-1,1] and should look like the test images of the domain. The first of them decides
        which networks are the best.
        """
