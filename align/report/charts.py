"""The picture of error along depth: one case of a parity report as inline SVG, drawn by hand.

One panel per view (isolated above propagated, so that a fault is told from what inherits it), the layers'
calls in execution order along x, log10 of the error along y. Errors of exactly 0 have a lane of their own
at the bottom, those that are no number one at the top. Every x is a percentage and the paths lie in a
stretched inner SVG, so the picture fits any width while its text and marks keep their size.
"""

import math
from html import escape

HEIGHT = 208  # px of a panel
LOG_TOP, LOG_BOTTOM = 26, 172  # the logarithmic part; above it "no number", below it "exact"
EXACT_Y, MISSING_Y = 192, 12
EXACT_SHIFT = {"float64": -4.5, "float32": 4.5}  # the two dtypes side by side, or one would hide the other
LOWEST, HIGHEST = -20, 6  # decades; errors beyond are drawn at the edge
VIEW_TITLES = {
    "isolated": ("isolated", "each layer fed PyTorch's own input, so nothing is inherited"),
    "propagated": ("propagated", "both networks run freely, so errors travel on"),
    "state": ("state", "weights and buffers"),
}
LEGEND = (
    ("dot f64", "float64"),
    ("dot f32", "float32"),
    ("line floor", "floor: what PyTorch's own float32 makes"),
    ("line limit f64", "limit, float64"),
    ("line limit f32", "limit, float32"),
    ("cross", "fails"),
    ("diamond", "inherited"),
)
MARKS = {"fail": "mark-fail", "inherited": "mark-inherited"}


def finite(value) -> float | None:
    """The value as a float, or None where it is no finite number (JSON null, NaN, infinity)."""
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return None


def scientific(value) -> str:
    """An error as the whole page writes it: 1.2e-15; 0 where exact; 'none' where there is no number."""
    number = finite(value)
    if number is None:
        return "none"
    return "0" if number == 0 else f"{number:.1e}"


def layer_name(row: dict) -> str:
    """The layer's path; the whole network has the empty one."""
    return row["layer"] or "(network)"


def symbols() -> str:
    """The marks of failing points, defined once per page and used by every picture."""
    return (
        '<svg class="symbols" aria-hidden="true"><defs>'
        '<path id="mark-fail" class="mark-fail" d="M-4-4L4 4M4-4L-4 4"/>'
        '<path id="mark-inherited" class="mark-inherited" d="M0-5L5 0L0 5L-5 0Z"/>'
        "</defs></svg>"
    )


def draw(case: dict, backward: bool = False) -> str:
    """The figure of one case as HTML: a panel per view, the axis of layers below, the legend."""
    rows = case["rows"]
    order = _execution_order(rows)
    scale = _Scale(rows)
    views = [view for view in VIEW_TITLES if any(row["view"] == view for row in rows)]
    # State is exact almost always; a panel of zeros would only take room.
    if len(views) > 1 and all(row["error"] == 0 for row in rows if row["view"] == "state"):
        views = [view for view in views if view != "state"]
    blamed = _blamed_position(case, order)
    panels = [_panel(view, rows, order, scale, blamed if view != "state" else None) for view in views]
    if blamed is not None:
        labelled = case["blamed"].get("view")
        index = views.index(labelled) if labelled in views else 0
        label = _blame_label(case["blamed"], blamed, len(order))
        panels[index] = panels[index].replace("<!--blame-->", label)
    legend = "".join(f'<span><i class="key {key}"></i>{escape(text)}</span>' for key, text in LEGEND)
    return (
        f'<figure class="picture">{"".join(panels)}{_layer_axis(order, backward)}'
        f'<figcaption class="legend">{legend}</figcaption></figure>'
    )


def _execution_order(rows: list[dict]) -> dict[tuple, int]:
    """(layer, call) -> place along x. The longest view leads; what only another view has is slotted in."""
    sequences = {}
    for row in rows:
        sequences.setdefault(row["view"], {})[row["layer"], row["call"]] = None
    order = []
    for sequence in sorted(sequences.values(), key=len, reverse=True):
        at = 0
        known = set(order)
        for key in sequence:
            if key in known:
                at = order.index(key) + 1
            else:
                order.insert(at, key)
                at += 1
    return {key: place for place, key in enumerate(order)}


class _Scale:
    """The y axis, shared by the panels of one case: error -> px from the top."""

    def __init__(self, rows):
        values = [finite(row[name]) for row in rows for name in ("error", "floor", "limit")]
        logs = [math.log10(value) for value in values if value]
        self.low = max(LOWEST, math.floor(min(logs, default=-16)))
        self.high = min(HIGHEST, max(self.low + 1, math.ceil(max(logs, default=0))))

    def y(self, error) -> float:
        number = finite(error)
        if number is None:
            return MISSING_Y
        if number == 0:
            return EXACT_Y
        place = (math.log10(number) - self.low) / (self.high - self.low)
        return round(LOG_BOTTOM - min(max(place, 0.0), 1.0) * (LOG_BOTTOM - LOG_TOP), 1)

    def ticks(self) -> list[int]:
        step = max(1, math.ceil((self.high - self.low) / 7))
        return list(range(self.low, self.high + 1, step))


def _percent(place: float, count: int) -> str:
    return f"{100 * (place + 0.5) / count:.2f}%"


def _panel(view, rows, order, scale, blamed) -> str:
    rows = [row for row in rows if row["view"] == view]
    title, hint = VIEW_TITLES[view]
    count = len(order)
    blame = ""
    if blamed is not None:
        x = _percent(blamed, count)
        blame = f'<line class="blame" x1="{x}" x2="{x}" y1="0" y2="{HEIGHT}"/><!--blame-->'
    lines = "".join(_lines(dtype, rows, order, scale) for dtype in ("float32", "float64"))
    return (
        f'<div class="panel"><p class="view"><b>{title}</b> {hint}</p>'
        f'<div class="plot">{_error_axis(rows, scale)}'
        f'<svg class="area" width="100%" height="{HEIGHT}" role="img" aria-label="error by depth, {title}">'
        f"{_bands(order)}{_grid(scale)}"
        f'<svg width="100%" height="{HEIGHT}" viewBox="0 0 1000 {HEIGHT}" preserveAspectRatio="none">'
        f"{lines}</svg>"
        f"{blame}{_points(rows, order, scale)}</svg></div></div>"
    )


def _error_axis(rows, scale) -> str:
    labels = [(scale.y(10.0**tick), f"1e{tick}") for tick in scale.ticks()] + [(EXACT_Y, "exact")]
    if any(finite(row["error"]) is None for row in rows):
        labels.append((MISSING_Y, "none"))
    texts = "".join(f'<text x="44" y="{y + 4:g}">{text}</text>' for y, text in labels)
    return f'<svg class="axis" width="50" height="{HEIGHT}">{texts}</svg>'


def _grid(scale) -> str:
    heights = [scale.y(10.0**tick) for tick in scale.ticks()]
    lines = "".join(f'<line class="grid" x2="100%" y1="{y:g}" y2="{y:g}"/>' for y in heights)
    return lines + f'<rect class="exact" width="100%" y="{EXACT_Y - 11}" height="22"/>'


def _bands(order) -> str:
    """A faint stripe under every second top-level part of the network."""
    unit = 100 / len(order)
    return "".join(
        f'<rect class="band" x="{first * unit:.2f}%" width="{length * unit:.2f}%" height="100%"/>'
        for index, (_, first, length) in enumerate(_parts(order))
        if index % 2
    )


def _parts(order) -> list[tuple[str, int, int]]:
    """Runs of calls within one top-level part: (its name, first place, length)."""
    parts = []
    for place, (layer, _) in enumerate(order):
        name = layer.split(".")[0]
        if parts and parts[-1][0] == name:
            parts[-1][2] += 1
        else:
            parts.append([name, place, 1])
    return [tuple(part) for part in parts]


def _lines(dtype, rows, order, scale) -> str:
    """A thin guide through the largest errors, the steps of the limit and, in float32, of the floor."""
    worst = {}  # place -> the row nearest to its limit, or furthest beyond
    for row in rows:
        if row["dtype"] == dtype and finite(row["error"]) is not None:
            place = order[row["layer"], row["call"]]
            if place not in worst or _ratio(row) > _ratio(worst[place]):
                worst[place] = row
    if not worst:
        return ""
    width, short = 1000 / len(order), "f64" if dtype == "float64" else "f32"
    guide = " ".join(
        f"{(place + 0.5) * width:.1f},{scale.y(row['error'])}"
        for place, row in sorted(worst.items())
        if row["error"]  # an exact layer has its dot below; the guide would only jump there and back
    )
    paths = [f'<polyline class="guide {short}" points="{guide}"/>']
    for name in ("limit", "floor"):
        steps = {place: scale.y(row[name]) for place, row in worst.items() if finite(row[name])}
        if steps:
            paths.append(f'<path class="{name} {short}" d="{_steps(steps, width)}"/>')
    return "".join(paths)


def _ratio(row) -> float:
    error, limit = finite(row["error"]), finite(row["limit"])
    return (error or 0.0) / limit if limit else (error or 0.0)


def _steps(heights: dict[int, float], width: float) -> str:
    """A step line through {place: y}; places without a value keep the height before them."""
    path, last = [], None
    for place, y in sorted(heights.items()):
        if y != last:
            x = f"{place * width:.1f}"
            path.append(f"M{x},{y}" if last is None else f"H{x}V{y}")
            last = y
    end = (max(heights) + 1) * width
    return "".join(path) + f"H{end:.1f}"


def _points(rows, order, scale) -> str:
    """A dot per comparison; failing ones come last, so that nothing covers them, and say what they are."""
    dots, marks, seen = [], [], set()
    for row in rows:
        x, y = _percent(order[row["layer"], row["call"]], len(order)), scale.y(row["error"])
        if row["error"] == 0:
            y += EXACT_SHIFT.get(row["dtype"], 0)
        mark = MARKS.get(row["verdict"])
        if mark:
            text = (
                f"{layer_name(row)}, call {row['call']}, {row['what']} {row['slot']}, {row['dtype']}: "
                f"{row['verdict']}, error {scientific(row['error'])}, limit {scientific(row['limit'])}; "
                f"{row['note']}"
            )
            marks.append(f'<use href="#{mark}" x="{x}" y="{y:g}"><title>{escape(text)}</title></use>')
            continue
        short = "f64" if row["dtype"] == "float64" else "f32"
        if (x, y, short) not in seen:  # many exact ones fall on the same spot
            seen.add((x, y, short))
            dots.append(f'<circle class="{short}" cx="{x}" cy="{y:g}" r="2.5"/>')
    return "".join(dots) + "".join(marks)


def _blamed_position(case, order) -> int | None:
    blamed = case.get("blamed")
    return order.get((blamed["layer"], blamed.get("call", 0))) if blamed else None


def _blame_label(blamed, place, count) -> str:
    side, shift = ("start", 7) if place < count / 2 else ("end", -7)
    text = f"blamed: {layer_name(blamed)}"
    x = _percent(place, count)
    return f'<text class="blame" x="{x}" dx="{shift}" y="16" text-anchor="{side}">{escape(text)}</text>'


def _layer_axis(order, backward) -> str:
    """Numbers of the calls, and names of the parts where they fit; narrow screens leave out the longer."""
    count = len(order)
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if count / s <= 10)
    places = [0] + [place - 1 for place in range(step, count + 1, step) if place > 1]
    texts = [f'<text x="{_percent(place, count)}" y="13">{place + 1}</text>' for place in places]
    for name, first, length in _parts(order):
        share, need = length / count, 7 * len(name) + 6  # px of the text at this size
        if name and share * 1000 >= need:
            wide = "" if share * 300 >= need else " wide"
            x = _percent(first + length / 2 - 0.5, count)
            texts.append(f'<text class="part{wide}" x="{x}" y="30">{escape(name)}</text>')
    direction = "reverse execution order" if backward else "execution order"
    return (
        '<div class="plot"><svg class="axis" width="50" height="36"></svg>'
        f'<svg class="area layers" width="100%" height="36">{"".join(texts)}</svg></div>'
        f'<p class="axis-title">layer calls in {direction} &rarr;</p>'
    )
