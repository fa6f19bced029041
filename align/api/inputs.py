"""Inputs of the comparisons: ordinary shapes, and edges (ties, zero variance, empty, 0-d, strided, NaN)."""

from collections.abc import Callable, Sequence

import numpy as np

from align.api.entry import Sample
from align.cases.case import representable

Inputs = Callable[[np.random.Generator], list[Sample]]
BOUNDS = {"positive": (0.2, 3.0), "unit": (0.05, 0.95), "within 1": (-0.95, 0.95), "above 1": (1.05, 3.0)}


def values(rng: np.random.Generator, shape: Sequence[int], domain: str = "") -> np.ndarray:
    """Draw values exact in float32: normal ones, or uniform ones within the BOUNDS of a domain."""
    drawn = rng.uniform(*BOUNDS[domain], shape) if domain else rng.standard_normal(shape)
    return np.asarray(representable(np.asarray(drawn)))


def ties(rng: np.random.Generator, shape: Sequence[int], domain: str = "") -> np.ndarray:
    """Draw few different values, zero among them: values of a grid of step 1, or 1/2 within a domain."""
    drawn = values(rng, shape, domain)
    return np.round(drawn * 2) / 2 if domain else np.round(drawn)


def strange(rng: np.random.Generator, shape: Sequence[int], domain: str = "") -> np.ndarray:
    """Draw values with NaN and both infinities among them."""
    drawn = values(rng, shape, domain)
    drawn.flat[1::7], drawn.flat[3::11], drawn.flat[5::13] = np.nan, np.inf, -np.inf
    return drawn


def elementwise(domain: str = "", count: int = 1, domains: Sequence[str] = ()) -> Inputs:
    """Tensors of equal shapes, one for each argument; two or more broadcast as well."""
    every = domains or (domain,) * count

    def inputs(rng: np.random.Generator) -> list[Sample]:
        def given(label, shape, draw=values, **more):
            return Sample(label, tuple(draw(rng, shape, one) for one in every), **more)

        found = [given("(4,6)", (4, 6)), given("(2,3,5,7)", (2, 3, 5, 7))]
        if len(every) > 1:
            shapes = [(4, 1, 6), (5, 6)] + [(1,)] * (len(every) - 2)
            found.append(Sample("broadcast", tuple(map(values, [rng] * len(every), shapes, every))))
        return [
            *found,
            given("strided", (6, 4), turned=True),
            given("0-d", (), edge=True),
            given("empty", (0, 3), edge=True),
            given("ties", (5, 6), ties, edge=True),
            given("NaN and infinity", (5, 6), strange, edge=True),
        ]

    return inputs


def shaped(*shapes: Sequence[int], domain: str = "", edges: bool = True, empty: bool = True) -> Inputs:
    """One tensor of each of the shapes in turn, and edges of the first: for layers and functions of one tensor."""

    def inputs(rng: np.random.Generator) -> list[Sample]:
        first = tuple(shapes[0])
        found = [Sample(f"({','.join(map(str, shape))})", (values(rng, shape, domain),)) for shape in shapes]
        if len(first) > 1:
            turned = (*first[:-2], first[-1], first[-2])
            found.append(Sample("strided", (values(rng, turned, domain),), turned=True))
        if edges:
            found += [
                Sample("ties", (ties(rng, first, domain),), edge=True),
                Sample("zero variance", (np.full(first, 0.75),), edge=True),
                Sample("NaN and infinity", (strange(rng, first, domain),), edge=True),
            ]
        if empty:
            found.append(Sample("empty", (np.zeros((0, *first[1:])),), edge=True))
        return found

    return inputs


def several(*shapes: Sequence[int], domain: str = "", label: str = "", edges: Sequence[str] = ()) -> Inputs:
    """One call with a tensor of each of the shapes; `edges` may name "ties", "NaN and infinity" and "empty"."""

    def inputs(rng: np.random.Generator) -> list[Sample]:
        name = label or " ".join(f"({','.join(map(str, shape))})" for shape in shapes)
        found = [Sample(name, tuple(values(rng, shape, domain) for shape in shapes))]
        draws = {"ties": ties, "NaN and infinity": strange}
        for edge in edges:
            if edge == "empty":
                found.append(Sample(edge, tuple(np.zeros((0, *shape[1:])) for shape in shapes), edge=True))
            else:
                found.append(Sample(edge, tuple(draws[edge](rng, shape, domain) for shape in shapes), edge=True))
        return found

    return inputs


def fixed(draw: Callable[[np.random.Generator], list[tuple]]) -> Inputs:
    """Calls that a function draws: (label, arrays, named arrays, whether they are an edge), the last two optional."""

    def inputs(rng: np.random.Generator) -> list[Sample]:
        return [Sample(label, tuple(arrays), *more) for label, arrays, *more in draw(rng)]

    return inputs
