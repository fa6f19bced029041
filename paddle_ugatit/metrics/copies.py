"""Images that occur more than once: KID takes every image for a draw of its own."""

from collections.abc import Iterable

import numpy as np


def within(contents: list[str]) -> int:
    """Return how many images of a set are copies of another one in it, by the digests of their contents."""
    return len(contents) - len(set(contents))


def shared(contents_x: list[str], features_x: np.ndarray, contents_y: list[str], features_y: np.ndarray) -> int:
    """Return how many images of one set are in the other too, by their contents or their features (N,d), (M,d)."""
    by_content = _in(contents_x, set(contents_y))
    if features_x.dtype != features_y.dtype:
        return by_content
    return max(by_content, _in(_rows(features_x), set(_rows(features_y))))


def _rows(features: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in np.ascontiguousarray(features)]


def _in(items: Iterable[str | bytes], others: set[str] | set[bytes]) -> int:
    return sum(item in others for item in items)
