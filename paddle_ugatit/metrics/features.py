"""Features of images: Inception's pool3, a small network's for drawn faces, or stand-ins that need no weights.

    FeatureExtractor("inception", "pt_inception-2015-12-05-6726825d.pth").extract(images)   # (N,2048) float32

Images are uint8 (H,W,3) of any size, taken one by one from an iterable, so that a set need not fit in memory; worker
threads resize them while the network computes.
"""

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data.faces.folder import is_drawn
from paddle_ugatit.metrics import engine, face_features, inception_weights
from paddle_ugatit.metrics.preprocess import RESIZES, to_network

T = TypeVar("T")
R = TypeVar("R")
KINDS = ("inception", "faces", "pixels", "random")
BATCH_SIZE = 8
_PIXELS_SIDE = 16  # height and width of the reduced image whose pixels are the features
_RANDOM_NARROW, _RANDOM_SEED = 4, 2015
_VERSION = "1"  # of the stand-ins; part of the key of the cache


class FeatureExtractor:
    """Extracts features from images with `extract`.

    kind: "inception"; "faces" (see face_features.py; for drawn faces only); "pixels" (16x16 means of the image, 768
    features); "random" (a random Inception, a quarter as wide). resize: "tf1", "clean" or "paper", see preprocess.py;
    "faces" has one of its own. `weights` is a file, by default the public one in the cache; `fast` selects how the
    network is run, see engine.py. Raises InputError if an option is invalid, or if the file is missing or unusable.
    """

    def __init__(
        self,
        kind: str = "inception",
        weights: Path | str | None = None,
        resize: str = "tf1",
        batch_size: int = BATCH_SIZE,
        workers: int | None = None,
        fast: bool | None = None,
    ):
        if kind not in KINDS:
            raise InputError(f"features must be one of {', '.join(KINDS)}, not {kind!r}")
        if resize not in RESIZES:
            raise InputError(f"resize must be one of {', '.join(RESIZES)}, not {resize!r}")
        if weights is not None and kind != "inception":
            raise InputError(f"--weights cannot be combined with --features {kind}, which needs none")
        if batch_size < 1 or (workers is not None and workers < 1):
            raise InputError("batch size and workers must be 1 or more")
        self.kind, self.resize, self.batch_size = kind, resize, batch_size
        self.workers = workers or min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
        self.loaded: inception_weights.Loaded | None = None
        self._faces = face_features.FaceFeatures() if kind == "faces" else None
        if kind in ("inception", "random"):
            self.loaded = inception_weights.load(weights) if kind == "inception" else _random()
        self._fast = fast
        self._run: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def dimensions(self) -> int:
        """The number of features per image."""
        if self._faces:
            return self._faces.dimensions
        return self.loaded.network.fc.weight.shape[0] if self.loaded else 3 * _PIXELS_SIDE**2

    @property
    def comparable(self) -> bool:
        """Whether the features are those that published numbers were computed with."""
        return self.kind == "inception" and self.loaded is not None and self.loaded.public

    @property
    def identity(self) -> str:
        """What the features depend on besides the images; for the cache."""
        if self._faces:
            return f"{self.kind} {self._faces.sha256} {face_features.VERSION}"
        made_by = self.loaded.sha256 if self.loaded and self.loaded.file else _VERSION
        return f"{self.kind} {made_by} {self.resize}"

    def about(self) -> dict:
        """Return the description of the features for a report, as JSON values."""
        loaded = self.loaded
        return {
            "kind": self.kind,
            "dimensions": self.dimensions,
            "resize": face_features.RESIZE if self._faces else self.resize,
            "weights": loaded.file if loaded and loaded.file else None,
            "weights_sha256": loaded.sha256 if loaded and loaded.file else None,
            "weights_public": loaded.public if loaded and loaded.file else None,
            "comparable": self.comparable,
        }

    def extract(
        self, images: Iterable[np.ndarray | Callable[[], np.ndarray]], progress: Callable[[int], object] | None = None
    ) -> np.ndarray:
        """Extract features: iterable of uint8 (H,W,3) -> float32 (N,d). `progress(n)` is called after every n images.

        An item may be a function without arguments that returns the image; a worker then calls it. The batch size,
        rounded up to whole chunks of engine.py, affects memory only, not a digit of the features. Raises InputError if
        an item is not such an image.
        """
        batches, size = [], -(-self.batch_size // engine.CHUNK) * engine.CHUNK
        ahead = self.workers + 2 * size
        with ThreadPoolExecutor(self.workers) as pool:
            prepared = in_order(pool, self._prepare, images, ahead)
            while batch := list(itertools.islice(prepared, size)):
                batches.append(self._features(np.stack(batch)))
                if progress:
                    progress(len(batch))
        return np.concatenate(batches) if batches else np.zeros((0, self.dimensions), np.float32)

    def _prepare(self, image: np.ndarray | Callable[[], np.ndarray]) -> np.ndarray:
        image = image() if callable(image) else image
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise InputError(f"an image must be (H,W,3) uint8, not {image.dtype} of shape {image.shape}")
        return face_features.resized(image) if self._faces else RESIZES[self.resize](image)

    def _features(self, pixels: np.ndarray) -> np.ndarray:
        """(B,299,299,3), for faces (B,64,64,3), in [0, 255] -> (B,d) float32."""
        if self._faces:
            return self._faces.features(pixels)
        x = to_network(pixels, self.resize)
        if self.loaded is None:
            return _pixel_means(x)
        if self._run is None:
            self._run = engine.runner(self.loaded.network, self._fast)
        return self._run(x)


def default_kind(real: Path | str, weights: Path | str | None = None) -> str:
    """Return the features to compare with these real images: "faces" if they are drawn faces, otherwise "inception"."""
    return "faces" if weights is None and is_drawn(real) else "inception"


def _random() -> inception_weights.Loaded:
    network = inception_weights.random_network(_RANDOM_NARROW, _RANDOM_SEED)
    return inception_weights.Loaded(network, "", "", "")


def _pixel_means(x: np.ndarray) -> np.ndarray:
    """Average over a 16x16 grid of nearly equal cells: (B,3,299,299) -> (B,768)."""
    *_, side = x.shape
    starts = np.linspace(0, side, _PIXELS_SIDE, endpoint=False).astype(int)
    sizes = np.diff([*starts, side])
    sums = np.add.reduceat(np.add.reduceat(x, starts, 2), starts, 3)
    return (sums / np.outer(sizes, sizes)).reshape(len(x), x.shape[1] * _PIXELS_SIDE**2).astype(np.float32)


def in_order(pool: Executor, function: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[R]:
    """Map `function` over `items` in a pool and yield the results in order, with at most `ahead` in progress."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
