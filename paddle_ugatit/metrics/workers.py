"""Pieces of one computation in NumPy on several threads, each of which multiplies by itself.

OpenBLAS, which NumPy's wheels bring, shares one product among its threads, which wait for one another without leaving
the core: on a machine with other work that costs up to three times the time. Pieces that wait for nobody take their
share, and what is not a product, for which NumPy takes one thread, is shared out too.
"""

import contextlib
import ctypes
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")
_PREFIXES = ("scipy_openblas", "openblas")  # of NumPy 2 and NumPy 1
_SUFFIXES = ("64_", "")
_lock = threading.Lock()  # the number of threads belongs to the whole process


def in_order(work: Callable[[Piece], Result], pieces: Iterable[Piece]) -> Iterator[Result]:
    """Yield the result of every piece in order, computed on as many threads as OpenBLAS would take.

    `work` must not depend on other pieces. At most four results a thread are waiting at a time. Where NumPy has another
    BLAS, the pieces are computed one after the other, each on the threads of that.
    """
    with _alone() as threads:
        if threads < 2:
            yield from map(work, pieces)
            return
        left, ahead = iter(pieces), 4 * threads
        pool = ThreadPoolExecutor(threads)
        try:
            waiting: deque[Future[Result]] = deque(pool.submit(work, piece) for piece in islice(left, ahead))
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(work, piece) for piece in islice(left, 1))
        finally:
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _alone() -> Iterator[int]:
    """Within the block OpenBLAS takes one thread; yields how many it took before, or 1 if that is not to be changed."""
    found = _openblas()
    if found is None or not _lock.acquire(blocking=False):
        yield 1
        return
    get, put = found
    threads = get()
    try:
        put(1)
        yield threads
    finally:
        put(threads)
        _lock.release()


@cache
def _openblas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """Return what gets and what sets the number of threads of NumPy's OpenBLAS, or None if it cannot be found."""
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:
        return None
    paths = {line.split(maxsplit=5)[5] for line in maps.splitlines() if "openblas" in line and "numpy" in line}
    for path in sorted(paths):
        with contextlib.suppress(OSError, AttributeError):
            library = ctypes.CDLL(path, mode=os.RTLD_NOLOAD)
            for prefix in _PREFIXES:
                for suffix in _SUFFIXES:
                    put = getattr(library, f"{prefix}_set_num_threads{suffix}", None)
                    get = getattr(library, f"{prefix}_get_num_threads{suffix}", None)
                    if put and get:
                        return get, put
    return None
