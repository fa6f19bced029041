"""Sets of images: a folder, a list of files, or an array file of images or of features; and their features.

Contents: open_set (returns an ImageSet: Folder, FileList, Images or Features), features_of.
"""

import hashlib
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from paddle_ugatit import formats
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data import kinds
from paddle_ugatit.data.images import ImageError, image_files, read_image
from paddle_ugatit.metrics import arrays, parallel
from paddle_ugatit.metrics.cache import FeatureCache
from paddle_ugatit.metrics.features import FeatureExtractor, in_order

_NAMED = 3  # unreadable images listed in a message
_PLACEHOLDER = np.empty((1, 1, 3), np.uint8)  # in place of an unreadable image, whose features are then discarded
_LARGEST_LIST = 1 << 28  # bytes


class Folder:
    """All images below a folder, sorted by name. `say` is called with a line on what is left out."""

    kind, note = "images", ""

    def __init__(self, path: Path, say: Callable[[str], None] | None = None):
        self.path, self.files = path, image_files(path, say)

    def __len__(self) -> int:
        return len(self.files)

    def image(self, index: int) -> np.ndarray:
        """Read an image: uint8 (H,W,3). Raises ImageError if it cannot be read."""
        return read_image(self.files[index])

    def label(self, index: int) -> str:
        """Return the image's path within the folder."""
        return self.files[index].relative_to(self.path).as_posix()

    def contents(self) -> list[str]:
        """Return a digest of each file, of its content alone; "" for one that cannot be opened."""
        with ThreadPoolExecutor(2) as pool:
            return list(in_order(pool, _content, self.files, ahead=16))


def _content(path: Path) -> str:
    try:
        kinds.require_file(path)
        return formats.sha256(path)
    except (OSError, InputError):
        return ""  # what is wrong with it is told when it is read


class FileList(Folder):
    """The images whose paths a text file lists, one a line, in this order."""

    def __init__(self, path: Path, files: list[Path]):
        self.path, self.files = path, files

    def label(self, index: int) -> str:
        """Return the image's path."""
        return str(self.files[index])


class Images:
    """Images in one array, of any layout that `arrays.layout_of` knows."""

    kind = "images"

    def __init__(self, path: Path, array: np.ndarray, layout: arrays.Layout):
        self.path, self.array, self.layout, self.note = path, array, layout, layout.note

    def __len__(self) -> int:
        return len(self.array)

    def image(self, index: int) -> np.ndarray:
        """Return an image: uint8 (H,W,3)."""
        return self.layout.convert(self.array[index])

    def label(self, index: int) -> str:
        """Return the image's index in the file."""
        return f"[{index}]"

    def contents(self) -> list[str]:
        """Return a digest of each image."""
        kind = f"{self.array.dtype.str}{self.array.shape[1:]}{self.note}".encode()
        return [hashlib.sha256(kind + np.ascontiguousarray(row).tobytes()).hexdigest() for row in self.array]


class Features(Images):
    """Features extracted elsewhere, float (N,d)."""

    kind = "features"

    def __init__(self, path: Path, array: np.ndarray):
        super().__init__(path, array, arrays.Layout(lambda row: row, ""))


ImageSet = Folder | Images


def open_set(path: Path | str, say: Callable[[str], None] | None = None) -> ImageSet:
    """Open a folder of images, an .npz or .npy file of images or features, or a text file that lists images.

    `say` is called with a line on what is left out of a folder. Raises InputError for anything else.
    """
    if not str(path):
        raise InputError("the name of a set is empty")  # Path("") would be the current folder
    path = Path(path)
    if path.is_dir():
        return Folder(path, say)
    if not path.exists():
        raise InputError(f"{path}: there is no such folder or file")
    try:
        kinds.require_file(path)
        if not arrays.is_array_file(path):
            return FileList(path, _listed(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    array = arrays.read_array(path)
    if array.ndim == 4 and array.shape[2:] == (1, 1) and array.dtype.kind == "f":
        array = array.reshape(array.shape[:2])  # features as Inception's last pooling leaves them
    if array.ndim == 2 and array.dtype.kind == "f":
        return Features(path, array)
    layout = arrays.layout_of(array, path)
    if layout is None:
        raise InputError(f"{path}: holds {array.dtype} of shape {array.shape}, neither images nor features (N,d) float")
    return Images(path, array, layout)


def _listed(path: Path) -> list[Path]:
    """The files that a text file names, relative to its folder or else to the current one."""
    if path.stat().st_size > _LARGEST_LIST or b"\0" in (data := path.read_bytes()):
        raise InputError(
            f"{path}: is neither a folder of images, nor an .npz or .npy file, nor a text file that lists images"
        )
    names = [os.fsdecode(line.strip()) for line in data.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()]
    files = [found if (found := path.parent / name).exists() else Path(name) for name in names]
    if not any(file.is_file() for file in files):
        shown = f", such as {names[0][:100]}" if names else ""
        raise InputError(f"{path}: none of the {len(names)} files that it should list exists{shown}")
    return files


def digest_of(contents: list[str]) -> str:
    """Return the digest of a set from those of its images, in order; one that cannot be opened counts too."""
    return hashlib.sha256(b"".join(bytes.fromhex(content) or b"\0" for content in contents)).hexdigest()


def features_of(
    images: ImageSet,
    extractor: FeatureExtractor | None,
    cache: FeatureCache,
    digest: str,
    skip_bad: bool = False,
    progress: Callable[[int], object] | None = None,
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the features of a set with this digest, the indices of their images, and the labels of skipped images.

    float32 (N,d), int (N,), list. `progress(n)` is called after every n images. Raises InputError, with the number of
    unreadable images, unless `skip_bad` skips them.
    """
    everyone = np.arange(len(images))
    if isinstance(images, Features):
        return images.array, everyone, []
    assert extractor is not None, "images need an extractor"
    kept = cache.load(extractor, digest)
    if parallel.all_agree(kept is not None) and kept is not None:
        return kept, everyone, []
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
    if not len(left_out) and rank == 0:
        cache.keep(extractor, digest, features)
    good = np.setdiff1d(everyone, left_out)
    return features[good], good, [images.label(int(i)) for i in left_out]


def _flags(bad: dict[int, str], rank: int, world: int, total: int) -> np.ndarray:
    return np.array([float(i in bad) for i in range(rank, total, world)], np.float32)[:, None]


def _refusal(images: ImageSet) -> InputError:
    """An InputError with the number of unreadable images and the first of them."""

    def problem(index: int) -> str | None:
        try:
            images.image(index)
        except ImageError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(2) as pool:
        problems = [text for text in in_order(pool, problem, range(len(images)), ahead=16) if text]
    more = f" and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
    return InputError(
        f"{len(problems)} of {len(images)} images of {images.path} are unreadable: "
        f"{'; '.join(itertools.islice(problems, _NAMED))}{more}; --skip-bad leaves them out"
    )
