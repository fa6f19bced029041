"""What of a pair can be compared: what both models have. `narrowed` leaves the rest out and says so.

A layer without weights that stands on one side only, or one whose weights have their partners elsewhere, is no
difference: its work is compared as part of the code around it. An array without a partner is one, unless it is a buffer
that the port makes for itself, or that no checkpoint holds.
"""

from collections.abc import Callable
from dataclasses import replace

from align.cases.pair import Pair
from align.compare.pair_names import covers, nearest, unused
from align.compare.reference import Reference
from align.compare.verdict import EXTRA, MISSING

FACTS = {
    "mutates": "PyTorch itself refuses to run this model backward, since it overwrites values that it needs: "
    "compared with the gradients of what it computes",
    "narrow": "PyTorch's model computes partly in float32: what depends on it is judged by the rounding of float32",
}
SHOWN = 6  # names in a note


def narrowed(case: Pair, reference: Reference, make_side: Callable) -> tuple[Pair, Reference, list[str]]:
    """Return the case and its reference without what only one side has, and notes that say what that is.

    `make_side(case)` returns Paddle's side of a case, in float64.
    """
    facts = dict(reference.facts)
    facts["shapes"] = {name: list(array.shape) for name, array in reference.weights.items()}
    case = replace(case, facts=facts)
    side = make_side(case)
    model = side.build(case.build, reference.seed)
    nodes = side.nodes(model)
    leaves = [path for path in facts.get("leaves", []) if not covers(case.ignore, path)]
    common = frozenset(path for path in leaves if path in nodes and not covers(case.ignore, nodes[path][0]))
    notes = [text for fact, text in FACTS.items() if facts.get(fact)]
    notes += unused(case, *_all_names(side, model, reference))
    notes += _one_sided(case, reference, nodes, leaves, common)
    extra, lost, more = _arrays(case, reference, side, model)
    weights = {name: array for name, array in reference.weights.items() if name not in lost}
    facts["shapes"] = {name: shape for name, shape in facts["shapes"].items() if name not in lost}
    case = replace(case, layers=common, ignore=(*case.ignore, *extra), facts=facts)
    return case, replace(reference.only(common), weights=weights), notes + more


def _all_names(side, model, reference):
    """All paths and array names of Paddle's model, and of PyTorch's."""
    ours = {path for path, _ in side.nodes(model).values()} | {place.name for place in side.places(model, every=True)}
    return ours, {*reference.facts.get("paths", ()), *reference.weights, *reference.types}


def _one_sided(case, reference, nodes, leaves, common):
    """Notes on the layers that are compared on neither side by themselves."""
    theirs = [f"{path} ({reference.types.get(path, '')})" for path in leaves if path not in common]
    ours = [
        f"{path} ({type(layer).__name__})"
        for name, (path, layer) in nodes.items()
        if not list(layer.children())
        and not any(name == leaf or name.startswith(f"{leaf}.") for leaf in common if leaf)
        and name not in common
        and "" not in common
        and not covers(case.ignore, path)
    ]
    notes = []
    for names, framework in ((theirs, "PyTorch"), (ours, "Paddle")):
        if names:
            notes.append(
                f"only {framework}'s model has the layers {_listed(names)}: compared with the code around them"
            )
    return notes


def _arrays(case, reference, side, model):
    """(Paddle's arrays to leave out, PyTorch's, notes), of those without a partner that need none."""
    places = side.places(model, every=True)
    held = {name for place in places for name in place.names}
    facts = reference.facts
    buffers = {place.name for place in side.state_places(model)}
    extra = [p.name for p in places if p.name in buffers and not set(p.names) & reference.weights.keys()]
    free = set(facts.get("unsaved", ()))
    free |= {name for name, array in reference.weights.items() if array.dtype.kind in "iub"}
    lost = [name for name in reference.weights if name not in held and name in free]
    for name, other in facts.get("tied", {}).items():
        if name in reference.weights and name not in held and other in reference.weights:
            lost.append(name)  # TIE names two arrays of PyTorch's, of which Paddle has one
    notes = []
    if extra:
        notes.append(f"only Paddle's model has the buffers {_listed(extra)}: its own values are used")
    if lost:
        notes.append(f"only PyTorch's model has the arrays {_listed(lost)}, which Paddle's does without")
    for name, other in facts.get("tied", {}).items():
        mine = [place for place in places if place.names == (other,)]
        if len({id(place.tensor) for place in mine}) > 1:
            notes.append(f"PyTorch's {name} is {other} itself, Paddle's model has {len(mine)} separate arrays")
    return extra, lost, notes


def without_uncalled(case: Pair, reference: Reference, rows: list) -> tuple[Pair, Reference, str] | None:
    """Return the case and its reference without layers that one side never calls, and a note; None if there are none.

    Such a layer may be left out by the port, or its weights may be used by a function.
    """
    absent = dict.fromkeys(row.layer for row in rows if row.note in (EXTRA, MISSING) and row.layer)
    if not absent or case.layers is None:
        return None
    left = case.layers - absent.keys()
    note = f"only one side calls the layers {_listed(list(absent))}: compared with the code around them"
    return replace(case, layers=left), reference.only(left), note


def candidates(reference: Reference, state: dict) -> dict[str, str]:
    """Name of an array without a partner -> the nearest name that has none on the other side either, in words."""
    only_ours, only_theirs = state.keys() - reference.weights.keys(), reference.weights.keys() - state.keys()
    found = {}
    for name, others, shape in (
        *((name, only_theirs, state[name].shape) for name in only_ours),
        *((name, only_ours, reference.weights[name].shape) for name in only_theirs),
    ):
        arrays = reference.weights if others is only_theirs else state
        alike = [other for other in others if sorted(arrays[other].shape) == sorted(shape)]
        if near := nearest(name, alike) or next(iter(alike), "") or nearest(name, others):
            found[name] = f"the nearest without a partner is {near} of {list(arrays[near].shape)}"
    return found


def _listed(names):
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
