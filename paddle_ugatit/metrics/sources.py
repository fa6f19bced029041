"""Sets of images: a folder, or an .npz file of images or of features; and their features, cached by content.

Contents: open_set (returns an ImageSet: Folder, Images or Features), features_of.
"""

import hashlib
import itertools
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from paddle_ugatit import formats
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data.images import ImageError, image_files, read_image
from paddle_ugatit.formats import atomic
from paddle_ugatit.metrics import parallel
from paddle_ugatit.metrics.features import FeatureExtractor, in_order

_NAMED = 3  # unreadable images listed in a message
_PLACEHOLDER = np.zeros((1, 1, 3), np.uint8)  # in place of an unreadable image, whose features are then discarded


class Folder:
    """All images below a folder, sorted by name."""

    kind = "images"

    def __init__(self, path: Path):
        self.path, self.files = path, image_files(path)

    def __len__(self) -> int:
        return len(self.files)

    def image(self, index: int) -> np.ndarray:
        """Read an image: uint8 (H,W,3). Raises ImageError if it cannot be read."""
        return read_image(self.files[index])

    def label(self, index: int) -> str:
        """Return the image's path within the folder."""
        return self.files[index].relative_to(self.path).as_posix()

    def digest(self, progress: Callable[[int], object] | None = None) -> str:
        """Return the SHA-256 of the files' contents, in order."""
        total = hashlib.sha256()
        with ThreadPoolExecutor(2) as pool:
            for digest in in_order(pool, formats.sha256, self.files, 16):
                total.update(bytes.fromhex(digest))
                if progress:
                    progress(1)
        return total.hexdigest()


class Images:
    """Images in one array, uint8 (N,H,W,3)."""

    kind = "images"

    def __init__(self, path: Path, array: np.ndarray):
        self.path, self.array = path, array

    def __len__(self) -> int:
        return len(self.array)

    def image(self, index: int) -> np.ndarray:
        """Return an image: uint8 (H,W,3)."""
        return self.array[index]

    def label(self, index: int) -> str:
        """Return the image's index in the file."""
        return f"[{index}]"

    def digest(self, progress: Callable[[int], object] | None = None) -> str:
        """Return the SHA-256 of shape and values."""
        digest = hashlib.sha256(f"{self.array.dtype.str}{self.array.shape}".encode())
        for row in self.array:
            digest.update(np.ascontiguousarray(row).data)
        return digest.hexdigest()


class Features(Images):
    """Features extracted elsewhere, float (N,d)."""

    kind = "features"


ImageSet = Folder | Images


def open_set(path: Path | str) -> ImageSet:
    """Open a folder of images, or an .npz file of images or features. Raises InputError for anything else."""
    path = Path(path)
    if path.is_dir() or path.suffix.lower() != ".npz":
        if path.is_file():
            raise InputError(f"{path}: is neither a folder of images nor an .npz file")
        return Folder(path)
    array = _npz_array(path)
    if array.ndim == 4 and array.shape[3] == 3 and array.dtype == np.uint8:
        return Images(path, array)
    if array.ndim == 2 and array.dtype.kind == "f":
        return Features(path, array)
    raise InputError(
        f"{path}: holds {array.dtype} of shape {array.shape}, not (N,H,W,3) uint8 nor features (N,d) float"
    )


def _npz_array(path: Path) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as file:
            names = [name for name in ("images", "features", "arr_0") if name in file] or file.files
            if len(names) != 1:
                raise InputError(
                    f"{path}: holds {', '.join(names) or 'nothing'}; one array is needed, such as `images`"
                )
            return file[names[0]]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def features_of(
    images: ImageSet,
    extractor: FeatureExtractor | None,
    cache: Path | str | None = None,
    skip_bad: bool = False,
    progress: Callable[[int], object] | None = None,
) -> tuple[np.ndarray, np.ndarray, list[str], str]:
    """Return the features of a set, the indices of their images, the labels of skipped images, and the set's digest.

    float32 (N,d), int (N,), list, hex. `cache` is a folder or None. `progress(n)` is called after every n images.
    Raises InputError, with the number of unreadable images, unless `skip_bad` skips them.
    """
    digest = images.digest()
    everyone = np.arange(len(images))
    if isinstance(images, Features):
        return images.array, everyone, [], digest
    assert extractor is not None, "images need an extractor"
    kept = _cached(cache, extractor, digest)
    if parallel.all_agree(kept is not None) and kept is not None:
        return kept, everyone, [], digest
    rank, world = parallel.place()
    bad = {}

    def reader(index: int) -> Callable[[], np.ndarray]:
        def read() -> np.ndarray:
            try:
                return images.image(index)
            except ImageError as error:
                bad[index] = str(error)
                if not skip_bad:
                    raise
                return _PLACEHOLDER

        return read

    try:
        mine = extractor.extract((reader(i) for i in range(rank, len(images), world)), progress)
    except ImageError:
        raise _refusal(images) from None
    features = parallel.interleaved(mine, len(images))
    left_out = np.flatnonzero(parallel.interleaved(_flags(bad, rank, world, len(images)), len(images))[:, 0])
    if not len(left_out):
        _keep(cache, extractor, digest, features, rank)
    good = np.setdiff1d(everyone, left_out)
    return features[good], good, [images.label(int(i)) for i in left_out], digest


def _flags(bad: dict[int, str], rank: int, world: int, total: int) -> np.ndarray:
    return np.array([[float(i in bad)] for i in range(rank, total, world)], np.float32).reshape(-1, 1)


def _refusal(images: ImageSet) -> InputError:
    """An InputError with the number of unreadable images and the first of them."""

    def problem(index: int) -> str | None:
        try:
            images.image(index)
        except ImageError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(2) as pool:
        problems = [text for text in in_order(pool, problem, range(len(images)), 16) if text]
    more = f" and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
    return InputError(
        f"{len(problems)} of {len(images)} images of {images.path} are unreadable: "
        f"{'; '.join(itertools.islice(problems, _NAMED))}{more}; --skip-bad leaves them out"
    )


def _cache_file(cache: Path | str, extractor: FeatureExtractor, digest: str) -> Path:
    key = hashlib.sha256(f"{digest} {extractor.identity}".encode()).hexdigest()
    return Path(cache) / f"features-{key[:32]}.npy"


def _cached(cache: Path | str | None, extractor: FeatureExtractor, digest: str) -> np.ndarray | None:
    if cache is None:
        return None
    try:
        features = np.load(_cache_file(cache, extractor, digest), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None  # missing or damaged: the features are extracted again
    return features if features.ndim == 2 and features.shape[1] == extractor.dimensions else None


def _keep(cache: Path | str | None, extractor: FeatureExtractor, digest: str, features: np.ndarray, rank: int) -> None:
    if cache is None or rank:
        return
    Path(cache).mkdir(parents=True, exist_ok=True)
    with atomic.replacing(_cache_file(cache, extractor, digest)) as file:
        np.save(file, features)
