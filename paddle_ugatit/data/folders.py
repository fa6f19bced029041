"""Folders of pictures as training data: trainA, trainB, testA, testB, read lazily.

Contents: Pictures, ImageFolder (for paddle.io.DataLoader), Stream and TrainingData (what the trainer reads),
test_images. Batch s of a run is a pure function of the files, the seed and s: a resumed run sees what an unbroken one
would have seen, and so does a run spread over several processes.
"""

import contextlib
import hashlib
import itertools
import os
import sys
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from paddle.io import Dataset
from PIL import Image

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data import transforms
from paddle_ugatit.data.images import ImageError, image_files, read_picture

DOMAINS = {"A": 0, "B": 1}
_ORDER, _CHOICE = 0, 1  # what a key of random numbers is for
_LOOKED_AT = 200  # files whose size is looked up before a run


def to_stderr(line):
    """Where lines about bad files go unless a caller has a better place."""
    print(line, file=sys.stderr, flush=True)


class Pictures:
    """The image files of a folder; those that cannot be read are named once and passed over, or refused if `strict`."""

    def __init__(self, files, size, strict=False, say=to_stderr):
        if size < 1:
            raise InputError(f"the image size must be 1 or more, got {size}")
        self.files, self.size, self.strict, self.say = list(files), size, strict, say
        self.bad_files = []
        self._lock = threading.Lock()

    def read(self, order, position) -> Image.Image:
        """The picture at a position of `order`, or the next one after it that can be read, round to the beginning.

        Which one is taken depends on the files alone, so that it is the same when a run is repeated. Raises ImageError
        for a bad file if strict, InputError where no file can be read.
        """
        for shift in range(len(order)):
            path = self.files[order[(position + shift) % len(order)]]
            try:
                return self._read(path)
            except ImageError as error:
                if self.strict:
                    raise
                self._note(path, error)
        raise InputError(f"{os.path.commonpath([path.parent for path in self.files])}: no image there can be read")

    def _read(self, path):
        picture = read_picture(path)
        if self.strict and min(picture.size) < self.size:
            raise ImageError(_too_small(path, picture.size, self.size))
        return picture

    def _note(self, path, error):
        with self._lock:
            if str(path) in self.bad_files:
                return
            self.bad_files.append(str(path))
        self.say(f"skipped: {error}")


def _too_small(path, found, size):
    return f"{path}: has {found[0]}x{found[1]} pixels, fewer than the crop's {size}x{size}"


def small_pictures(files, size) -> str:
    """One line on pictures smaller than the crop among some of the files, "" for none. Reads only their headers."""
    looked_at = files[:: -(-len(files) // _LOOKED_AT)]
    small = []
    for path in looked_at:
        with contextlib.suppress(OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            with Image.open(path) as picture:
                found = picture.size
            if min(found) < size:
                small.append((path, found))
    if not small:
        return ""
    count = f"{len(small)} of {len(looked_at)} images looked at are like that"
    return f"{_too_small(*small[0], size)}; {count} and are enlarged, as in the original"


class ImageFolder(Dataset):
    """The pictures of one folder for paddle.io.DataLoader: item i is float32 (3,S,S) in [-1,1].

    Without a `seed` they are resized only. With one they are mirrored and cropped at random, and `set_epoch` changes
    how; an item is the same in whichever worker it is made. In place of a bad file stands the next good one.
    """

    def __init__(self, folder, size, seed=None, strict=False, say=to_stderr):
        super().__init__()
        self.pictures = Pictures(image_files(folder), size, strict, say)
        self.seed, self.epoch = _checked(seed, "seed"), 0

    def set_epoch(self, epoch):
        """Have the next pass make other random choices."""
        self.epoch = epoch

    def __len__(self):
        return len(self.pictures.files)

    def __getitem__(self, index):
        if not -len(self) <= index < len(self):
            raise IndexError(f"item {index} of {len(self)}")
        index = int(index) % len(self)
        picture, size = self.pictures.read(range(len(self)), index), self.pictures.size
        if self.seed is None:
            return transforms.to_input(transforms.test_pixels(picture, size))
        choice = transforms.draw_choice(self.seed, self.epoch, _CHOICE, index)
        return transforms.to_input(transforms.train_pixels(picture, size, choice))


def _checked(number, name):
    if number is not None and number < 0:
        raise InputError(f"the {name} must be 0 or more, got {number}")
    return number


class Stream:
    """The endless sequence of training samples of one domain: all files shuffled, then all shuffled anew, and so on.

    `domain` is 0 or 1, so that A and B are shuffled independently. Sample n is a function of files, seed, domain and n.
    With a `load_size` pictures are resized to it, cropped at random and never mirrored; else as U-GAT-IT's.
    """

    def __init__(self, files, size, batch_size, seed, domain, strict=False, say=to_stderr, load_size=None):
        self.pictures = Pictures(files, size, strict, say)
        self.batch_size, self.domain, self.load_size = batch_size, domain, load_size
        self.seed = _checked(seed, "seed")
        self._orders = {}  # of the epochs in use

    def sample(self, number) -> np.ndarray:
        """Sample `number`, counted from 0: float32 (3,S,S)."""
        epoch, position = divmod(number, len(self.pictures.files))
        picture = self.pictures.read(self._order(epoch), position)
        return transforms.to_input(self._varied(picture, self.pictures.size, self.seed, self.domain, _CHOICE, number))

    def _varied(self, picture, size, *key):
        if self.load_size is None:
            return transforms.train_pixels(picture, size, transforms.draw_choice(*key))
        corner = transforms.draw_corner(self.load_size - size, *key)
        return transforms.crop_pixels(picture, size, self.load_size, corner)

    def batch(self, step, rank=0, world_size=1) -> np.ndarray:
        """What process `rank` of `world_size` sees in iteration `step`, counted from 1: float32 (B,3,S,S).

        Together the processes see what one process with a batch of B * world_size would.
        """
        first = ((step - 1) * world_size + rank) * self.batch_size
        return np.stack([self.sample(number) for number in range(first, first + self.batch_size)])

    def _order(self, epoch):
        order = self._orders.get(epoch)
        if order is None:
            order = transforms.draw_order(len(self.pictures.files), self.seed, self.domain, _ORDER, epoch)
            # A new dict, since other threads read the old one. A batch may reach over two epochs, prefetching further.
            kept = {key: value for key, value in self._orders.items() if abs(key - epoch) <= 2}
            self._orders = {**kept, epoch: order}
        return order


class TrainingData:
    """trainA and trainB below `folder`, or those of them in `domains`, as the batches of a training run.

    `batch_size` is that of one process of `world_size`; `workers` threads read ahead, 0 for none. `say` is called with
    one line for each bad file and for pictures smaller than `size`, which are enlarged; with `strict` both raise
    InputError. `load_size` as in Stream.
    """

    def __init__(
        self,
        folder,
        size,
        batch_size,
        seed,
        workers=2,
        strict=False,
        rank=0,
        world_size=1,
        say=to_stderr,
        domains=tuple(DOMAINS),
        load_size=None,
    ):
        if batch_size < 1 or workers < 0 or not 0 <= rank < world_size:
            raise InputError(f"batch size {batch_size}, {workers} workers, process {rank} of {world_size} cannot be")
        self._folders = {domain: Path(folder, f"train{domain}") for domain in domains}
        self.files = dict(zip(domains, different_folders(*self._folders.values()), strict=True))
        for files in self.files.values():
            if line := small_pictures(files, size):
                if strict:
                    raise InputError(line)
                say(line)
        self.streams = [
            Stream(self.files[domain], size, batch_size, seed, DOMAINS[domain], strict, say, load_size)
            for domain in domains
        ]
        self.rank, self.world_size, self.workers = rank, world_size, workers
        self._pool = ThreadPoolExecutor(workers, "pictures") if workers else None

    @property
    def bad_files(self) -> list[str]:
        """The files passed over so far."""
        return sorted(path for stream in self.streams for path in stream.pictures.bad_files)

    @property
    def fingerprint(self) -> str:
        """Changes when files are added, removed or renamed: a run resumed then goes on with other batches."""
        digest = hashlib.sha256()
        for domain, files in self.files.items():
            names = [path.relative_to(self._folders[domain]).as_posix() for path in files]
            digest.update("\0".join([*names, ""]).encode("utf-8", "surrogateescape") + b"\0")
        return digest.hexdigest()[:16]

    def batch(self, step) -> tuple[np.ndarray, ...]:
        """Real images of each domain in iteration `step`, counted from 1: float32 (B,3,S,S) each, in [-1,1]."""
        return tuple(stream.batch(step, self.rank, self.world_size) for stream in self.streams)

    def iterate(self, first_step, last_step):
        """`batch` of every step from the first to the last one, in order, read ahead by the workers."""
        if self._pool is None:
            yield from map(self.batch, range(first_step, last_step + 1))
            return
        steps, ahead = iter(range(first_step, last_step + 1)), deque()
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

    def close(self):
        """Stop the workers. `batch` still works afterwards, `iterate` does not unless there were none."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def different_folders(*folders) -> list[list[Path]]:
    """The image files of each folder. Raises InputError for one that is missing or empty, or two that are the same."""
    files = [image_files(folder) for folder in folders]
    for one, other in itertools.combinations(folders, 2):
        if os.path.samefile(one, other):
            raise InputError(f"{one} and {other} are the same folder")
    return files


def test_images(folder, domain, size, limit=None, strict=False, say=to_stderr) -> list[tuple[str, np.ndarray]]:
    """Name and float32 (3,S,S) of the first `limit` pictures of test<domain>, "A" or "B"; bad ones are passed over."""
    folder = Path(folder, f"test{domain}")
    files = image_files(folder)
    found: list[tuple[str, np.ndarray]] = []
    for path in files:
        if limit is not None and len(found) >= limit:
            break
        try:
            pixels = transforms.test_pixels(read_picture(path), size)
        except ImageError as error:
            if strict:
                raise
            say(f"skipped: {error}")
            continue
        found.append((path.relative_to(folder).as_posix(), transforms.to_input(pixels)))
    if not found and limit != 0:
        raise InputError(f"{folder}: no image there can be read")
    return found
