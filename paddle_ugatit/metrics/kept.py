"""Which attributes of drawn faces a translation keeps: glasses stay glasses, hair keeps its colour.

The network of face_features.py tells the attributes of every input and of its translation; an attribute is kept where
both are of one class. The same share for the true images, where they are known, says how far the network can be
trusted. Contents: KeptAttributes, figure.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from paddle_ugatit.data.faces.attributes import ATTRIBUTES
from paddle_ugatit.metrics.face_features import FaceFeatures, resized
from paddle_ugatit.models.faces import SIZE

EXAMPLES = 8  # pairs that are kept to be shown for a confusion
_BATCH = 64
_UNTOLD = ("expression",)  # told no better than by chance: a mouth of a few pixels does not show it (docs/faces.md)
_GAP, _LABEL = 4, 22  # of the figure, pixels

Confusion = tuple[str, int, int]  # attribute, class of the input, class of the translation


class KeptAttributes:
    """Counts attributes over pairs of an input and its translation."""

    def __init__(self, network: FaceFeatures | None = None):
        self._network = network or FaceFeatures()
        self._waiting: list[tuple[np.ndarray, ...]] = []
        # attribute -> how often class i of the input became class j, of the translation and of the true image
        self._found = {name: np.zeros((len(classes),) * 2, np.int64) for name, classes in ATTRIBUTES.items()}
        self._true = {name: np.zeros_like(table) for name, table in self._found.items()}
        self._examples: dict[Confusion, list[np.ndarray]] = {}

    def add(self, image: np.ndarray, translated: np.ndarray, truth: np.ndarray | None = None) -> None:
        """Add a pair, and the true translation where it is known: uint8 (H,W,3) each, of any size."""
        trio = (image, translated) if truth is None else (image, translated, truth)
        self._waiting.append(tuple(resized(picture) for picture in trio))
        if len(self._waiting) == _BATCH:
            self._count()

    def _count(self) -> None:
        """Tell the attributes of the pairs that wait."""
        pairs, self._waiting = self._waiting, []
        if not pairs:
            return
        images, translated = (self._network.attributes(np.stack([pair[i] for pair in pairs])) for i in (0, 1))
        for column, name in enumerate(ATTRIBUTES):
            np.add.at(self._found[name], (images[:, column], translated[:, column]), 1)
            for row in np.flatnonzero(images[:, column] != translated[:, column]):
                key = (name, images[row, column], translated[row, column])
                shown = self._examples.setdefault(key, [])
                if len(shown) < EXAMPLES:
                    shown.append(np.concatenate(pairs[row][:2]).astype(np.uint8))
        known = [row for row, pair in enumerate(pairs) if len(pair) == 3]
        if known:
            truths = self._network.attributes(np.stack([pairs[row][2] for row in known]))
            for column, name in enumerate(ATTRIBUTES):
                np.add.at(self._true[name], (images[known, column], truths[:, column]), 1)

    @property
    def pairs(self) -> int:
        """The number of pairs."""
        return int(next(iter(self._found.values())).sum()) + len(self._waiting)

    def shares(self, true: bool = False) -> dict[str, float]:
        """Return the share of pairs that keep each attribute; `true`: that of the true images. Empty without pairs.

        Attributes that the network cannot tell are left out.
        """
        self._count()
        tables = self._true if true else self._found
        return {
            name: float(table.trace() / table.sum())
            for name, table in tables.items()
            if name not in _UNTOLD and table.any()
        }

    def confusions(self) -> list[tuple[Confusion, int, int]]:
        """Return the most frequent confusion of each attribute: what it is, how often, of how many; the worst first."""
        self._count()
        worst = []
        for name in self.shares():
            table = self._found[name]
            off = np.where(np.eye(len(table)), 0, table)
            was, became = (int(i) for i in np.unravel_index(off.argmax(), off.shape))
            if off[was, became]:
                worst.append(((name, was, became), int(off[was, became]), int(table[was].sum())))
        return sorted(worst, key=lambda entry: -entry[1])

    def about(self) -> dict:
        """Return the counts and shares for a report, as JSON values."""
        shares, true = self.shares(), self.shares(true=True)
        return {
            "pairs": self.pairs,
            "mean": float(np.mean(list(shares.values()))),
            "mean_of_true_images": float(np.mean(list(true.values()))) if true else None,
            "attributes": {
                name: {
                    "kept": share,
                    "kept_by_true_images": true.get(name),
                    "classes": list(ATTRIBUTES[name]),
                    "confusion": self._found[name].tolist(),
                }
                for name, share in shares.items()
            },
            "worst": [{"change": described(change), "times": n, "of": of} for change, n, of in self.confusions()],
        }

    def examples(self, confusion: Confusion) -> list[np.ndarray]:
        """Return up to EXAMPLES pictures of a confusion, each the input above its translation: uint8 (128,64,3)."""
        return self._examples.get(confusion, [])


def described(confusion: Confusion) -> str:
    """Return a confusion in words.

    >>> described(("glasses", 1, 0))
    'glasses: glasses becomes none'
    """
    name, was, became = confusion
    return f"{name}: {ATTRIBUTES[name][was]} becomes {ATTRIBUTES[name][became]}"


def lines(about: dict) -> Iterator[str]:
    """Yield what `KeptAttributes.about` returns as lines for a console."""
    true = about["mean_of_true_images"]
    ceiling = "" if true is None else f" (true images: {100 * true:.1f} %)"
    yield f"attributes kept: {100 * about['mean']:.1f} %{ceiling}, {about['pairs']} pairs"
    shares = sorted(about["attributes"].items(), key=lambda item: -item[1]["kept"])
    yield "  " + ", ".join(f"{name} {100 * entry['kept']:.0f}" for name, entry in shares)
    for entry in about["worst"][:3]:
        yield f"  {entry['change']}, {entry['times']} of {entry['of']}"


def figure(kept: KeptAttributes) -> np.ndarray | None:
    """Draw the worst confusion of each attribute, a row each: inputs above translations. uint8 (H,W,3), or None."""
    rows = [figure_row(*entry, kept.examples(entry[0])) for entry in kept.confusions()]
    return np.concatenate(rows) if rows else None


def figure_row(confusion: Confusion, times: int, of: int, examples: Sequence[np.ndarray]) -> np.ndarray:
    """Draw one row of `figure`: how often a confusion occurred, and its examples side by side."""
    width = EXAMPLES * (SIZE + _GAP)
    row = np.full((_LABEL + 2 * SIZE + _GAP, width, 3), 255, np.uint8)
    text = f"{described(confusion)}, {times} of {of}"
    cv2.putText(row, text, (2, _LABEL - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (40, 40, 40), 1, cv2.LINE_AA)
    for place, pair in enumerate(examples):
        left = place * (SIZE + _GAP)
        row[_LABEL : _LABEL + 2 * SIZE, left : left + SIZE] = pair
    return row
