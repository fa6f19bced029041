"""The conversion rules: which arrays of a layer are laid out differently in PyTorch and Paddle.

Keys are the same in both. A rule is chosen by the type of the layer that owns an array and the array's name in it:
PyTorch stores a Linear's weight as (out,in), Paddle as (in,out); everything else is the same. Counters are integers in
both, whatever the dtype of the weights. Keys, shapes and owners come from the Paddle network itself. Nothing is guessed
or silently dropped: a missing or unexpected key, a wrong shape or dtype is a WeightError.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import numpy as np
from paddle import nn

from paddle_ugatit import formats
from paddle_ugatit.layers.batch_norm import BatchNorm2D, FrozenBatchNorm2D
from paddle_ugatit.layers.norm import ILN, AdaILN, InstanceNorm2D
from paddle_ugatit.layers.prelu import PReLU
from paddle_ugatit.layers.twice_differentiable import Blur
from paddle_ugatit.systems import SYSTEMS

FLOATS = ("float32", "float64", "float16", "bfloat16")

State = dict[str, np.ndarray]  # key -> array
Options = dict[str, Any]  # what a network is built with, and its "kind"


class Treatment(Enum):
    """What happens to an array on its way between the frameworks: nothing, a transpose, nothing to an integer."""

    KEEP = auto()
    TRANSPOSE = auto()
    COUNT = auto()


KEEP = Treatment.KEEP
TRANSPOSE = Treatment.TRANSPOSE
COUNT = Treatment.COUNT
_SPECTRAL = {"weight_u": KEEP, "weight_v": KEEP}
RULES: dict[type[nn.Layer], dict[str, Treatment]] = {  # of layers/ and Paddle's own: owner type -> leaf name -> rule
    nn.Linear: {"weight": TRANSPOSE, "weight_orig": TRANSPOSE, "bias": KEEP, **_SPECTRAL},
    nn.Conv2D: {"weight": KEEP, "weight_orig": KEEP, "weight_bar": KEEP, "bias": KEEP, **_SPECTRAL},
    nn.Conv2DTranspose: {"weight": KEEP, "weight_bar": KEEP, "bias": KEEP, **_SPECTRAL},
    PReLU: {"weight": KEEP},
    InstanceNorm2D: {"weight": KEEP, "bias": KEEP},
    AdaILN: {"rho": KEEP},
    ILN: {"rho": KEEP, "gamma": KEEP, "beta": KEEP},
    FrozenBatchNorm2D: {"weight": KEEP, "bias": KEEP, "running_mean": KEEP, "running_var": KEEP},
    BatchNorm2D: {"num_batches_tracked": COUNT},
    Blur: {"f": KEEP},
}


class WeightError(formats.CheckpointError):
    """Weights do not fit the network they are meant for; the message is one line with file, network, key and shapes."""


@dataclass(frozen=True)
class Rule:
    """One array of a network: its shape in each framework, whether it is transposed, whether it is a counter."""

    shape_torch: tuple[int, ...]
    shape_paddle: tuple[int, ...]
    transpose: bool
    count: bool = False


def layout(layer: nn.Layer) -> dict[str, Rule]:
    """Return key -> Rule for every entry of a Paddle layer's state dict, in its order.

    Raises WeightError if an entry has no rule.
    """
    rules = rules_of(layer)
    if missing := [key for key, rule in rules.items() if rule is None]:
        raise WeightError(f"no conversion rule for {listed(missing)} of {type(layer).__name__}")
    return {key: rule for key, rule in rules.items() if rule is not None}


def rules_of(layer: nn.Layer) -> dict[str, Rule | None]:
    """Return what `layout` does, with None for an entry that has no rule."""
    owners, rules = dict(layer.named_sublayers(include_self=True)), {}
    for key, tensor in layer.state_dict().items():
        path, _, leaf = key.rpartition(".")
        rules[key] = _rule(owners.get(path), leaf, tuple(tensor.shape))
    return rules


def _all_rules() -> Iterator[tuple[type[nn.Layer], dict[str, Treatment]]]:
    yield from RULES.items()
    for system in SYSTEMS:
        yield from system.checkpoints.RULES.items()


def _rule(owner: nn.Layer | None, leaf: str, shape: tuple[int, ...]) -> Rule | None:
    for kind, leaves in _all_rules():
        if isinstance(owner, kind) and leaf in leaves:
            transpose = leaves[leaf] == TRANSPOSE
            return Rule(shape[::-1] if transpose else shape, shape, transpose, leaves[leaf] == COUNT)
    return None


def to_paddle(state: State, layer: nn.Layer | dict[str, Rule], where: str = "") -> State:
    """Convert a PyTorch state dict to Paddle's layout, in the order of `layer`, a Paddle layer or its `layout`.

    The arrays are views of those given. Raises WeightError if the state dict does not fit; its message begins with
    `where` (file, network).
    """
    return _converted(state, layer, where, "torch")


def to_torch(state: State, layer: nn.Layer | dict[str, Rule], where: str = "") -> State:
    """Convert a Paddle state dict to PyTorch's layout; the inverse of `to_paddle`, with the same errors."""
    return _converted(state, layer, where, "paddle")


def _converted(state: State, layer: nn.Layer | dict[str, Rule], where: str, source: str) -> State:
    rules = layer if isinstance(layer, dict) else layout(layer)
    _require_match(state, rules, where, source)
    return {key: state[key].T if rule.transpose else state[key] for key, rule in rules.items()}


def _require_match(state: State, rules: dict[str, Rule], where: str, source: str) -> None:
    prefix = f"{where}: " if where else ""
    if missing := [key for key in rules if key not in state]:
        raise WeightError(f"{prefix}lacks {listed(missing)}")
    if extra := [key for key in state if key not in rules]:
        raise WeightError(f"{prefix}has {listed(extra)}, which the network does not")
    first = formats.dtype_name(state[next(iter(rules))]) if rules else None
    for key, rule in rules.items():
        wanted = rule.shape_torch if source == "torch" else rule.shape_paddle
        if tuple(state[key].shape) != wanted:
            raise WeightError(f"{prefix}{key!r} has the shape {state[key].shape}, the network needs {wanted}")
        dtype = formats.dtype_name(state[key])
        if rule.count:
            if dtype != "int64":
                raise WeightError(f"{prefix}{key!r} is {dtype or state[key].dtype}, a count is int64")
            continue
        if dtype not in FLOATS:
            raise WeightError(f"{prefix}{key!r} is {dtype or state[key].dtype}, weights are {', '.join(FLOATS)}")
        if dtype != first:
            raise WeightError(f"{prefix}{key!r} is {dtype}, but {next(iter(rules))!r} is {first}")


def listed(keys: Sequence[str]) -> str:
    """Return the first keys and the number of the others, for a message."""
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(map(repr, keys[:3])) + more
