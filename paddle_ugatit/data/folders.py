"""Folders of images as training data: trainA, trainB, testA, testB, read lazily.

Contents: ImageFolder (for paddle.io.DataLoader), Stream and TrainingData (used for training), test_images.
Batch s of a run depends on the files, the seed and s alone, so that a resumed run, or one spread over several
processes, sees the same batches as an uninterrupted one.
"""

import hashlib
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from paddle.io import Dataset

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.backend.progress import to_stderr
from paddle_ugatit.data import transforms
from paddle_ugatit.data.cache import PictureCache
from paddle_ugatit.data.images import ImageError, image_files, read_picture
from paddle_ugatit.data.pictures import Pictures, small_pictures

DOMAINS = {"A": 0, "B": 1}
_ORDER, _CHOICE = 0, 1  # separate streams of random numbers


class ImageFolder(Dataset):
    """The images of one folder for paddle.io.DataLoader: item i is float32 (3,S,S) in [-1,1].

    Without a `seed` images are only resized. With one they are mirrored and cropped at random, differently after
    `set_epoch`; an item does not depend on the worker that makes it. An unreadable file is replaced by the next
    readable one.
    """

    def __init__(
        self,
        folder: Path | str,
        size: int,
        seed: int | None = None,
        strict: bool = False,
        say: Callable[[str], None] = to_stderr,
    ):
        super().__init__()
        self.pictures = Pictures(image_files(folder, say), size, strict, say)
        self.seed, self.epoch = None if seed is None else _checked(seed, "seed"), 0

    def set_epoch(self, epoch: int) -> None:
        """Change the random choices for the next pass."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.pictures.files)

    def __getitem__(self, index: int) -> np.ndarray:
        if not -len(self) <= index < len(self):
            raise IndexError(f"item {index} of {len(self)}")
        index = int(index) % len(self)
        picture, size = self.pictures.read(range(len(self)), index), self.pictures.size
        if self.seed is None:
            return transforms.to_input(transforms.test_pixels(picture, size))
        choice = transforms.draw_choice(self.seed, self.epoch, _CHOICE, index)
        return transforms.to_input(transforms.train_pixels(picture, size, choice))


def _checked(number: int, name: str) -> int:
    if number < 0:
        raise InputError(f"the {name} must be 0 or more, got {number}")
    return number


class Stream:
    """The endless sequence of training samples of one domain, reshuffled after every pass over the files.

    `domain` is 0 or 1, so that A and B are shuffled independently. Sample n depends on files, seed, domain and n alone.
    With a `load_size`, what `framing` leaves of an image is resized to it and cropped at random but not mirrored;
    otherwise images are augmented as in U-GAT-IT, and are `margin` pixels larger than their crop. Resized pictures are
    kept in `cache`, by default none.
    """

    def __init__(
        self,
        files: Iterable[Path],
        size: int,
        batch_size: int,
        seed: int,
        domain: int,
        strict: bool = False,
        say: Callable[[str], None] = to_stderr,
        load_size: int | None = None,
        framing: transforms.Framing = transforms.STRETCHED,
        margin: int = transforms.MARGIN,
        cache: PictureCache | None = None,
    ):
        self.pictures = Pictures(files, size, strict, say)
        self.cache = PictureCache(0) if cache is None else cache
        self.batch_size, self.domain = batch_size, domain
        self.load_size, self.framing, self.margin = load_size, framing, margin
        self.seed = _checked(seed, "seed")
        self._orders: dict[int, np.ndarray] = {}  # of the epochs in use

    def sample(self, number: int) -> np.ndarray:
        """Return sample `number`, counted from 0: float32 (3,S,S)."""
        epoch, position = divmod(number, len(self.pictures.files))
        key = self.seed, self.domain, _CHOICE, number
        if self.load_size is None:
            choice = transforms.draw_choice(*key, margin=self.margin)
            flip, corner = choice.flip, (choice.top, choice.left)
        else:
            flip, corner = None, transforms.draw_corner(self.load_size - self.pictures.size, *key)
        resized = self._resized(self._order(epoch), position, flip)
        return transforms.to_input(transforms.cut(resized, self.pictures.size, corner))

    def _resized(self, order: np.ndarray, position: int, flip: bool | None) -> np.ndarray:
        """Return the picture at a position of `order` in the size from which it is cut: uint8 (H,W,3)."""
        index = int(order[position])

        def make() -> tuple[np.ndarray, bool]:
            picture, size = self.pictures.read(order, position), self.load_size
            if size is None:
                resized = transforms.with_margin(picture, self.pictures.size, bool(flip), self.margin)
            else:
                resized = transforms.test_pixels(self.framing(picture, size), size)
            # The next one in another order takes the place of a file that cannot be read.
            return resized, not self.pictures.is_bad(index)

        return self.cache.get((self.domain, index, flip), make)

    def batch(self, step: int, rank: int = 0, world_size: int = 1) -> np.ndarray:
        """Return the batch of process `rank` in iteration `step`, counted from 1: float32 (B,3,S,S).

        Together, `world_size` processes see the batch of a single process with batch size B * world_size.
        """
        first = ((step - 1) * world_size + rank) * self.batch_size
        return np.stack([self.sample(number) for number in range(first, first + self.batch_size)])

    def _order(self, epoch: int) -> np.ndarray:
        order = self._orders.get(epoch)
        if order is None:
            order = transforms.draw_order(len(self.pictures.files), self.seed, self.domain, _ORDER, epoch)
            # A new dict, as other threads read the old one. A batch may span two epochs, and prefetching more.
            recent = {key: value for key, value in self._orders.items() if abs(key - epoch) <= 2}
            self._orders = {**recent, epoch: order}
        return order


class TrainingData:
    """The batches of a training run, from trainA and trainB below `folder`, or only the given `domains`.

    `batch_size` is per process; `workers` threads read ahead, none if 0. `say` is called with one line for each
    unreadable file, for files that are left out, and for images smaller than `size`, which are enlarged; `strict` makes
    the first and the last raise InputError. `load_size`, `framing` and `margin` are those of Stream. Resized pictures
    are kept in up to `cache` bytes of memory, so that they are read once. Raises InputError if a folder is missing or
    empty, or if an argument is invalid.
    """

    def __init__(
        self,
        folder: Path | str,
        size: int,
        batch_size: int,
        seed: int,
        workers: int = 2,
        strict: bool = False,
        rank: int = 0,
        world_size: int = 1,
        say: Callable[[str], None] = to_stderr,
        domains: tuple[str, ...] = tuple(DOMAINS),
        load_size: int | None = None,
        framing: transforms.Framing = transforms.STRETCHED,
        margin: int = transforms.MARGIN,
        cache: int = 0,
    ):
        if batch_size < 1 or workers < 0 or not 0 <= rank < world_size:
            raise InputError(
                f"batch size {batch_size}, {workers} workers, process {rank} of {world_size}: not a valid combination"
            )
        self._folders = {domain: Path(folder, f"train{domain}") for domain in domains}
        self.files = dict(zip(domains, different_folders(*self._folders.values(), say=say), strict=True))
        for files in self.files.values():
            if line := small_pictures(files, size):
                if strict:
                    raise InputError(line)
                say(line)
        self.cache = PictureCache(cache)
        rest = (strict, say, load_size, framing, margin, self.cache)
        self.streams = [
            Stream(self.files[domain], size, batch_size, seed, DOMAINS[domain], *rest) for domain in domains
        ]
        self.rank, self.world_size, self.workers = rank, world_size, workers
        self._pool = ThreadPoolExecutor(workers) if workers else None

    @property
    def bad_files(self) -> list[str]:
        """The unreadable files that were skipped so far."""
        return sorted(path for stream in self.streams for path in stream.pictures.bad_files)

    @property
    def fingerprint(self) -> str:
        """A digest of the file names. If it changes, a resumed run does not see the batches it would have seen."""
        digest = hashlib.sha256()
        for domain, files in self.files.items():
            names = [path.relative_to(self._folders[domain]).as_posix() for path in files]
            digest.update("\0".join([*names, ""]).encode("utf-8", "surrogateescape") + b"\0")
        return digest.hexdigest()[:16]

    def batch(self, step: int) -> tuple[np.ndarray, ...]:
        """Return the real images of each domain in iteration `step`, counted from 1: float32 (B,3,S,S), in [-1,1]."""
        return tuple(stream.batch(step, self.rank, self.world_size) for stream in self.streams)

    def iterate(self, first_step: int, last_step: int) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield `batch` for every step from the first to the last, in order, prefetched by the workers."""
        if self._pool is None:
            yield from map(self.batch, range(first_step, last_step + 1))
            return
        steps = iter(range(first_step, last_step + 1))
        ahead: deque[Future[tuple[np.ndarray, ...]]] = deque()
        try:
            while True:
                while len(ahead) <= 2 * self.workers and (step := next(steps, None)) is not None:
                    ahead.append(self._pool.submit(self.batch, step))
                if not ahead:
                    return
                yield ahead.popleft().result()
        finally:
            for waiting in ahead:
                waiting.cancel()

    def close(self) -> None:
        """Stop the workers. Afterwards `batch` still works, but `iterate` does not if there were workers."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> "TrainingData":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def different_folders(*folders: Path, say: Callable[[str], None] | None = None) -> list[list[Path]]:
    """Return the image files of each folder, and say what is left out.

    Raises InputError if one is missing or empty, or two are the same.
    """
    files = [image_files(folder, say) for folder in folders]
    for one, other in itertools.combinations(folders, 2):
        if os.path.samefile(one, other):
            raise InputError(f"{one} and {other} are the same folder")
    return files


def test_images(
    folder: Path | str,
    domain: str,
    size: int,
    limit: int | None = None,
    strict: bool = False,
    say: Callable[[str], None] = to_stderr,
    framing: transforms.Framing = transforms.STRETCHED,
) -> list[tuple[str, np.ndarray]]:
    """Return name and float32 (3,S,S) of the first `limit` images in testA or testB, by `domain` "A" or "B".

    What `framing` leaves of an image is resized. Unreadable images are reported to `say` and skipped, or raise
    ImageError if `strict`. Raises InputError if there is no readable image.
    """
    folder = Path(folder, f"test{domain}")
    files = image_files(folder, say)
    found: list[tuple[str, np.ndarray]] = []
    for path in files:
        if limit is not None and len(found) >= limit:
            break
        try:
            pixels = transforms.test_pixels(framing(read_picture(path), size), size)
        except ImageError as error:
            if strict:
                raise
            say(f"skipped: {error}")
            continue
        found.append((path.relative_to(folder).as_posix(), transforms.to_input(pixels)))
    if not found and limit != 0:
        raise InputError(f"{folder}: none of its images can be read")
    return found
