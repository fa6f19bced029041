"""The tables of the parity page: every tensor of a case, a line each; the failing ones first, unfolded.

The comparisons of one tensor (isolated, propagated and whole, float64 and float32) share a line, with a column each.
templates/tensors.html lays them out.
"""

from align.report.charts import finite, layer_name, scientific

VIEWS = ("isolated", "propagated", "whole", "state")
# Half precision is imitated; integers are pixels and random choices.
DTYPES = ("float64", "float32", "bfloat16", "float16", "uint8", "int64")
ROW_VERDICTS = ("pass", "inherited", "fail")  # in order of gravity
SHOWN_FAILURES = 25  # rows of the open table; the folded one has all


def tables(rows: list[dict]) -> dict | None:
    """Return what the page shows of a case's rows: the failing tensors and all of them; None without rows."""
    if not rows:
        return None
    tensors = {}
    for row in rows:
        key = (row["layer"], row["call"], row["what"], row["slot"])
        tensors.setdefault(key, []).append(row)
    present = {(row["view"], row["dtype"]) for row in rows}
    columns = [(view, dtype) for view in VIEWS for dtype in DTYPES if (view, dtype) in present]
    failing = [group for group in tensors.values() if any(row["verdict"] == "fail" for row in group)]
    more = f", the first {SHOWN_FAILURES} of {len(failing):,}" if len(failing) > SHOWN_FAILURES else ""
    return {
        "failing_title": f"Failing{more}",
        "failing": _table(failing[:SHOWN_FAILURES], columns) if failing else None,
        "title": "The one tensor" if len(tensors) == 1 else f"All {len(tensors):,} tensors, as in the chart",
        "complete": _table(list(tensors.values()), columns),
    }


def _table(groups, columns):
    noted = any(row["note"] for group in groups for row in group)
    return {"columns": columns, "noted": noted, "lines": [_line(group, columns) for group in groups]}


def _line(group, columns):
    first = group[0]
    # Sorted, so that of two comparisons in one column the graver is the one that shows.
    group = sorted(group, key=lambda row: ROW_VERDICTS.index(row["verdict"]))
    by_column = {(row["view"], row["dtype"]): row for row in group}
    return {
        "layer": layer_name(first),
        "type": str(first["type"]) + (f" · call {first['call']}" if first["call"] else ""),
        "verdict": group[-1]["verdict"],
        "what": f"{first['what']} {first['slot']}",
        "cells": [_cell(by_column.get(column)) for column in columns],
        "shape": "×".join(map(str, first["shape"] or [])) or "scalar",
        "notes": "; ".join(dict.fromkeys(str(row["note"]) for row in group if row["note"])),
    }


def _cell(row):
    """One comparison: its error; below, the floor it is judged by and the limit."""
    if row is None:
        return None
    floor = None if finite(row["floor"]) is None else scientific(row["floor"])
    error, limit = scientific(row["error"]), scientific(row["limit"])
    return {"verdict": row["verdict"], "error": error, "floor": floor, "limit": limit}
