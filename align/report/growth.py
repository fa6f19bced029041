"""The chart of growth: time and memory against size, each relative to its smallest, on logarithmic axes, as SVG."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from paddle_ugatit.formats.html import environment

WIDTH, HEIGHT = 900, 380
_LEFT, _GAP, _RIGHT, _TOP, _BOTTOM = 52, 70, 14, 40, 92  # pixels around and between the panels
_COLOURS = ("#1864ab", "#e8590c", "#2b8a3e", "#862e9c", "#c2255c", "#5f3dc4")
_TEMPLATES = Path(__file__).with_name("templates")


class Curve(NamedTuple):
    """What was measured of one kind of work, at growing sizes."""

    name: str
    sizes: Sequence[float]
    seconds: Sequence[float]
    gib: Sequence[float]


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float | None:
    """Return the slope p of value = c size^p by least squares of the logarithms; None if a value is not positive."""
    if len(sizes) < 2 or min(values) <= 0 or min(sizes) <= 0:
        return None
    x, y = ([math.log(value) for value in each] for each in (sizes, values))
    middle_x, middle_y = sum(x) / len(x), sum(y) / len(y)
    across = sum((a - middle_x) ** 2 for a in x)
    return sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True)) / across if across else None


def growth_chart(curves: Sequence[Curve], title: str) -> str:
    """Draw a panel of time and one of memory, with a curve for each work and a guide of exponent 1."""
    most = max(curve.sizes[-1] / curve.sizes[0] for curve in curves)
    across = (WIDTH - _LEFT - _GAP - _RIGHT) / 2
    panels = []
    for number, (name, values) in enumerate((("time", "seconds"), ("memory", "gib"))):
        left = _LEFT + number * (across + _GAP)
        relative = {
            curve.name: [value / getattr(curve, values)[0] for value in getattr(curve, values)] for curve in curves
        }
        high = max(most, *(max(each) for each in relative.values()))
        low = min(1.0, *(min(each) for each in relative.values()))
        panel = _Panel(left, across, most, low, high)
        lines = [
            [
                panel.place(size / curve.sizes[0], value)
                for size, value in zip(curve.sizes, relative[curve.name], strict=True)
            ]
            for curve in curves
        ]
        panels.append({"name": name, "panel": panel, "lines": list(zip(lines, _COLOURS * 2, strict=False))})
    return (
        environment(_TEMPLATES)
        .get_template("growth.svg")
        .render(width=WIDTH, height=HEIGHT, title=title, panels=panels, legend=_legend(curves))
    )


def _legend(curves: Sequence[Curve]) -> list[tuple[float, float, str, str]]:
    """(x, y, colour, name) of the names, in three columns."""
    return [
        (_LEFT + (i % 3) * 285, HEIGHT - 34 + 18 * (i // 3), (_COLOURS * 2)[i], curve.name)
        for i, curve in enumerate(curves)
    ]


class _Panel:
    """Logarithmic axes: (times the smallest size, times its value) -> pixels."""

    def __init__(self, left: float, across: float, most: float, low: float, high: float) -> None:
        self.left, self.right, self.top, self.bottom = left, left + across, _TOP, HEIGHT - _BOTTOM
        self._x, self._low, self._high = math.log(most) or 1.0, math.log(low), math.log(high)
        self.columns = [(f"{self.place(2.0**k, 1.0)[0]}", f"{2**k}") for k in range(int(math.log2(most) + 0.01) + 1)]
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [f * 10.0**d for d in decades for f in (1, 2, 5) if low * 0.99 <= f * 10.0**d <= high * 1.01]
        self.rows = [(self.place(1.0, tick)[1], f"{tick:g}") for tick in ticks]
        self.guide = [self.place(1.0, 1.0), self.place(min(most, high), min(most, high))]

    def place(self, size: float, value: float) -> tuple[float, float]:
        share = (math.log(value) - self._low) / ((self._high - self._low) or 1.0)
        x = self.left + (self.right - self.left) * math.log(size) / self._x
        return round(x, 1), round(self.bottom - (self.bottom - self.top) * share, 1)
