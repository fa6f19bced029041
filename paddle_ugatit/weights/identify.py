"""What a state dict is: asks every system whether it knows the network, by its keys and the shapes of its arrays."""

import functools
from typing import Any

import paddle
from paddle import nn

from paddle_ugatit.systems import SYSTEMS, CheckpointRules, System
from paddle_ugatit.weights.rules import Options, Rule, State, WeightError, layout, listed


def models() -> dict[str, str]:
    """Return the revision of every model by its name."""
    return {name: revision for system in SYSTEMS for name, revision in system.checkpoints.MODELS.items()}


def infer_options(state: State, framework: str, where: str = "") -> Options:
    """Infer what a network was built with from its keys and the shapes of its arrays in the layout of `framework`.

    Returns {"kind": ...} and what its system's `infer_options` adds. Raises WeightError, whose message begins with
    `where`, if no system has such a network.
    """
    prefix = f"{where}: " if where else ""
    for system in SYSTEMS:
        if (options := system.checkpoints.infer_options(state, framework, prefix)) is not None:
            return options
    raise WeightError(f"{prefix}is not a known network: its keys are {listed(list(state))}")


def is_known(state: State, framework: str) -> bool:
    """Return whether a system recognises the network, though an array may be missing or malformed."""
    try:
        return any(system.checkpoints.infer_options(state, framework, "") is not None for system in SYSTEMS)
    except WeightError:
        return True


def is_whole(state: State, framework: str) -> bool:
    """Return whether a system recognises the network and no array of it is missing."""
    try:
        return is_known(state, framework) and layout_of(infer_options(state, framework)).keys() <= state.keys()
    except (ValueError, WeightError):
        return False


def system_of(kind: str) -> System:
    """Return the system that has networks of this kind."""
    return next(system for system in SYSTEMS if kind in system.checkpoints.KINDS)


def checkpoints_of(options: Options) -> CheckpointRules:
    """Return the rules for checkpoints of the system that the network with these options belongs to."""
    return system_of(options["kind"]).checkpoints


def hidden_options_of(options: Options) -> list[str]:
    """Return those of a network's options that its keys and shapes do not show, and that are not the usual ones."""
    return [option for option in checkpoints_of(options).HIDDEN.get(options["kind"], {}) if option in options]


def build(options: Options, revision: str = "current") -> nn.Layer:
    """Return a network of the options that `infer_options` returns, with fresh weights."""
    return checkpoints_of(options).build(options, revision)


def blank(options: Options, revision: str = "current") -> nn.Layer:
    """Build a network; where possible, its weights are not allocated before they are set."""
    if options["kind"] in checkpoints_of(options).EAGER:
        return build(options)  # which name the revision, where it matters
    with paddle.LazyGuard():
        return build(options, revision)


def layout_of(options: Options) -> dict[str, Rule]:
    """Return the layout of the network that `options` describe, without allocating a generator's weights."""
    return _cached_layout(tuple(sorted(options.items())))


@functools.lru_cache(maxsize=16)
def _cached_layout(options: tuple[tuple[str, Any], ...]) -> dict[str, Rule]:
    return layout(blank(dict(options)))
