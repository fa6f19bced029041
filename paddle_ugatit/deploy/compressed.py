"""Weights of a graph stored in fewer bits; what is computed with them stays float32.

Contents: compressed, stored, KINDS. A weight in float16 is cast, one in int8 cast and multiplied by the scale of its
output channel, both within the graph: a runtime does so once, when it loads the file.
"""

import numpy as np

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.deploy.graph import FLOAT, Graph, Node

KINDS = ("float32", "float16", "int8")
_LARGEST = float(np.finfo(np.float16).max)
_LEVELS = 127


def compressed(graph: Graph, kind: str) -> Graph:
    """Return a graph whose weights are stored as `kind`, one of KINDS.

    Raises InputError if a weight is too large for float16, or is not finite.
    """
    if kind == "float32":
        return graph
    arrays, nodes = dict(graph.arrays), []
    for name, axis in sorted(graph.weights.items()):
        weight = arrays.pop(name)
        if kind == "float16":
            arrays[f"{name}.float16"] = _half(name, weight)
            nodes.append(Node("Cast", (f"{name}.float16",), (name,), {"to": FLOAT}))
            continue
        arrays[f"{name}.int8"], arrays[f"{name}.scale"] = _levels(name, weight, axis)
        nodes.append(Node("Cast", (f"{name}.int8",), (f"{name}.levels",), {"to": FLOAT}))
        nodes.append(Node("Mul", (f"{name}.levels", f"{name}.scale"), (name,)))
    return graph.copied([*nodes, *graph.nodes], arrays)


def stored(graph: Graph, name: str) -> np.ndarray:
    """Return a weight as a graph holds it, in float64, in which every kind is exact. Raises KeyError if it has none."""
    if name in graph.arrays:
        return graph.arrays[name].astype(np.float64)
    if f"{name}.float16" in graph.arrays:
        return graph.arrays[f"{name}.float16"].astype(np.float64)
    return graph.arrays[f"{name}.int8"].astype(np.float64) * graph.arrays[f"{name}.scale"].astype(np.float64)


def _half(name: str, weight: np.ndarray) -> np.ndarray:
    largest = float(np.abs(weight).max(initial=0))
    if not largest <= _LARGEST:
        raise InputError(f"{name}: holds {largest:.6g}, and float16 at most {_LARGEST:.0f}: use float32 or int8")
    return weight.astype(np.float16)


def _levels(name: str, weight: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a weight as whole numbers from -127 to 127 and the scale of each output channel."""
    others = tuple(each for each in range(weight.ndim) if each != axis)
    largest = np.abs(weight).max(others, keepdims=True, initial=0).astype(np.float64)
    if not np.isfinite(largest).all():
        raise InputError(f"{name}: holds NaN or infinity, which int8 cannot")
    scale = (largest / _LEVELS).astype(np.float32)
    scale[scale == 0] = 1  # a channel of zeros, or of numbers that float32 hardly holds
    return np.rint(weight / scale.astype(np.float64)).clip(-_LEVELS, _LEVELS).astype(np.int8), scale
