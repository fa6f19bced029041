"""What a pickle holds: finds the state dicts in nested dicts, whatever stands beside them.

Programs keep more than networks in a file: counts of steps, states of optimisers and loss scalers, options. A state
dict is any dict with a tensor in it; whatever is neither one nor on the way to one is left aside, with a reason.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from paddle_ugatit.formats.checkpoint import CheckpointError, FilePath, is_text
from paddle_ugatit.formats.pickle_machine import Opaque

_DEEPEST = 8  # dicts inside one another
_FLOOR = 1000  # entries that even the smallest file may have
_OPTIMIZER = "param_groups"


@dataclass
class Contents:
    """The state dicts of a file by name, the short texts beside them, and what was left aside: entry -> why."""

    networks: dict[str, dict[str, Any]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    aside: dict[str, str] = field(default_factory=dict)


def contents_of(
    path: FilePath, value: Any, is_leaf: Callable[[Any], bool], nbytes: int, ignored: Collection[str] = ()
) -> Contents:
    """Return what `value`, read from a pickle of `nbytes`, holds.

    A state dict has the keys that lead to it as its name, joined by dots; one that is the whole file has the name "".
    Entries named in `ignored` are passed over in silence. Raises CheckpointError if there is no tensor.
    """
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, Opaque):
        raise CheckpointError(
            f"{path}: refuses to load {_printable(value.name)}: a whole object; save its state_dict() instead"
        )
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: holds an object {_kind(value)}, not a state dict")
    walk = _Walk(path, is_leaf, max(nbytes, _FLOOR), ignored)
    walk.enter((), value)
    found = walk.found
    if not found.networks:
        if walk.refused:
            raise CheckpointError(f"{path}: refuses to load {_printable(walk.refused)}: not part of a state dict")
        name, why = next(iter(found.aside.items()), ("", ""))
        raise CheckpointError(f"{path}: holds no tensors" + (f": entry {_shortened(name)} is {why}" if name else ""))
    return found


class _Walk:
    """One walk through nested dicts; `limit` bounds its steps, since dicts may hold one another again and again."""

    def __init__(self, path: FilePath, is_leaf: Callable[[Any], bool], limit: int, ignored: Collection[str]) -> None:
        self.path, self.is_leaf, self.left, self.ignored = path, is_leaf, limit, ignored
        self.found, self.refused = Contents(), ""

    def enter(self, where: tuple[str, ...], value: dict) -> None:
        if not value and where:
            self._put_aside(where, "empty")
        state = {}
        has_dicts = any(isinstance(entry, dict) for entry in value.values())
        for key, entry in value.items():
            self.left -= 1
            if self.left < 0:
                raise CheckpointError(f"{self.path}: refuses it: its dicts hold one another too often")
            if key in self.ignored:
                continue
            if type(key) is not str or "/" in key or not key or not key.isprintable():
                self._put_aside((*where, _shortened(key)), "under a name that no tensor or network can have")
            elif self.is_leaf(entry):
                state[key] = entry
            elif not where and has_dicts and is_text(entry):
                self.found.texts[key] = entry
            else:
                self._enter_other((*where, key), entry)
        if state:
            name = ".".join(where)
            if name in self.found.networks:
                raise CheckpointError(f"{self.path}: holds two networks {_shortened(name)}")
            self.found.networks[name] = state

    def _enter_other(self, where: tuple[str, ...], entry: Any) -> None:
        if isinstance(entry, list | tuple) and len(entry) == 1 and isinstance(entry[0], dict):
            entry = entry[0]
        if not isinstance(entry, dict):
            self._put_aside(where, _kind(entry), entry.name if isinstance(entry, Opaque) else "")
        elif _OPTIMIZER in entry:
            self._put_aside(where, "the state of an optimiser")
        elif len(where) >= _DEEPEST:
            self._put_aside(where, "nested too deep")
        else:
            self.enter(where, entry)

    def _put_aside(self, where: tuple[str, ...], why: str, refused: str = "") -> None:
        self.found.aside["/".join(where)] = why
        self.refused = self.refused or refused


def _kind(value: object) -> str:
    if isinstance(value, Opaque):
        return f"an object of {_printable(value.name)}, which is not loaded"
    return "None" if value is None else f"of type {type(value).__name__}"


def _printable(text: str) -> str:
    return repr(text)[1:-1][:100]


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
