"""What is compared: a file a section, each with a TABLE of Entry; `every` joins them."""

from dataclasses import replace
from functools import cache

from align.api.entry import Entry
from align.api.tables import activations, algebra, elementwise, functional, layers, losses, reductions, shapes, training

SECTIONS = (layers, activations, losses, functional, elementwise, reductions, shapes, algebra, training)


@cache
def every() -> dict[str, Entry]:
    """Return every line by PyTorch's name, in the order of the documents. Raises ValueError if a name stands twice."""
    found: dict[str, Entry] = {}
    for section in SECTIONS:
        for entry in section.TABLE:
            if entry.torch in found:
                raise ValueError(f"{entry.torch} stands twice in the table")
            found[entry.torch] = replace(entry, section=section.SECTION)
    return found
