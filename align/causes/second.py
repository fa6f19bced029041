"""Other cases like one, on which a cause that was found must hold again: `second_cases`."""

from dataclasses import replace


def second_cases(case):
    """Yield the case with larger maps and another batch, with another batch, and as it is, for other weights alone."""
    batch = case.shapes[0][0] if case.shapes and case.shapes[0] else 0

    def varied(shape, more):
        if not shape or shape[0] not in (batch, 1):
            return shape
        first = shape[0] + 1 if shape[0] == batch else shape[0]
        return (first, *shape[1:2], *(n + more for n in shape[2:]))

    for more in (4, 0):
        yield replace(case, shapes=[varied(shape, more) for shape in case.shapes])
    yield case
