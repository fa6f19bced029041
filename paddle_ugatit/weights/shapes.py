"""What the keys and shapes of a state dict say of the network it belongs to; what all systems need for that."""

import re

from paddle_ugatit.weights.rules import WeightError


def shape_of(state, key, axes, prefix):
    """Shape of an array that must be there, with so many axes; `prefix` begins the message of a WeightError."""
    if key not in state:
        raise WeightError(f"{prefix}lacks {key!r}")
    shape = tuple(state[key].shape)
    if len(shape) != axes or 0 in shape:
        raise WeightError(f"{prefix}{key!r} has the shape {shape}, not {axes} axes of 1 or more")
    return shape


def count(state, pattern, first, step=1):
    """How many of the numbers first, first + step, ... occur in keys of the `pattern`, without a gap."""
    found = {int(match[1]) for match in map(re.compile(pattern).match, state) if match}
    count = 0
    while first + step * count in found:
        count += 1
    return count


def require_kinds(options, names, path):
    """WeightError unless every network is bare or under a name of `names` (name -> kind), and of that name's kind."""
    for name, chosen in options.items():
        if name and name not in names:
            raise WeightError(f"{path}: network {name!r} is none of {', '.join(names)}")
        if name and chosen["kind"] != names[name]:
            raise WeightError(f"{path}: {name} holds a {chosen['kind']}")
