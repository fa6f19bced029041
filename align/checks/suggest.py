"""Entries of a pair file that would match arrays without a partner: `suggested` finds them by order, shape and name."""

from collections import defaultdict
from itertools import pairwise
from typing import Any

import numpy as np

from align.cases.pair import Pair
from align.compare.narrowing import narrowed
from align.compare.reference import Reference
from align.compare.sides import paddle_side_of

MOST = 4  # layers that one is split into


def suggested(case: Pair, reference: Reference) -> tuple[dict[str, dict], list[str]]:
    """Return option of the file -> entries, those that the file has included, and names that remain without a partner.

    A name that remains begins with the framework that has it. No entries and no names mean that all is matched.
    """
    search = _Search(case, reference)
    search.like_groups()
    search.same_layers()
    search.split_layers()
    search.like_layers()
    return search.entries(), search.remaining()


def lines_of(entries: dict[str, dict]) -> list[str]:
    """Return the entries as lines of a pair file; the keys of RULES are the names of classes."""
    lines = []
    for option, values in entries.items():
        if option == "RULES":
            values = ", ".join(f"{kind}: {leaves}" for kind, leaves in values.items())
            lines.append(f"RULES = {{{values}}}")
        else:
            lines.append(f"{option} = {values}")
    return lines


class _Search:
    def __init__(self, case, reference):
        self.case, reference = case, reference
        case, reference, _ = narrowed(case, reference, lambda case: paddle_side_of(case)("float64"))
        side = paddle_side_of(case)("float64")
        model = side.build(case.build, reference.seed)
        self.types = {path: type(layer).__name__ for path, layer in side.nodes(model).values()}
        places = side.places(model)
        held = {name for place in places for name in place.names}
        # Path of a layer -> array -> (name in PyTorch's terms, shape in PyTorch's layout).
        self.ours: dict[str, dict[str, Any]] = defaultdict(dict)
        self.theirs: dict[str, dict[str, tuple[int, ...]]] = defaultdict(dict)
        for place in places:
            if not set(place.names) & reference.weights.keys() and len(place.names) == 1:
                path, _, leaf = place.name.rpartition(".")
                shape = tuple(place.tensor.shape)
                shape = shape[::-1] if place.transposed else shape
                self.ours[path][leaf] = (place.names[0].rpartition(".")[2], shape)
        for name, array in reference.weights.items():
            if name not in held:
                path, _, leaf = name.rpartition(".")
                self.theirs[path][leaf] = array.shape
        self.names, self.rules = {}, {}
        self.fused = {"SPLIT": {}, "JOIN": {}}

    def like_groups(self):
        """Layers inside a layer of each side with the same number of weights, one after the other in order."""
        groups = [_groups(self.ours, lambda array: array[1]), _groups(self.theirs, lambda array: array)]
        for (_, size), mine in groups[0].items():
            for place, others in groups[1].items():
                steps = _in_step({p: dict(self.ours[p].values()) for p in mine}, {p: self.theirs[p] for p in others})
                if place[1] == size and steps:
                    for ours, theirs in steps:
                        self._commit(ours, theirs)
                    del groups[1][place]
                    break

    def _commit(self, ours, theirs):
        """Match one layer, or several that one of the other side is fused of."""
        if len(ours) == len(theirs) == 1:
            return self._match(ours[0], theirs[0])
        if len(theirs) == 1:
            self.fused["SPLIT"][theirs[0]] = ours
        else:
            self.fused["JOIN"][ours[0]] = theirs
        for side, gone in ((self.ours, ours), (self.theirs, theirs)):
            for path in gone:
                del side[path]

    def same_layers(self):
        """Layers with the same arrays under another path, in order."""
        for path, arrays in list(self.ours.items()):
            wanted = dict(arrays.values())
            found = [other for other, theirs in self.theirs.items() if theirs == wanted]
            if found:
                self._match(path, self._likeliest(path, found))

    def _likeliest(self, path, found):
        """The one of the same last name if there is only one, else the first."""
        named = [other for other in found if other.rpartition(".")[2] == path.rpartition(".")[2]]
        return named[0] if len(named) == 1 else found[0]

    def _match(self, path, other):
        if path != other:
            self.names[path] = other
        del self.ours[path], self.theirs[other]

    def split_layers(self):
        """A layer of one side whose arrays are those of several of the other side, one below the other."""
        ours = {path: dict(arrays.values()) for path, arrays in self.ours.items()}
        for option, whole, parts in (("SPLIT", self.theirs, ours), ("JOIN", ours, self.theirs)):
            for path, arrays in list(whole.items()):
                for count in range(MOST, 1, -1):
                    wanted = _part(arrays, count)
                    group = _run([other for other in parts if parts[other] == wanted], list(parts), count)
                    if wanted and group:
                        self.fused[option][path] = group
                        for side, gone in ((self.theirs, [path, *group]), (self.ours, [path, *group])):
                            for other in gone:
                                side.pop(other, None)
                        whole.pop(path, None)
                        for other in group:
                            parts.pop(other, None)
                        break

    def like_layers(self):
        """Layers whose arrays have the same shapes, or transposed ones, under other names."""
        for path, arrays in list(self.ours.items()):
            for other in sorted(self.theirs, key=lambda name: name != path):
                if rule := _rule(arrays, self.theirs[other]):
                    self.rules[self.types[path]] = rule
                    self._match(path, other)
                    break

    def entries(self):
        """Option -> entries, with those of the file."""
        found = {
            "NAMES": {**self.case.names, **self.names} if self.names else {},
            "RULES": {**{kind.__name__: dict(rule) for kind, rule in self.case.rules.items()}, **self.rules},
            "SPLIT": {**self.case.split, **self.fused["SPLIT"]} if self.fused["SPLIT"] else {},
            "JOIN": {**self.case.join, **self.fused["JOIN"]} if self.fused["JOIN"] else {},
        }
        if not self.rules:
            found["RULES"] = {}
        return {option: values for option, values in found.items() if values}

    def remaining(self):
        """The arrays that no entry matches."""
        return [
            f"{framework}'s {path}.{leaf}" if path else f"{framework}'s {leaf}"
            for framework, layers in (("PyTorch", self.theirs), ("Paddle", self.ours))
            for path, arrays in layers.items()
            for leaf in arrays
        ]


def _groups(layers, shape_of):
    """(path of the layer around them, number of weights in all) -> paths of layers."""
    found = defaultdict(list)
    for path in layers:
        found[path.rpartition(".")[0]].append(path)

    def size(path):
        return sum(int(np.prod(shape_of(array))) for array in layers[path].values())

    return {(parent, sum(map(size, paths))): paths for parent, paths in found.items()}


def _in_step(ours, theirs):
    """[(Paddle's paths, PyTorch's)] in order, one of each or one for several; [] if the two do not go together."""
    mine, others, steps = list(ours), list(theirs), []
    while mine and others:
        for m, n in (
            (1, 1),
            *((count, 1) for count in range(2, MOST + 1)),
            *((1, count) for count in range(2, MOST + 1)),
        ):
            one, other = [ours[path] for path in mine[:m]], [theirs[path] for path in others[:n]]
            if len(one) == m and len(other) == n and _fused(one, n) == _fused(other, m):
                steps.append((mine[:m], others[:n]))
                mine, others = mine[m:], others[n:]
                break
        else:
            return []
    return [] if mine or others else steps


def _fused(layers, count):
    """The arrays that each of `count` layers would have; None if they are not all the same."""
    if any(layer != layers[0] for layer in layers):
        return None
    return layers[0] if count == 1 else _part(layers[0], count) or None


def _part(arrays, count):
    """The arrays of a layer, each with a `count`-th of its rows; {} if one cannot be divided."""
    if any(not shape or shape[0] % count for shape in arrays.values()):
        return {}
    return {leaf: (shape[0] // count, *shape[1:]) for leaf, shape in arrays.items()}


def _run(found, order, count):
    """The first `count` of the layers found that follow one another; [] if there are none."""
    places = [order.index(name) for name in found]
    for start in range(len(found) - count + 1):
        if all(later == earlier + 1 for earlier, later in pairwise(places[start : start + count])):
            return found[start : start + count]
    return []


def _rule(ours, theirs):
    """Paddle's array -> (PyTorch's, transposed), if the shapes of two layers match in order; None otherwise."""
    if len(ours) != len(theirs):
        return None
    rule, left = {}, dict(theirs)
    for leaf, (_, shape) in ours.items():
        for other, wanted in left.items():
            if len(shape) == len(wanted) and shape in (wanted, wanted[::-1]):
                rule[leaf] = other, len(shape) == 2 and shape == wanted[::-1]
                del left[other]
                break
        else:
            return None
    return rule
