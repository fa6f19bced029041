"""What layers and networks take for options that are not given: the defaults of both sides, by the options' names."""

import inspect
import time
from collections.abc import Iterator
from dataclasses import asdict
from types import ModuleType
from typing import Any

from align.compare.paddle_side import LAYERS as OURS
from align.compare.torch_side import LAYERS as THEIRS
from align.compare.values import same
from align.compare.verdict import Row
from align.report.document import entry
from paddle_ugatit import losses
from torch_ref import losses as torch_losses

PACKAGE = "paddle_ugatit"


def defaults_entry() -> dict[str, Any]:
    """Return the report's entry; what is blamed is the file of the first that differs."""
    start, rows, file, blamed = time.perf_counter(), [], f"{PACKAGE}/layers", None
    for name, ours, theirs in (*twins(), *functions()):
        found = _compared(name, ours, theirs)
        first = next((row for row in found if row.verdict == "fail"), None)
        rows += found
        if first and not blamed:
            file = f"{ours.__module__.replace('.', '/')}.py"
            blamed = {**asdict(first), "message": f"{first.layer} by default {first.note}", "cause": None}
    sources = file, "torch_ref/models"
    return entry("defaults", "Defaults", "__init__", sources, {}, rows, blamed, time.perf_counter() - start)


def twins() -> Iterator[tuple[str, Any, Any]]:
    """Yield (name, ours, PyTorch's) of every class that both sides have."""
    places = [(OURS, THEIRS)]
    places += [(value, getattr(THEIRS, name)) for name, value in vars(OURS).items() if isinstance(value, ModuleType)]
    seen = set()
    for here, there in places:
        for name, ours in vars(here).items():
            own = inspect.isclass(ours) and ours.__module__.startswith(f"{PACKAGE}.")
            if own and ours not in seen and hasattr(there, name):
                seen.add(ours)
                yield ours.__name__, ours, getattr(there, name)


def functions() -> Iterator[tuple[str, Any, Any]]:
    """Yield (name, ours, PyTorch's) of every loss."""
    for name in losses.__all__:
        yield name, getattr(losses, name), getattr(torch_losses, name)


def _compared(name: str, ours: Any, theirs: Any) -> list[Row]:
    """A row for each option that has a default here and is an option there."""
    found, wanted = (inspect.signature(kind).parameters for kind in (ours, theirs))
    given = {option: one.default for option, one in found.items() if one.default is not inspect.Parameter.empty}
    shared = (option for option in given if option in wanted)
    return [same(f"{name}: {option}", given[option], wanted[option].default) for option in shared]
