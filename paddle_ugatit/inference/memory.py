"""How much memory a generator takes for an image, how much is free, and the size at which an image fits.

    bytes = 4 * height * width * (23 ngf + 300)        below 64 channels
            4 * height * width * (24.5 ngf - 540)      from 64 on, where convolutions are computed in another way
            4 * height * width * (18 ch + 80)          AdaIN, for the largest of the images

Upper bounds, fitted to peaks that were measured on a CPU with Paddle 3.3 and 2.6; docs/metrics.md has the table. On a
GPU they were not measured; they stand for it, as the tensors are the same and its kernels copy less.
"""

import contextlib
from pathlib import Path

import paddle

from paddle_ugatit.backend import device
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.inference.translate import SMALLEST
from paddle_ugatit.models.ugatit import ResnetGenerator

LARGEST = 16384  # pixels: the largest side to which images are resized on demand
MAX_SIDE = 2048  # pixels: longer images are translated at this size and enlarged again
_SMALLER = (1536, 1024, 768, 512, 384, 256)  # steps, so that the result depends little on what else is running
_SHARE = 0.8  # of the free memory
_COPIES = 12  # bytes a pixel of the image itself: as read, as an array, as a result and encoded
_GIB = 2**30


def needed(ngf: int, height: int, width: int) -> int:
    """Return the bytes that a generator of `ngf` channels takes at most for one image."""
    return int(4 * height * width * (23 * ngf + 300 if ngf < 64 else 24.5 * ngf - 540))


def needed_for_style(ch: int, height: int, width: int) -> int:
    """Return the bytes that AdaIN, of `ch` channels, takes at most if this is the largest image."""
    return int(4 * height * width * (18 * ch + 80))


def require_free(needs: int, free: int | None, what: str) -> None:
    """Raise InputError, which begins with `what`, unless `needs` bytes fit in `free` ones (None: unknown)."""
    if free is not None and needs > _SHARE * free:
        raise InputError(f"{what} need about {needs / _GIB:.1f} GiB of memory, {free / _GIB:.1f} GiB are free")


def available(root: str = "/") -> int | None:
    """Return the bytes of memory that can still be taken: the system's, a container's, a user's limit; None if unknown.

    On a GPU those of the device. `root` is where proc and sys lie.
    """
    if paddle.get_device() != "cpu":
        return device.free_memory()
    readings = (_system(Path(root)), *_container(Path(root)), _own_limit(Path(root)))
    return min((reading for reading in readings if reading is not None), default=None)


def _system(root: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = (root / "proc/meminfo").read_text()
        return int(text.split("MemAvailable:")[1].split()[0]) * 1024
    with contextlib.suppress(ImportError):  # not Linux
        import psutil

        return int(psutil.virtual_memory().available)
    return None


def _container(root: Path) -> list[int]:
    """What control groups leave, version 2 and 1."""
    found = []
    for limit, usage, stat in (
        ("memory.max", "memory.current", "memory.stat"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
    ):
        with contextlib.suppress(OSError, ValueError):  # absent, or "max"
            folder = root / "sys/fs/cgroup"
            most, used = (int((folder / name).read_text()) for name in (limit, usage))
            fields = dict(line.split() for line in (folder / stat).read_text().splitlines())
            cached = int(fields.get("total_inactive_file", fields.get("inactive_file", 0)))  # is given up on demand
            found.append(max(0, most - used + cached))
    return found


def _own_limit(root: Path) -> int | None:
    """What `ulimit -v` leaves."""
    with contextlib.suppress(ImportError, OSError, ValueError, IndexError):  # Windows has no such module
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            pages = int((root / "proc/self/statm").read_text().split()[0])
            return max(0, limit - pages * resource.getpagesize())
    return None


def working_size(network: ResnetGenerator, height: int, width: int, max_side: int, free: int | None) -> tuple[int, int]:
    """Return the height and width at which a light generator translates an image.

    That is the image's own size, or a smaller one whose longer side is at most `max_side` (0: no limit) and that fits
    in `free` bytes (None: unknown). Raises InputError if it does not fit at its own size and `max_side` is 0, or at no
    size.
    """
    ngf = network.DownBlock[1].weight.shape[0]
    longer = max(height, width)
    room = None if free is None else _SHARE * free - _COPIES * height * width
    for side in (min(longer, max_side or longer), *_SMALLER):
        if side > min(longer, max_side or longer):
            continue
        found = _scaled(height, width, side / longer)
        if room is None or needed(ngf, *found) <= room:
            return found
        if not max_side:
            break
    needs = needed(ngf, *found) + _COPIES * height * width
    raise InputError(
        f"{width}x{height} pixels need about {needs / _GIB:.1f} GiB of memory"
        f"{'' if found == (height, width) else f' even at {max(found)} px'}, {(free or 0) / _GIB:.1f} GiB are free"
    )


def batch_size(network: ResnetGenerator, height: int, width: int, free: int | None) -> int:
    """Return how many images of this size fit in `free` bytes (None: unknown) at once, 1 or more."""
    if free is None:
        return 2**31
    ngf = network.DownBlock[1].weight.shape[0]
    return max(1, int(_SHARE * free) // needed(ngf, height, width))


def _scaled(height: int, width: int, factor: float) -> tuple[int, int]:
    if factor >= 1:
        return height, width
    return max(min(SMALLEST, height), round(height * factor)), max(min(SMALLEST, width), round(width * factor))
