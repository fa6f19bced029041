"""What a comparison is: a model built alike on both sides, its inputs, its weights.

`build` gets a namespace of layers (`LAYERS` of torch_side.py or paddle_side.py), which bear the same names on both.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Case:
    """One comparison: a model, the arrays it is called with, and what is said of it."""

    name: str
    build: Callable
    shapes: list[tuple[int, ...]]  # of the arguments of one call
    equation: str
    file: str  # under paddle_ugatit/ and torch_ref/
    layer: str  # the class in that file
    calls: int = 1
    training: bool = True
    zeros: bool = False  # exact zeros among the inputs
    network: tuple[str, dict] | None = None  # ("generator" or "discriminator", arguments) to build the case again
    limit: float = 1e-10  # float64, relative to the tensor's largest value: 5 digits above the rounding seen

    @property
    def sources(self):
        """The files that hold the layer: ours, PyTorch's."""
        return f"paddle_ugatit/{self.file}", f"torch_ref/{self.file}"

    def inputs(self, seed):
        """Per call, the arguments: values that float32 holds exactly, so that both dtypes see the same."""
        rng = np.random.default_rng(seed)
        calls = [[representable(rng.standard_normal(shape)) for shape in self.shapes] for _ in range(self.calls)]
        for arrays in calls if self.zeros else []:
            for array in arrays:
                array.flat[::7] = 0
        return calls


def representable(array):
    """The nearest values that float32 holds exactly, as float64; whole numbers as they are."""
    if array.dtype.kind == "i":
        return array
    return array.astype("float32").astype("float64")


def chosen(cases, names):
    """The cases (name -> case) of these names, all of them where none is given; ValueError for an unknown one."""
    unknown = [name for name in names if name not in cases]
    if unknown:
        raise ValueError(f"no case {', '.join(unknown)}; there are {', '.join(cases)}")
    return [cases[name] for name in names] if names else list(cases.values())


def randomise(state, seed):
    """Move parameters off initial values that would hide a fault: rho 0, gamma 1, weights that are all 0; in place."""
    rng = np.random.default_rng(seed)
    for key, value in state.items():
        leaf = key.rpartition(".")[2]
        if leaf == "rho":
            value[...] = rng.uniform(0, 1, value.shape)
        elif leaf in ("gamma", "beta"):
            value[...] += 0.3 * rng.standard_normal(value.shape)
        elif key.removesuffix(leaf) + "running_var" in state and leaf != "num_batches_tracked":
            value[...] = _batch_norm(leaf, value, rng)
        elif not value.any() and value.dtype.kind == "f":
            value[...] = 0.3 * rng.standard_normal(value.shape)
    return state


def _batch_norm(leaf, value, rng):
    """Weights and statistics of a batch norm, of which PyTorch's initial values would make the identity."""
    return (
        rng.uniform(0.5, 1.5, value.shape) if leaf == "running_var" else value + 0.3 * rng.standard_normal(value.shape)
    )
