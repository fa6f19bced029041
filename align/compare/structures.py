"""Tensors inside tuples, lists, dictionaries and data classes: what goes into a layer (Call) and comes out (Parts).

The tensors of a call are numbered in the order of the parameters, so that a keyword on one side may be positional on
the other. Those of a result are named by their place: "0" or "boxes" at the top, "2.0" inside the third of a tuple.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from typing import Any

import numpy as np

NUMBERS = (bool, int, float, complex, np.ndarray, np.generic)


@dataclass(frozen=True)
class Parts:
    """The tensors of a result by their place, and `rebuild(tensors)`, the same structure around other tensors."""

    slots: list[str]
    tensors: list
    rebuild: Callable


@dataclass(frozen=True)
class Call:
    """One call of a layer: its tensors, `run(tensors)` with any others, and `parts(result)`."""

    tensors: list
    run: Callable
    parts: Callable


def parts_of(value: Any, is_tensor: Callable, numbers: bool = False) -> Parts:
    """Take a result apart; with `numbers`, Python's numbers and arrays count as tensors too."""

    def counts(x: Any) -> bool:
        return is_tensor(x) or (numbers and isinstance(x, NUMBERS))

    if counts(value):
        return Parts(["0"], [value], lambda tensors: tensors[0])
    slots: list[str] = []
    tensors: list = []
    _collect(value, "", counts, slots, tensors)
    return Parts(slots, tensors, lambda new: _rebuilt(value, iter(new), counts))


def call_of(forward: Callable, arguments: tuple, options: dict, is_tensor: Callable) -> Call:
    """Return the call `forward(*arguments, **options)`."""
    options = {name: options[name] for name in _in_order(forward, options)}
    given = parts_of((arguments, options), is_tensor)

    def run(tensors: list) -> Any:
        positional, named = given.rebuild(tensors)
        return forward(*positional, **named)

    return Call(given.tensors, run, partial(parts_of, is_tensor=is_tensor))


def _in_order(forward: Callable, options: dict) -> list[str]:
    """The names of the keywords, in the order of the parameters."""
    if len(options) < 2:
        return list(options)
    try:
        known = list(inspect.signature(forward).parameters)
    except (TypeError, ValueError):  # a builtin
        return list(options)
    return sorted(options, key=lambda name: known.index(name) if name in known else len(known))


def _children(value: Any) -> list[tuple[str, Any]]:
    """(name, value) of what a container holds; [] for anything else."""
    if isinstance(value, Mapping):
        return [(str(key), item) for key, item in value.items()]
    if isinstance(value, tuple | list):
        return [(str(i), item) for i, item in enumerate(value)]
    if is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in fields(value)]
    return []


def _collect(value: Any, place: str, counts: Callable, slots: list[str], tensors: list) -> None:
    for name, item in _children(value):
        inside = f"{place}.{name}" if place else name
        if counts(item):
            slots.append(inside)
            tensors.append(item)
        else:
            _collect(item, inside, counts, slots, tensors)


def _rebuilt(value: Any, left: Any, counts: Callable) -> Any:
    children = _children(value)
    if not children:
        return value
    items = [next(left) if counts(item) else _rebuilt(item, left, counts) for _, item in children]
    if all(new is old for new, (_, old) in zip(items, children, strict=True)):
        return value
    if isinstance(value, Mapping):
        return _mapping(value, items)
    if isinstance(value, tuple | list):
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return replace(value, **dict(zip([name for name, _ in children], items, strict=True)))


def _mapping(value: Mapping, items: list) -> Any:
    new = dict(zip(value, items, strict=True))
    try:
        return type(value)(new)  # such as OrderedDict, or a subclass that a library returns
    except TypeError:
        return new
