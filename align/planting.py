"""Faults and how to plant them in memory; no file of the product is touched.

Contents: Fault; local, patched (make one); put, put_weight, run, swap (plants, which change a layer); grid_matrix.
"""

from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from unittest.mock import patch

import numpy as np


@contextmanager
def in_force(patches):
    """Within the block, each (owner, attribute, replacement) is in force."""
    with ExitStack() as stack:
        for owner, attribute, replacement in patches:
            stack.enter_context(patch.object(owner, attribute, replacement))
        yield


@dataclass(frozen=True)
class Fault:
    """One fault, and the layer that each check must blame: "" is the model, None means that the check stays silent."""

    number: int  # in the catalogue, shared by variants; 0 if it is not there
    name: str
    case: str  # a key of align.faults.layers.CASES
    forward: str | None
    backward: str | None
    plant: Callable | None = None  # changes a built model in place
    patches: tuple = ()  # (owner, attribute, replacement), in force while the model is built and run
    dtypes: tuple = ("float64", "float32")  # those in which it must be seen; in others it must not

    @contextmanager
    def planted(self):
        """Within the block the patches are in force; yields what `check_case` takes as `tamper`."""
        with in_force(self.patches):
            yield self.plant


def local(number, name, case, path, plant, **more):
    """Return a fault in the layer at `path`, which is to blame in both passes unless `more` says otherwise."""

    def plant_there(model):
        plant(dict(model.named_sublayers(include_self=True))[path])

    return Fault(number, name, case, **{"forward": path, "backward": path, "plant": plant_there} | more)


def patched(number, name, case, forward, backward, replaced, replacement, **more):
    """Return a fault in a function; `replaced` is its module and its name there."""
    return Fault(number, name, case, forward, backward, patches=((*replaced, replacement),), **more)


def put(**attributes):
    """Plant: set these attributes."""

    def plant(layer):
        for name, value in attributes.items():
            setattr(layer, name, value)

    return plant


def put_weight(leaf, change):
    """Plant: replace a parameter or buffer by `change(array)`."""

    def plant(layer):
        tensor = getattr(layer, leaf)
        tensor.set_value(np.ascontiguousarray(change(tensor.numpy())))

    return plant


def run(forward):
    """Plant: the layer runs `forward(own, layer, *arguments)`, where `own` is its right forward."""

    def plant(layer):
        kind = type(layer)

        def faulty(self, *arguments):
            return forward(partial(kind.forward, self), self, *arguments)

        # A new class, since an instance's own `forward` would be lost when the harness taps the layer.
        layer.__class__ = type(f"Faulty{kind.__name__}", (kind,), {"forward": faulty})

    return plant


def swap(first, second):
    """Plant: exchange two weights, named by their paths within the layer."""

    def plant(layer):
        state = layer.state_dict()
        one, other = state[first].numpy(), state[second].numpy()
        state[first].set_value(other)
        state[second].set_value(one)

    return plant


def grid_matrix(length, size, kind="half"):
    """Return (size, length) weights of linear interpolation on the grid "half", "corners" or "asymmetric"."""
    place = np.arange(size)
    if kind == "corners":
        place = place * (length - 1) / max(size - 1, 1)
    elif kind == "asymmetric":
        place = place * length / size
    else:
        place = (place + 0.5) * length / size - 0.5
    place = place.clip(0, length - 1)
    return (1 - np.abs(np.arange(length) - place[:, None])).clip(0, None)
