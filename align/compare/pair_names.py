"""Names of a pair's layers and arrays: which of Paddle's is which of PyTorch's, and what has no partner."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

from align.cases.pair import Pair, PairError

COUNT = "num_batches_tracked"  # PyTorch's batch norms count batches; Paddle's do not, and nothing is computed from it


def renamed(names: dict[str, str], path: str) -> str:
    """The path in PyTorch: the longest prefix of `path` that is listed in `names`, replaced."""
    parts = path.split(".")
    for n in range(len(parts), 0, -1):
        if (start := ".".join(parts[:n])) in names:
            return ".".join(filter(None, [names[start], *parts[n:]]))
    return path


def joined(path: str, leaf: str) -> str:
    """The name of `leaf` in the layer at `path`, which is "" for the model itself."""
    return f"{path}.{leaf}" if path else leaf


def beside(name: str, groups: dict[str, list[str]]) -> list[str]:
    """What SPLIT or JOIN says that the array `name` stands for; [] if nothing does.

    An entry may name the array or its layer: then the array has the same last name in every layer listed.
    """
    for whole, pieces in groups.items():
        if name == whole or name.startswith(f"{whole}."):
            return [piece + name[len(whole) :] for piece in pieces]
    return []


def covers(paths: Iterable[str], name: str) -> bool:
    """Whether one of the paths is this name or a layer that it lies in."""
    return any(name == path or name.startswith(f"{path}.") for path in paths)


@dataclass(frozen=True)
class Place:
    """An array of Paddle's model: the tensor, and the PyTorch arrays that it holds, one below the other."""

    name: str  # in Paddle
    tensor: object
    names: tuple[str, ...]  # in PyTorch
    transposed: bool

    def to_torch(
        self, array: np.ndarray | None, shapes: dict[str, Sequence[int]], free: Iterable[str] = ()
    ) -> dict[str, np.ndarray | None]:
        """PyTorch's name -> array in its layout; in its shape too if only axes of length 1 differ, or `free` has it."""
        if array is None:
            return dict.fromkeys(self.names)
        turned = array.T if self.transposed else array
        parts = [turned] if len(self.names) == 1 else np.split(turned, _cuts(turned, self.names, shapes))
        found = {}
        for name, part in zip(self.names, parts, strict=True):
            shape = shapes.get(name, part.shape)
            same = [n for n in shape if n != 1] == [n for n in part.shape if n != 1]
            loose = part.size == int(np.prod(shape)) and covers(free, name)
            found[name] = part.reshape(shape) if same or loose else part
        return found

    def to_paddle(self, state: dict[str, np.ndarray], free: Iterable[str] = ()) -> np.ndarray | None:
        """The array for Paddle, or None if one is missing or does not fit; those in `free` may have any shape."""
        if any(name not in state for name in self.names):
            return None
        parts = [state[name] for name in self.names]
        if len(parts) > 1 and len({part.shape[1:] for part in parts}) > 1:
            return None
        array = parts[0] if len(parts) == 1 else np.concatenate(parts)
        array = array.T if self.transposed else array
        shape = tuple(self.tensor.shape)
        same = [n for n in shape if n != 1] == [n for n in array.shape if n != 1]
        loose = array.size == int(np.prod(shape)) and covers(free, self.names[0])
        return array.reshape(shape) if same or loose else None


def _cuts(array: np.ndarray, names: Sequence[str], shapes: dict[str, Sequence[int]]) -> list[int]:
    lengths = [shapes[name][0] if name in shapes else 0 for name in names]
    if sum(lengths) == array.shape[0] and all(lengths):
        return list(np.cumsum(lengths)[:-1])
    if array.shape[0] % len(names):
        raise PairError(f"JOIN: an array of {array.shape[0]} rows cannot be {len(names)} equal ones")
    return [array.shape[0] // len(names) * i for i in range(1, len(names))]


def unused(pair: Pair, ours: Iterable[str], theirs: Iterable[str]) -> list[str]:
    """One line for every entry of the file that names nothing; `ours` and `theirs` are all paths and array names."""
    ours, theirs = set(ours), set(theirs)
    lines = []

    def say(option: str, entry: str, framework: str, known: set[str]) -> None:
        if entry not in known:
            near = nearest(entry, known)
            lines.append(
                f"{option}: {entry!r} names nothing in {framework}'s model"
                + (f", the nearest is {near!r}" if near else "")
            )

    for name, other in pair.names.items():
        say("NAMES", name, "Paddle", ours)
        if name in ours:
            say("NAMES", other, "PyTorch", theirs | {""})
    for name, others in pair.split.items():
        say("SPLIT", name, "PyTorch", theirs)
        for other in others:
            say("SPLIT", other, "Paddle", ours)
    for name, others in pair.join.items():
        say("JOIN", name, "Paddle", ours)
        for other in others:
            say("JOIN", other, "PyTorch", theirs)
    for name, other in pair.tie.items():
        say("TIE", name, "PyTorch", theirs)
        say("TIE", other, "PyTorch", theirs)
    for name in pair.reshape:
        say("RESHAPE", name, "PyTorch", theirs)
    for name in pair.ignore:
        say("IGNORE", name, "either", ours | theirs)
    return lines


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like this one; "" if none is."""
    scored = [(SequenceMatcher(None, name, other).ratio(), other) for other in known if other]
    score, best = max(scored, default=(0.0, ""))
    return best if score >= 0.5 else ""
