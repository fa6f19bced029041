"""Comparisons of values that are no tensors of a network: names, tables, options, whole state dicts, exactly equal."""

import numpy as np

from align.compare.verdict import Row

_LONGEST = 200  # characters of a value in a message


def same(stage: str, found: object, wanted: object) -> Row:
    """Return a row that passes if two values are equal: arrays by dtype, shape and every bit, others by ==."""
    if isinstance(found, np.ndarray) or isinstance(wanted, np.ndarray):
        return _arrays(stage, np.asarray(found), np.asarray(wanted))
    return told(stage, "" if found == wanted else f"is {_short(found)}, not {_short(wanted)}")


def told(stage: str, note: str, shape: tuple[int, ...] = (), dtype: str = "float64") -> Row:
    """Return a row that fails if there is a note."""
    error, verdict = (None, "fail") if note else (0.0, "pass")
    return Row(stage, "", 1, "output", "", "isolated", dtype, list(shape), error, None, 0.0, verdict, note)


def same_states(stage: str, found: dict, wanted: dict) -> list[Row]:
    """Return a row for the keys of two state dicts, in their order, and one for each array."""
    rows = [same(f"{stage}: keys", list(found), list(wanted))]
    return rows + [same(f"{stage}: {key}", found[key], array) for key, array in wanted.items() if key in found]


def _arrays(stage: str, found: np.ndarray, wanted: np.ndarray) -> Row:
    kinds = [f"{array.dtype} {list(array.shape)}" for array in (found, wanted)]
    note = ""
    if kinds[0] != kinds[1]:
        note = f"is {kinds[0]}, not {kinds[1]}"
    elif np.ascontiguousarray(found).tobytes() != np.ascontiguousarray(wanted).tobytes():
        note = f"{int((found != wanted).sum())} of {wanted.size} values differ"
    return told(stage, note, found.shape)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
