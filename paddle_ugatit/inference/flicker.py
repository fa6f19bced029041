"""How much a video changes from frame to frame, and an exponential mean that makes it change less."""

import numpy as np


class Smoother:
    """The exponential mean of frames: mean_k = amount * mean_(k-1) + (1 - amount) * frame_k, mean_0 = frame_0.

    `amount` goes from 0, which changes nothing, to below 1. What moves, and a cut, leaves a trail.
    """

    def __init__(self, amount: float) -> None:
        self.amount = amount
        self._mean: np.ndarray | None = None

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Take the next frame and return the mean up to it: uint8 (H,W,3) -> uint8 (H,W,3)."""
        if not self.amount:
            return frame
        new = frame.astype(np.float64)
        self._mean = new if self._mean is None else self.amount * self._mean + (1 - self.amount) * new
        return np.rint(self._mean).astype(np.uint8)


class Flicker:
    """The mean absolute difference of consecutive frames, in levels of 255, of several videos at once."""

    def __init__(self) -> None:
        self._before: dict[str, np.ndarray] = {}
        self._sums: dict[str, float] = {}
        self._pairs: dict[str, int] = {}

    def add(self, name: str, frame: np.ndarray) -> None:
        """Take the next frame of the video `name`: uint8 (H,W,3)."""
        if name in self._before:
            change = np.abs(frame.astype(np.int16) - self._before[name]).mean()
            self._sums[name] = self._sums.get(name, 0.0) + float(change)
            self._pairs[name] = self._pairs.get(name, 0) + 1
        self._before[name] = frame

    def means(self) -> dict[str, float]:
        """Return the mean change of every video that has two frames or more."""
        return {name: total / self._pairs[name] for name, total in self._sums.items()}

    def line(self) -> str:
        """Return a line for people: the change of each video, and its ratio to that of the first."""
        means = self.means()
        if not means:
            return "one frame: nothing changes from frame to frame"
        first = next(iter(means.values()))
        shown = [
            f"{name} {mean:.2f}" + (f" ({mean / first:.2f} times)" if first and number else "")
            for number, (name, mean) in enumerate(means.items())
        ]
        return f"mean change from frame to frame, in levels of 255: {', '.join(shown)}"
