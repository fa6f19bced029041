"""Pictures that were read and resized before, up to a budget of memory, so that a device need not wait for them."""

import threading
from collections.abc import Callable, Hashable

import numpy as np


class PictureCache:
    """Keeps uint8 pictures by key until `budget` bytes are used; later ones are made anew each time.

    Nothing is dropped for another picture: if a data set does not fit, a shuffled pass would find none of those that
    were added last. Several threads may use it.
    """

    def __init__(self, budget: int):
        self.budget, self.used = budget, 0
        self._kept: dict[Hashable, np.ndarray] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, make: Callable[[], tuple[np.ndarray, bool]]) -> np.ndarray:
        """Return the picture of this key, which must not be changed; `make()` returns it and whether to keep it."""
        found = self._kept.get(key)
        if found is not None:
            return found
        made, keep = make()
        with self._lock:
            if keep and key not in self._kept and self.used + made.nbytes <= self.budget:
                self._kept[key] = made
                self.used += made.nbytes
        return made
