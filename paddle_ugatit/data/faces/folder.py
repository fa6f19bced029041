"""The procedural faces as a data set on disk: trainA, trainB, testA, testB and a note of the options used."""

import contextlib
import functools
import io
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
from PIL import Image

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data.faces import draw as faces
from paddle_ugatit.formats import atomic

NOTE = "dataset.json"
_KIND = "paddle_ugatit procedural faces"
_VERSION = 2  # of the drawings: raised when the same options give other pixels
SMALLEST, LARGEST = 16, 1024  # pixels
MOST = 1_000_000  # images of a split
_AHEAD = 64  # images that a worker process may draw ahead


def make_dataset(
    out: Path | str,
    train: int,
    test: int,
    size: int,
    seed: int,
    jobs: int = 1,
    progress: Callable[[int], object] = lambda n: None,
) -> bool:
    """Draw the data set into the folder `out`, atomically. Returns False if the same data set is already there.

    `train` and `test` are the numbers of images per domain; image i of a split depends on seed, split, i and size
    alone, not on the number of processes `jobs`. `progress(n)` is called after every n images. A data set drawn with
    other options is replaced. Raises InputError if an option is out of range, if `out` holds any other files, or if it
    cannot be written.
    """
    options = {"kind": _KIND, "version": _VERSION, "train": train, "test": test, "size": size, "seed": seed}
    _require_sensible(options)
    target = Path(os.path.realpath(out))
    if _found(target, out) == options:
        return False
    temporary = target.with_name(atomic.temporary_name(target.name))
    try:
        temporary.mkdir(parents=True)
        _fill(temporary, options, jobs, progress)
        _put_in_place(temporary, target)
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return True


def is_drawn(folder: Path | str) -> bool:
    """Whether a folder is a data set drawn here, or one of its four folders."""
    for place in (Path(folder), Path(folder).parent):
        try:
            if json.loads((place / NOTE).read_text(encoding="utf-8"))["kind"] == _KIND:
                return True
        except (OSError, ValueError, KeyError, TypeError):
            pass  # no note written here
    return False


def _require_sensible(options: dict) -> None:
    for name in ("train", "test"):
        if not 1 <= options[name] <= MOST:
            raise InputError(f"the number of {name} images must be 1 to {MOST}, got {options[name]}")
    if not SMALLEST <= options["size"] <= LARGEST:
        raise InputError(f"the size must be {SMALLEST} to {LARGEST} pixels, got {options['size']}")
    if options["seed"] < 0:
        raise InputError(f"the seed must be 0 or more, got {options['seed']}")


def _names(options: dict) -> Iterator[tuple[str, int, str]]:
    """Yield split, index and path in the folder of every image."""
    for split in faces.SPLITS:
        for index in range(options["train" if split.startswith("train") else "test"]):
            yield split, index, f"{split}/{index:05d}.png"


def _found(target: Path, out: Path | str) -> dict | None:
    """The options of the data set found there, None if there is nothing. Raises InputError for anything else."""
    try:
        if not target.exists():
            return None
        files = [path.relative_to(target) for path in target.rglob("*") if not path.is_dir()]
        here = {path.as_posix() for path in files if not _left_by_others(path)}
        if target.is_dir() and not here:
            return None
        options = json.loads((target / NOTE).read_text(encoding="utf-8"))
        if options["kind"] == _KIND and here == {NOTE, *(name for _, _, name in _names(options))}:
            return options
    except NotADirectoryError:
        raise InputError(f"{out}: is not a folder") from None
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not a note written here
    raise InputError(f"{out}: holds files that are not of such a data set; choose another folder, or empty it")


def _left_by_others(path: Path) -> bool:
    """Whether a file in a data set was left by a file manager or Jupyter, such as .DS_Store and Thumbs.db."""
    return any(part.startswith(".") for part in path.parts) or path.name in ("Thumbs.db", "desktop.ini")


def _fill(folder: Path, options: dict, jobs: int, progress: Callable[[int], object]) -> None:
    for split in faces.SPLITS:
        (folder / split).mkdir()
    tasks = list(_names(options))
    draw = functools.partial(_drawn, options["size"], options["seed"])
    with _one_opencv_thread():
        if jobs > 1:
            with ProcessPoolExecutor(jobs, initializer=_begin_worker) as pool:
                for start in range(0, len(tasks), jobs * _AHEAD):
                    some = tasks[start : start + jobs * _AHEAD]
                    _write(folder, some, pool.map(draw, some, chunksize=4), progress)
        else:
            _write(folder, tasks, map(draw, tasks), progress)
    (folder / NOTE).write_text(json.dumps(options, indent=2) + "\n", encoding="utf-8")


@contextlib.contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """Within the block OpenCV uses no threads: the images are too small for them, and the workers fill the cores."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(0)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent process, which ends the workers, and draw with one thread."""
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _drawn(size: int, seed: int, task: tuple[str, int, str]) -> bytes:
    """One image as the bytes of a PNG file."""
    split, index, _ = task
    buffer = io.BytesIO()
    Image.fromarray(faces.draw(split, index, size, seed)).save(buffer, "PNG")
    return buffer.getvalue()


def _write(
    folder: Path, tasks: list[tuple[str, int, str]], files: Iterable[bytes], progress: Callable[[int], object]
) -> None:
    for (_, _, name), content in zip(tasks, files, strict=True):
        (folder / name).write_bytes(content)
        progress(1)


def _put_in_place(temporary: Path, target: Path) -> None:
    """Rename the folder; an older data set is kept aside until the new one is in place."""
    if not target.exists() or not any(target.iterdir()):
        os.replace(temporary, target)
        return
    aside = temporary.with_suffix(".old")
    os.rename(target, aside)
    try:
        os.rename(temporary, target)
    except BaseException:
        os.rename(aside, target)
        raise
    shutil.rmtree(aside)
