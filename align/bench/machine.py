"""The machine that a benchmark runs on, and whether others were at work on it: no ratio from a busy one goes unmarked.

Contents: Watch (what other processes computed since its start), watched (the lines before and after a benchmark),
description. The CPU time of others is that of the whole machine in /proc/stat, with what a hypervisor took away, less
that of this process and of its children that have ended. The average load is printed too, but it looks back a minute,
so that a benchmark after another one seems to meet a load: it decides only where there is no /proc/stat.
"""

import contextlib
import os
import platform
import resource
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

QUIET = 0.05  # share of all cores that others may use in a quiet run
BUSY = " (busy)"  # behind a ratio that was measured while others computed
UNKNOWN = " (load unknown)"
PACKAGES = ("numpy", "paddlepaddle", "paddlepaddle-gpu", "torch", "torch-fidelity", "onnxruntime", "openvino")
THREADS = ("OMP_NUM_THREADS", "KMP_BLOCKTIME", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OPENBLAS_NUM_THREADS")


def cores() -> int:
    """Return the number of cores of the machine."""
    return os.cpu_count() or 1


def busy_seconds() -> float | None:
    """Return the CPU seconds that the whole machine has spent since it was started, or None if it does not tell."""
    try:
        numbers = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        user, nice, system, _idle, _waiting, interrupts, soft, stolen = numbers
    except (OSError, ValueError):
        return None
    return (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def load() -> float | None:
    """Return the average number of processes that computed or wanted to, of the last minute; None if not known."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


class Watch:
    """What other processes compute from now on; every child that belongs to the benchmark must end before it asks."""

    def __init__(self) -> None:
        self.load = load()
        self._start = time.perf_counter(), busy_seconds(), own_seconds()

    def others(self) -> float | None:
        """Return how many cores other processes kept busy on average since the start, or None if not known."""
        start, busy, own = self._start
        now = busy_seconds()
        if now is None or busy is None:
            return None
        return max(0.0, now - busy - (own_seconds() - own)) / max(1e-9, time.perf_counter() - start)

    def mark(self) -> str:
        """Return what stands behind a ratio measured since the start: nothing on a quiet machine."""
        others = self.others()
        return mark(self.load if others is None else others)


def mark(others: float | None) -> str:
    """Return what stands behind a ratio that was measured while others used so many cores."""
    if others is None:
        return UNKNOWN
    return "" if others <= QUIET * cores() else BUSY


def description(threads: int | None = None) -> list[str]:
    """Return the lines that tell processor, cores, memory, versions and threads; None: as the environment has them."""
    versions = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions.append(f"{name} {metadata.version(name)}")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores()
    said = f"{cores()} cores" + (f", {usable} of them for this process" if usable != cores() else "")
    found = [f"{name}={os.environ[name]}" for name in THREADS if name in os.environ] or ["by default"]
    return [
        f"machine: {_processor()}, {said}, {_memory():.1f} GiB; {platform.system()}",
        f"versions: {', '.join(versions)}",
        f"threads: {threads or ', '.join(found)}",
    ]


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError):
        return float("nan")


@contextlib.contextmanager
def watched(threads: int | None = None) -> Iterator[Watch]:
    """Print the machine before the block, and its load before and after it with what the others used."""
    watch = Watch()
    print(*description(threads), f"load before: {_shown(watch.load)}", "", sep="\n", flush=True)
    yield watch
    print("\n" + summary(watch), flush=True)


def summary(watch: Watch) -> str:
    """Return the line that tells the load after a benchmark, and whether the machine was quiet."""
    others, found = watch.others(), watch.mark()
    used = "not known" if others is None else f"{others:.2f} of {cores()} cores"
    verdict = f"NOT QUIET, what was measured meanwhile is marked{found}" if found else "quiet"
    return f"load after: {_shown(load())}; other processes used {used}: {verdict}"


def _shown(value: float | None) -> str:
    return "not known" if value is None else f"{value:.2f}"
