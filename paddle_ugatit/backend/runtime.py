"""Process settings that make Paddle fast on a CPU, idle or busy: BLAS path, malloc, threads. No result depends on them.

A value that the user has set is respected, and a setting that does not apply is skipped. `PADDLE_UGATIT_RUNTIME=off`
switches all of them off; `PADDLE_UGATIT_RUNTIME=blas,threads` keeps only those named. `python tools/bench.py runtime`
measures what they gain on a machine, `python tools/bench.py busy` what `waiting` and `fewer` gain on a busy one.
"""

import contextlib
import ctypes
import io
import os
import platform
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

SWITCH = "PADDLE_UGATIT_RUNTIME"
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # glibc's malloc.h
_THREAD_WORTH = 1 << 24  # multiply-adds of a 1x1 convolution below which another thread gains nothing (measured)
_chosen: dict[str, int] = {}  # "threads": how many, if the user has not said; "fewer": 1 if that step is on
_AVX512 = {"avx512f", "avx512dq", "avx512cd", "avx512bw", "avx512vl"}


def configure() -> list[str]:
    """Apply the settings, before Paddle is loaded; return one line for each, for the log."""
    _chosen.clear()
    wanted = os.environ.get(SWITCH, "all").lower()
    steps = {"blas": _blas, "malloc": _malloc, "threads": _threads, "waiting": _waiting, "fewer": _fewer}
    on = steps if wanted == "all" else [name for name in steps if name in wanted.split(",")]
    return [f"{name}: {steps[name]() if name in on else f'off ({SWITCH}={wanted})'}" for name in steps]


def _blas() -> str:
    # Paddle's bundled MKL uses its slowest kernels on processors not made by Intel, unless told the type.
    if "MKL_DEBUG_CPU_TYPE" in os.environ:
        return f"MKL_DEBUG_CPU_TYPE={os.environ['MKL_DEBUG_CPU_TYPE']}, as found"
    vendor, flags = _processor()
    if vendor != "AuthenticAMD":
        return "MKL's own choice"
    if "paddle" in sys.modules:
        return "MKL's own choice (Paddle was loaded before; import paddle_ugatit first)"
    kind = "7" if flags >= _AVX512 else "5" if "avx2" in flags else ""
    if not kind:
        return "MKL's own choice"
    os.environ["MKL_DEBUG_CPU_TYPE"] = kind
    return f"MKL_DEBUG_CPU_TYPE={kind} ({'AVX-512' if kind == '7' else 'AVX2'} kernels on an AMD processor)"


def _malloc() -> str:
    # By default glibc returns every large buffer to the kernel, which then zeroes it again for each operation.
    if any(name.startswith("MALLOC_") for name in os.environ):
        return "MALLOC_* environment, as found"
    if platform.libc_ver()[0] != "glibc":
        return "system default (not glibc)"
    mallopt = ctypes.CDLL(None).mallopt
    # glibc takes an int for each: 2^31-1 is the largest.
    for option, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 256 << 20)):
        if not mallopt(option, value):
            return f"system default (mallopt({option}) refused)"
    return "large buffers are kept for reuse"


def _threads() -> str:
    # Paddle uses one thread if OMP_NUM_THREADS is unset.
    if "OMP_NUM_THREADS" in os.environ:
        return f"OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']}, as found"
    if "paddle" in sys.modules:
        return "Paddle's own choice (Paddle was loaded before; import paddle_ugatit first)"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    processes = _processes_here()
    threads = max(1, cores // processes)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    _chosen["threads"] = threads
    return f"OMP_NUM_THREADS={threads}" + (f" in each of {processes} processes" if processes > 1 else "")


def _waiting() -> str:
    # A thread that waits by spinning takes a core from whoever has work, often from the thread that it waits for: with
    # one other job on each core Paddle was up to 14 times slower. Intel's OpenMP, which Paddle uses, spins for 0.2 s
    # by default; PyTorch's, in the same process, obeys the same variable.
    for name in ("OMP_WAIT_POLICY", "KMP_BLOCKTIME", "KMP_LIBRARY", "GOMP_SPINCOUNT"):
        if name in os.environ:
            return f"{name}={os.environ[name]}, as found"
    if "paddle" in sys.modules:
        return "OpenMP's own choice (Paddle was loaded before; import paddle_ugatit first)"
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    return "OMP_WAIT_POLICY=PASSIVE (threads that wait leave the core to others)"


def _fewer() -> str:
    # Products of small matrices gain less from a second thread than the waiting for it costs.
    if "threads" not in _chosen:
        return "the same number of threads for networks of every size"
    _chosen["fewer"] = 1
    return "small networks are trained with fewer threads"


@contextlib.contextmanager
def threads_for(products: int) -> Iterator[int | None]:
    """Within the block, this thread computes with no more OpenMP threads than gain something for the size of its work.

    `products` are the multiply-adds that a 1x1 convolution would take at the network's widest map: B H W C^2. Below
    2^25, a second thread waits longer than it computes. Yields the number of threads if it was changed, else None:
    if the user has chosen it, or if `fewer` is switched off.
    """
    most = _chosen["threads"] if "fewer" in _chosen else 1
    wanted = min(most, max(1, products // _THREAD_WORTH))
    library = _openmp() if wanted < most else None
    if library is None:
        yield None
        return
    library.omp_set_num_threads(wanted)
    try:
        yield wanted
    finally:
        library.omp_set_num_threads(most)


def _openmp() -> ctypes.CDLL | None:
    """Return Intel's OpenMP as Paddle has loaded it, or None if it has not."""
    if not hasattr(os, "RTLD_NOLOAD"):
        return None
    try:
        return ctypes.CDLL("libiomp5.so", mode=os.RTLD_NOLOAD)
    except OSError:
        return None


def _processes_here() -> int:
    """Return the number of processes on this machine that paddle.distributed.launch has started with this one."""
    try:
        everywhere, machines = (int(os.environ.get(f"PADDLE_{name}", "1")) for name in ("TRAINERS_NUM", "NNODES"))
    except ValueError:
        return 1
    return max(1, everywhere // max(1, machines))


def _processor() -> tuple[str, set[str]]:
    """Return vendor and feature flags of the first processor; both are empty if the system does not tell them."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "", set()
    first = dict(line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in first.items()}
    return fields.get("vendor_id", ""), set(fields.get("flags", "").split())


SETTINGS = configure()


def import_paddle() -> None:
    """Import Paddle without its remarks on stderr (no ccache; several OpenMP threads), which need no action.

    zlib and Pillow are imported first: Paddle 2.6 exports an old zlib, with which Pillow cannot read any PNG.
    """
    import zlib  # noqa: F401

    with contextlib.suppress(ImportError):
        from PIL import Image  # noqa: F401
    with _signals_later(), contextlib.redirect_stderr(io.StringIO()):
        import paddle  # noqa: F401


@contextlib.contextmanager
def _signals_later() -> Iterator[None]:
    """Have Ctrl-C and SIGTERM wait until the end of the block, then act as the program has arranged.

    Paddle swallows a KeyboardInterrupt while it is loaded, and puts its own handler of SIGTERM, which prints a C++
    traceback, in the place of Python's.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    arrived: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ours = {number: handler for number, handler in before.items() if handler is not None}  # None: set by C code
    for number in ours:
        signal.signal(number, lambda arriving, _frame: arrived.append(arriving))
    masked = hasattr(signal, "pthread_sigmask")  # not on Windows
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ours) if masked else set()
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
        if masked:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if arrived:
            signal.raise_signal(arrived[0])
