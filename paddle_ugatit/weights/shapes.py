"""What the keys and shapes of a state dict tell about its network: the parts that all systems use."""

import itertools
import re
from collections.abc import Iterable, Mapping

from paddle_ugatit.formats import Checkpoint, FilePath
from paddle_ugatit.weights.rules import Options, State, WeightError


def shape_of(state: State, key: str, axes: int, prefix: str) -> tuple[int, ...]:
    """Return the shape of an array that must exist and have so many axes.

    Raises WeightError otherwise; its message begins with `prefix`.
    """
    if key not in state:
        raise WeightError(f"{prefix}lacks {key!r}")
    shape = tuple(state[key].shape)
    if len(shape) != axes or 0 in shape:
        raise WeightError(f"{prefix}{key!r} has the shape {shape}, not {axes} axes of 1 or more")
    return shape


def count(state: Iterable[str], pattern: str, first: int, step: int = 1) -> int:
    """Return how many of the numbers first, first + step, ... occur in keys that match `pattern`, up to a gap."""
    found = {int(match[1]) for match in map(re.compile(pattern).match, state) if match}
    return next(n for n in itertools.count() if first + step * n not in found)


def require_kinds(options: Mapping[str, Options], names: Mapping[str, str], path: FilePath) -> None:
    """Raise WeightError unless every network is bare or has a name in `names` (name -> kind) and that name's kind."""
    for name, chosen in options.items():
        if name and name not in names:
            raise WeightError(f"{path}: network {name!r} is none of {', '.join(names)}")
        if name and chosen["kind"] != names[name]:
            raise WeightError(f"{path}: {name} holds a {chosen['kind']}")


def already_plain(checkpoint: Checkpoint, path: FilePath, notes: list[str]) -> None:
    """The `unpacked` of a system whose public files hold plain networks, which are taken as they are."""


def as_they_are(checkpoint: Checkpoint) -> Checkpoint:
    """The `packed` of a system whose public files hold plain networks."""
    return checkpoint
