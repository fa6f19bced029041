"""The values of weights: one dtype for a network, and whether all of them are finite."""

import numpy as np

from paddle_ugatit import formats
from paddle_ugatit.formats import FilePath
from paddle_ugatit.formats.checkpoint import chunks, joined
from paddle_ugatit.weights.rules import FLOATS, State, listed


def of_one_dtype(state: State, where: str, notes: list[str]) -> State:
    """Return a network's arrays in the widest of their dtypes, in which none of them changes its value.

    A note, which begins with `where`, says so if they differ. Integers stay as they are.
    """
    dtypes = {formats.dtype_name(array) for array in state.values()} & set(FLOATS)
    if len(dtypes) < 2:
        return state
    widest = next(dtype for dtype in ("float64", "float32") if dtype in dtypes or dtype == "float32")
    notes.append(f"{where}: its weights are {', '.join(sorted(map(str, dtypes)))}: all are taken as {widest}")
    return {
        key: formats.cast(array, widest) if formats.dtype_name(array) in FLOATS else array
        for key, array in state.items()
    }


def not_finite(networks: dict[str, State], path: FilePath) -> list[str]:
    """Return a line that names the weights with NaN or infinite values, none if all are finite."""
    found = [joined(name, key) for name, state in networks.items() for key, array in state.items() if _is_odd(array)]
    if not found:
        return []
    return [f"{path}: has NaN or infinity in {listed(found)}: the network's results are likely meaningless"]


def _is_odd(array: np.ndarray) -> bool:
    name = formats.dtype_name(array)
    if name not in FLOATS or not array.size:
        return False
    held = array.dtype
    parts = (np.frombuffer(part, held) for part in chunks(array))
    return not all(np.isfinite(formats.widened(part)).all() for part in parts)
