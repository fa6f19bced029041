"""The tables of the parity page: every tensor of a case, a line each; the failing ones first, unfolded.

The comparisons of one tensor (isolated, propagated and whole, float64 and float32) share a line, a column each.
"""

from html import escape

from align.report.charts import finite, layer_name, scientific

VIEWS = ("isolated", "propagated", "whole", "state")
DTYPES = ("float64", "float32", "uint8", "int64")  # the whole numbers are pixels and choices
ROW_VERDICTS = ("pass", "inherited", "fail")  # in this order of gravity
SHOWN_FAILURES = 25  # in the open table; all of them are in the full one


def tables(rows: list[dict]) -> str:
    """The HTML of a case's rows: the failing tensors, open; then all of them, folded."""
    if not rows:
        return ""
    tensors = {}
    for row in rows:
        key = (row["layer"], row["call"], row["what"], row["slot"])
        tensors.setdefault(key, []).append(row)
    present = {(row["view"], row["dtype"]) for row in rows}
    columns = [(view, dtype) for view in VIEWS for dtype in DTYPES if (view, dtype) in present]
    failing = [group for group in tensors.values() if any(row["verdict"] == "fail" for row in group)]
    html = ""
    if failing:
        more = f", the first {SHOWN_FAILURES} of {len(failing):,}" if len(failing) > SHOWN_FAILURES else ""
        html = f"<h4>Failing{more}</h4>{_table(failing[:SHOWN_FAILURES], columns)}"
    title = "The one tensor" if len(tensors) == 1 else f"All {len(tensors):,} tensors, as in the picture"
    return f"{html}<details><summary>{title}</summary>{_table(list(tensors.values()), columns)}</details>"


def _table(groups, columns):
    heads = ["Layer", "Verdict", "What", *(f"{view}<br>{dtype}" for view, dtype in columns), "Shape"]
    noted = any(row["note"] for group in groups for row in group)
    if noted:
        heads.append("Note")
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "".join(_line(group, columns, noted) for group in groups)
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _line(group, columns, noted):
    first = group[0]
    # Sorted, so that of two comparisons in one column the graver is the one that shows.
    group = sorted(group, key=lambda row: ROW_VERDICTS.index(row["verdict"]))
    by_column = {(row["view"], row["dtype"]): row for row in group}
    call = f" · call {first['call']}" if first["call"] else ""
    shape = "×".join(map(str, first["shape"] or [])) or "scalar"
    notes = "; ".join(dict.fromkeys(str(row["note"]) for row in group if row["note"]))
    return (
        f'<tr><td class="mono">{escape(layer_name(first))}<i>{escape(str(first["type"]))}{call}</i></td>'
        f"<td>{_word(group[-1]['verdict'])}</td>"
        f"<td>{escape(str(first['what']))} {escape(str(first['slot']))}</td>"
        f"{''.join(_cell(by_column.get(column)) for column in columns)}<td>{escape(shape)}</td>"
        f"{f'<td class=note>{escape(notes)}</td>' if noted else ''}</tr>"
    )


def _cell(row):
    """One comparison: its error; below, the floor it is judged by and the limit."""
    if row is None:
        return "<td></td>"
    floor = "" if finite(row["floor"]) is None else f"floor {scientific(row['floor'])}<br>"
    mark = "" if row["verdict"] == "pass" else f" class={row['verdict']}"
    return f"<td{mark}>{scientific(row['error'])}<i>{floor}limit {scientific(row['limit'])}</i></td>"


def _word(verdict):
    return verdict if verdict == "pass" else f'<b class="{verdict}">{verdict}</b>'
