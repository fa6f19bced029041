"""Checkpoints as other programs keep them: wrapped, nested, flat, with running means; and what is in each.

A `Wrapped` file is made of three of U-GAT-IT's networks unless it says otherwise. Written by hand from what those
programs do: PyTorch's DataParallel, FSDP, compile and parametrizations, Lightning, and counters of operations.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

State = dict[str, np.ndarray]
States = dict[str, State]
NAMES = ("genA2B", "disGB", "disLA")


@dataclass(frozen=True)
class Wrapped:
    """A file: what a program makes of the networks, and where each of them is found."""

    make: Callable[[States], States]
    used: dict[str, str] = field(default_factory=lambda: dict(zip(NAMES, NAMES, strict=True)))  # name -> place
    dropped: tuple[str, ...] = ()  # what is left aside
    averaged: bool = False  # whether running means are asked for
    system: str = "ugatit"
    doubled: tuple[str, ...] = ()  # networks of which the values are twice those of the plain ones
    notes: int = 0  # lines on what was changed


def prefixed(prefix: str) -> Callable[[States], States]:
    """Return what puts a prefix before every key."""
    return each(lambda state: {f"{prefix}{key}": array for key, array in state.items()})


def replaced(one: str, other: str) -> Callable[[States], States]:
    """Return what replaces a part of every key."""
    return each(lambda state: {key.replace(one, other): array for key, array in state.items()})


def each(change: Callable[[State], State]) -> Callable[[States], States]:
    """Return a function that changes every network."""
    return lambda states: {name: change(state) for name, state in states.items()}


def flat(states: States, prefix: str = "") -> State:
    """Return one state dict with the networks' names as prefixes."""
    return {f"{prefix}{name}.{key}": array for name, state in states.items() for key, array in state.items()}


def parametrised(state: State) -> State:
    """The names that torch.nn.utils.parametrizations gives the arrays of spectral normalisation."""
    newer = {"orig": "original", "u": "0._u", "v": "0._v"}
    renamed = lambda match: f"parametrizations.weight.{newer[match[1]]}"  # noqa: E731
    return {re.sub(r"weight_(orig|u|v)$", renamed, key): array for key, array in state.items()}


def doubled(state: State) -> State:
    """Other values under the same keys, as a running mean has."""
    return {key: 2 * array for key, array in state.items()}


def counted(state: State) -> State:
    """Counters that thop and AveragedModel add."""
    more = ("total_ops", "FC.total_params", "n_averaged")
    return state | {key: np.zeros((), np.int64) for key in more}


def _beside(**means: str) -> Callable[[States], States]:
    """Networks with running means of some of them beside, under other names."""
    return lambda states: states | {place: doubled(states[name]) for place, name in means.items()}


_COUNTS = tuple(f"{name}/{key}" for name in NAMES for key in ("total_ops", "FC.total_params", "n_averaged"))
WRAPPED = {
    "plain": Wrapped(lambda states: states),
    "DataParallel": Wrapped(prefixed("module."), notes=3),
    **{
        f"{wrapper}, outside": Wrapped(prefixed(f"{wrapper}."), notes=3)
        for wrapper in ("_orig_mod", "_layers", "_forward_module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
    },
    "two wrappers": Wrapped(prefixed("module._orig_mod."), notes=6),
    "a wrapper inside": Wrapped(replaced("model.", "model._orig_mod."), notes=2),
    "a wrapper before a leaf": Wrapped(replaced("gamma.", "gamma._orig_mod."), notes=1),
    "DataParallel before a leaf": Wrapped(replaced("gamma.", "gamma.module."), notes=1),
    "DataParallel inside": Wrapped(replaced("FC.", "FC.module."), notes=1),
    "parametrizations": Wrapped(each(parametrised), notes=2),
    "counters": Wrapped(each(counted), dropped=_COUNTS),
    "flat": Wrapped(lambda states: {"": flat(states)}),
    "flat and wrapped": Wrapped(lambda states: prefixed("_orig_mod.")({"": flat(states)}), notes=1),
    "Lightning": Wrapped(
        lambda states: {"state_dict": flat(states, "model.") | {"features.0.weight": np.ones((2, 2))}},
        {name: f"state_dict.model.{name}" for name in NAMES},
        ("state_dict.features",),
    ),
    "Lightning, with a lone array": Wrapped(
        lambda states: {"state_dict": flat(states) | {"step": np.ones(1)}},
        {name: f"state_dict.{name}" for name in NAMES},
        ("state_dict.step",),
    ),
    "nested": Wrapped(
        lambda states: {f"net.{name}.state_dict": state for name, state in states.items()},
        {name: f"net.{name}.state_dict" for name in NAMES},
    ),
    "others beside": Wrapped(
        lambda states: states | {"classifier": {"fc.weight": np.ones((2, 3))}}, dropped=("classifier",)
    ),
    "means beside": Wrapped(_beside(genA2B_ema="genA2B", avg_disGB="disGB"), dropped=("genA2B_ema", "avg_disGB")),
    "means asked for": Wrapped(
        _beside(genA2B_ema="genA2B", AVG_disGB="disGB"),
        {"genA2B": "genA2B_ema", "disGB": "AVG_disGB", "disLA": "disLA"},
        ("genA2B", "disGB"),
        True,
        doubled=("genA2B", "disGB"),
    ),
    "means nested": Wrapped(_beside(**{"ema.genA2B": "genA2B"}), dropped=("ema.genA2B",)),
    "means alone": Wrapped(
        lambda states: {f"{name}_ema": doubled(state) for name, state in states.items()},
        {name: f"{name}_ema" for name in NAMES},
        doubled=NAMES,
    ),
    **{
        f"means under {place}": Wrapped(
            lambda states, place=place: {"disGB": states["disGB"], f"{place}.disGB": doubled(states["disGB"])},
            {"disGB": f"{place}.disGB"},
            ("disGB",),
            True,
            doubled=("disGB",),
        )
        for place in ("EMA", "ema_model", "model_ema", "ema_state_dict", "state_dict_ema", "params_ema", "ema_params")
    },
    **{
        f"alone under {place}": Wrapped(lambda states, place=place: {place: states["disGB"]}, {"": place})
        for place in (
            *("state_dict", "model_state_dict", "model_state", "model", "net", "network", "networks", "params"),
            *("weights", "module", "Generator", "gen", "netG", "net_g", "discriminator", "dis", "netD", "net_d"),
        )
    },
    "alone under another name": Wrapped(lambda states: {"mine": states["disGB"]}, {"mine": "mine"}),
    "alone, bare": Wrapped(lambda states: {"": states["disGB"]}, {"": ""}),
    "alone and deep": Wrapped(lambda states: prefixed("a.b.c.")({"": states["disGB"]}), {"c": "a.b.c"}),
    "SAGAN, DataParallel": Wrapped(prefixed("module."), {"G": "G", "D": "D"}, system="sagan", notes=2),
    "SAGAN, plain": Wrapped(lambda states: states, {"G": "G", "D": "D"}, system="sagan"),
    "SAGAN, DataParallel inside": Wrapped(
        replaced("l1.0.module.", "l1.module.0.module."), {"G": "G", "D": "D"}, system="sagan", notes=2
    ),
    "SAGAN, by their kinds": Wrapped(
        lambda states: {"net.generator": states["G"], "net.discriminator": states["D"]},
        {"G": "net.generator.G", "D": "net.discriminator.D"},
        system="sagan",
    ),
}
