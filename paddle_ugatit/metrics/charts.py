"""The charts of the evaluation's page as the geometry of SVGs, which templates/evaluation.html draws."""

import numpy as np

WIDTH, HEIGHT, FLOOR = 720, 210, 168  # px of the histogram; FLOOR is the y of its axis
_TALLEST = 140  # px of its tallest bar
_BINS = 36


def number(value: float) -> str:
    """Format a number with four significant figures and without an exponent: 0.04183."""
    return "0" if value == 0 else f"{value:.{max(0, min(7, 3 - int(np.floor(np.log10(abs(value))))))}f}"


def interval(kid: dict) -> dict:
    """Return where zero, the ends of the 95 % interval and the estimate lie along a line, in per cent."""
    low, high = kid["ci95"]
    left, right = min(0.0, low), max(0.0, high)
    span = (right - left) * 1.05 or 1.0
    places = {"zero": 0, "low": low, "high": high, "estimate": kid["all_pairs"]}
    return {name: f"{2 + 96 * (value - left) / span:.2f}%" for name, value in places.items()}


def histogram(kid: dict) -> dict:
    """Return the histogram of the subsets' values, with their mean, the all-pairs estimate and its interval."""
    values, (low, high) = np.array(kid["values"]), kid["ci95"]
    left, right = min(values.min(), low), max(values.max(), high)
    margin = 0.04 * (right - left) or 1e-6
    left, right = left - margin, right + margin

    def x(value: float) -> float:
        return (value - left) / (right - left) * WIDTH

    counts, edges = np.histogram(values, bins=np.linspace(left, right, _BINS + 1))
    heights = _TALLEST * counts / counts.max()
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "floor": FLOOR,
        "bar": f"{WIDTH / _BINS - 2:.1f}",
        "bars": [
            (f"{x(edge) + 1:.1f}", f"{FLOOR - tall:.1f}", f"{tall:.1f}")
            for edge, tall in zip(edges, heights, strict=False)
            if tall
        ],
        "lines": [(name, f"{x(value):.1f}") for name, value in (("mean", kid["mean"]), ("all", kid["all_pairs"]))],
        "ticks": [
            (f"{min(max(x(tick), 24), WIDTH - 24):.1f}", number(tick))
            for tick in np.linspace(left + margin, right - margin, 5)
        ],
        "band": (f"{x(low):.1f}", f"{x(high) - x(low):.1f}"),
    }
