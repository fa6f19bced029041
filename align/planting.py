"""What a fault is, and the ways to plant one in memory into the Paddle side: no file of the product is touched.

Contents: Fault; local, patched (make one); put, put_weight, run, swap (plants: what is done to a built layer).
"""

from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from unittest.mock import patch

import numpy as np


@contextmanager
def in_force(patches):
    """Within the block every (owner, attribute, replacement) is."""
    with ExitStack() as stack:
        for owner, attribute, replacement in patches:
            stack.enter_context(patch.object(owner, attribute, replacement))
        yield


@dataclass(frozen=True)
class Fault:
    """One fault, and the layer that each check must blame for it: "" is the model, None that the check stays silent."""

    number: int  # in the catalogue, shared by variants; 0 for one of its own
    name: str
    case: str  # a key of align.faults.layers.CASES
    forward: str | None
    backward: str | None
    plant: Callable | None = None  # changes a built model in place
    patches: tuple = ()  # (owner, attribute, replacement), in force while the model is built and run
    dtypes: tuple = ("float64", "float32")  # those that must see it; the others must not

    @contextmanager
    def planted(self):
        """Within the block the patches are in force; gives what `check_case` takes as `tamper`."""
        with in_force(self.patches):
            yield self.plant


def local(number, name, case, path, plant, **more):
    """A fault in the layer at `path`, which is to blame in both passes unless `more` says otherwise."""

    def plant_there(model):
        plant(dict(model.named_sublayers(include_self=True))[path])

    return Fault(number, name, case, **{"forward": path, "backward": path, "plant": plant_there} | more)


def patched(number, name, case, forward, backward, replaced, replacement, **more):
    """A fault in a function; `replaced` is the module and the name in it."""
    return Fault(number, name, case, forward, backward, patches=((*replaced, replacement),), **more)


def put(**attributes):
    """Plant: other values of these attributes."""

    def plant(layer):
        for name, value in attributes.items():
            setattr(layer, name, value)

    return plant


def put_weight(leaf, change):
    """Plant: `change(array)` in place of a parameter or buffer."""

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

        # A class of its own: an attribute `forward` of the instance would be lost when the harness taps the layer.
        layer.__class__ = type(f"Faulty{kind.__name__}", (kind,), {"forward": faulty})

    return plant


def swap(first, second):
    """Plant: the two weights, named by their paths within the layer, change places."""

    def plant(layer):
        state = layer.state_dict()
        one, other = state[first].numpy(), state[second].numpy()
        state[first].set_value(other)
        state[second].set_value(one)

    return plant


def grid_matrix(length, size, kind="half"):
    """(size, length) weights of linear interpolation: pixel centres "half", "corners" aligned, or "asymmetric"."""
    place = np.arange(size)
    if kind == "corners":
        place = place * (length - 1) / max(size - 1, 1)
    elif kind == "asymmetric":
        place = place * length / size
    else:
        place = (place + 0.5) * length / size - 0.5
    place = place.clip(0, length - 1)
    return (1 - np.abs(np.arange(length) - place[:, None])).clip(0, None)
