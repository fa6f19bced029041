"""The chart of error along depth: one case of a parity report as the geometry of an SVG.

One panel per view (isolated above propagated, which tells a fault from what inherits it), the layers' calls in
execution order along x, log10 of the error along y. Errors of exactly 0 have a lane of their own at the bottom, those
that are not numbers one at the top. Every x is a percentage and the paths lie in a stretched inner SVG, so the chart
fits any width while its text and marks keep their size. templates/chart.html draws it.
"""

import math

HEIGHT = 208  # px of a panel
LOG_TOP, LOG_BOTTOM = 26, 172  # the logarithmic part; "none" is above it, "exact" below
EXACT_Y, MISSING_Y = 192, 12
EXACT_SHIFT = {"float64": -4.5, "float32": 4.5}  # the two dtypes side by side, or one would hide the other
LOWEST, HIGHEST = -20, 6  # decades; errors beyond are drawn at the edge
VIEW_TITLES = {
    "isolated": ("isolated", "each layer fed PyTorch's own input, so no error is inherited"),
    "propagated": ("propagated", "both networks run freely, so errors travel on"),
    "state": ("state", "weights and buffers"),
}
LEGEND = (
    ("dot f64", "float64"),
    ("dot f32", "float32"),
    ("line floor", "floor: the error of PyTorch's own float32"),
    ("line limit f64", "limit, float64"),
    ("line limit f32", "limit, float32"),
    ("cross", "fails"),
    ("diamond", "inherited"),
)
MARKS = {"fail": "mark-fail", "inherited": "mark-inherited"}


def finite(value) -> float | None:
    """Return the value as a float, or None if it is not a finite number (JSON null, NaN, infinity)."""
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return None


def scientific(value) -> str:
    """Format an error as all pages do: 1.2e-15; 0 if exact; "none" if it is not a number."""
    number = finite(value)
    if number is None:
        return "none"
    return "0" if number == 0 else f"{number:.1e}"


def layer_name(row: dict) -> str:
    """Return the layer's path, or "(network)" for the whole network, whose path is empty."""
    return row["layer"] or "(network)"


def chart(case: dict, backward: bool = False) -> dict:
    """Return what templates/chart.html draws for a case: a panel for each view, the axis of layers, the legend."""
    rows = case["rows"]
    order = _execution_order(rows)
    scale = _Scale(rows)
    views = [view for view in VIEW_TITLES if any(row["view"] == view for row in rows)]
    # State is almost always exact; a panel of zeros would only take up space.
    if len(views) > 1 and all(row["error"] == 0 for row in rows if row["view"] == "state"):
        views = [view for view in views if view != "state"]
    panels = [_panel(view, rows, order, scale) for view in views]
    _mark_blamed(case.get("blamed"), dict(zip(views, panels, strict=True)), order)
    return {
        "height": HEIGHT,
        "exact": EXACT_Y - 11,
        "bands": _bands(order),
        "panels": panels,
        "layers": _layer_axis(order),
        "direction": "reverse execution order" if backward else "execution order",
        "legend": LEGEND,
    }


def _execution_order(rows: list[dict]) -> dict[tuple, int]:
    """(layer, call) -> place along x. The longest view leads; calls that only another view has are slotted in."""
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


def _panel(view, rows, order, scale) -> dict:
    rows = [row for row in rows if row["view"] == view]
    title, hint = VIEW_TITLES[view]
    dots, marks = _points(rows, order, scale)
    return {
        "title": title,
        "hint": hint,
        "axis": _error_axis(rows, scale),
        "grid": [f"{scale.y(10.0**tick):g}" for tick in scale.ticks()],
        "paths": [path for dtype in ("float32", "float64") for path in _paths(dtype, rows, order, scale)],
        "dots": dots,
        "marks": marks,
        "blame": None,
    }


def _mark_blamed(blamed, panels, order) -> None:
    """Put a line at the blamed layer into every panel but that of the state, and its name into the one of its view."""
    place = order.get((blamed["layer"], blamed.get("call", 0))) if blamed else None
    if place is None:
        return
    side, shift = ("start", 7) if place < len(order) / 2 else ("end", -7)
    labelled = blamed.get("view") if blamed.get("view") in panels else next(iter(panels))
    for view, panel in panels.items():
        if view != "state":
            label = f"blamed: {layer_name(blamed)}" if view == labelled else ""
            panel["blame"] = {"x": _percent(place, len(order)), "label": label, "side": side, "shift": shift}


def _error_axis(rows, scale) -> list[tuple[str, str]]:
    labels = [(scale.y(10.0**tick), f"1e{tick}") for tick in scale.ticks()] + [(EXACT_Y, "exact")]
    if any(finite(row["error"]) is None for row in rows):
        labels.append((MISSING_Y, "none"))
    return [(f"{y + 4:g}", text) for y, text in labels]


def _bands(order) -> list[tuple[str, str]]:
    """(x, width) of a faint stripe under every second top-level part of the network."""
    unit = 100 / len(order)
    return [
        (f"{first * unit:.2f}%", f"{length * unit:.2f}%")
        for index, (_, first, length) in enumerate(_parts(order))
        if index % 2
    ]


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


def _paths(dtype, rows, order, scale) -> list[tuple[str, str]]:
    """(class, path) of a thin guide through the largest errors, of the limit's steps and, in float32, the floor's."""
    worst = {}  # place -> the row nearest to its limit, or furthest beyond
    for row in rows:
        if row["dtype"] == dtype and finite(row["error"]) is not None:
            place = order[row["layer"], row["call"]]
            if place not in worst or _ratio(row) > _ratio(worst[place]):
                worst[place] = row
    if not worst:
        return []
    width, short = 1000 / len(order), "f64" if dtype == "float64" else "f32"
    guide = [
        f"{(place + 0.5) * width:.1f},{scale.y(row['error'])}"
        for place, row in sorted(worst.items())
        if row["error"]  # an exact layer has its dot below; the guide would only jump there and back
    ]
    paths = [(f"guide {short}", "M" + " ".join(guide))] if guide else []
    for name in ("limit", "floor"):
        steps = {place: scale.y(row[name]) for place, row in worst.items() if finite(row[name])}
        if steps:
            paths.append((f"{name} {short}", _steps(steps, width)))
    return paths


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


def _points(rows, order, scale) -> tuple[list, list]:
    """Dots (class, x, y), one per comparison that passes, and marks (symbol, x, y, text) of those that do not."""
    dots, marks = {}, []
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
            marks.append((mark, x, f"{y:g}", text))
        else:
            dots["f64" if row["dtype"] == "float64" else "f32", x, f"{y:g}"] = None  # exact ones often coincide
    return list(dots), marks


def _layer_axis(order) -> list[tuple[str, str, int, str]]:
    """(class, x, y, text): numbers of the calls, and names of the parts where they fit; narrow screens hide "wide"."""
    count = len(order)
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if count / s <= 10)
    places = [0] + [place - 1 for place in range(step, count + 1, step) if place > 1]
    texts = [("", _percent(place, count), 13, str(place + 1)) for place in places]
    for name, first, length in _parts(order):
        share, need = length / count, 7 * len(name) + 6  # px of the text at this size
        if name and share * 1000 >= need:
            kind = "part" if share * 300 >= need else "part wide"
            texts.append((kind, _percent(first + length / 2 - 0.5, count), 30, name))
    return texts
