"""A comparison: a model built the same way on both sides, its inputs and its weights.

`build` receives a namespace of layers (`LAYERS` of torch_side.py or paddle_side.py). The layers have the same names in
both; the namespace's `framework` is "torch" or "paddle".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Published(Protocol):
    """Weights that somebody trained and published, which a machine may have or not."""

    def weights(self) -> dict[str, np.ndarray] | None:
        """Return the arrays by name, in PyTorch's layout; None where they are not installed."""

    def about(self) -> str:
        """Return which weights are compared, for a report."""


@dataclass(frozen=True)
class Case:
    """One comparison: a model, the arrays it is called with, and how reports describe it."""

    name: str
    build: Callable
    shapes: list[tuple[int, ...]]  # of the arguments of one call
    equation: str
    file: str  # under paddle_ugatit/ and torch_ref/
    layer: str  # the class in that file
    calls: int = 1
    training: bool = True
    zeros: bool = False  # exact zeros among the inputs
    spike: float = 0.0  # added to one pixel of each map, so that normalised values become large
    gain: float = 1.0  # by which the weights are multiplied, so that activations become large
    network: tuple[str, dict] | None = None  # ("generator" or "discriminator", arguments) to build the case again
    published: Published | None = None  # the source of trained weights, where random ones would be less telling
    limit: float = 1e-10  # float64, relative to the tensor's largest value: 5 digits above the rounding seen

    @property
    def sources(self):
        """The files that define the layer: Paddle's, PyTorch's."""
        return f"paddle_ugatit/{self.file}", f"torch_ref/{self.file}"

    def inputs(self, seed):
        """Return the arguments of each call, with values exact in float32, so that both dtypes see the same."""
        rng = np.random.default_rng(seed)
        calls = [[representable(rng.standard_normal(shape)) for shape in self.shapes] for _ in range(self.calls)]
        for arrays in calls if self.zeros else []:
            for array in arrays:
                array.flat[::7] = 0
        for arrays in calls if self.spike else []:
            for array in arrays:
                array[..., array.shape[-2] // 3, array.shape[-1] // 2] += self.spike
        return calls


def representable(array):
    """Round to the nearest float32 values, kept as float64; integers are returned unchanged."""
    if array.dtype.kind == "i":
        return array
    return array.astype("float32").astype("float64")


def chosen(cases, names):
    """Return the cases with these names, or all of them without names. Raises ValueError for an unknown name."""
    unknown = [name for name in names if name not in cases]
    if unknown:
        raise ValueError(
            f"unknown case {', '.join(name[:100] for name in unknown[:10])}; choose from {', '.join(cases)}"
        )
    return [cases[name] for name in names] if names else list(cases.values())


def randomise(state, seed):
    """Move parameters away from initial values that could hide a fault (rho 0, gamma 1, all zeros), in place."""
    rng = np.random.default_rng(seed)
    for key, value in state.items():
        leaf = key.rpartition(".")[2]
        if leaf == "rho":
            value[...] = rng.uniform(0, 1, value.shape)
        elif leaf in ("gamma", "beta"):
            value[...] += 0.3 * rng.standard_normal(value.shape)
        elif key.removesuffix(leaf) + "running_var" in state and leaf != "num_batches_tracked":
            value[...] = _batch_norm(leaf, value, rng)
        elif leaf == "weight" and value.ndim == 1:  # of a norm, which begins as the identity
            value[...] += 0.3 * rng.standard_normal(value.shape)
        elif not value.any() and value.dtype.kind == "f":
            value[...] = 0.3 * rng.standard_normal(value.shape)
    return state


def _batch_norm(leaf, value, rng):
    """Weights and statistics of a batch norm, which PyTorch's initial values would make the identity."""
    return (
        rng.uniform(0.5, 1.5, value.shape) if leaf == "running_var" else value + 0.3 * rng.standard_normal(value.shape)
    )
