"""Functions run in processes forked from this one, a few at a time; one that hangs is killed.

Forking saves each of them the seconds in which PyTorch and Paddle are loaded. It is safe as long as this process has
loaded them but computed nothing, since no thread of theirs has been started.
"""

import contextlib
import json
import os
import resource
import selectors
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

HUNG, DIED = "timeout", "crash"
_MEMORY = 8 << 30  # bytes that a process may take beyond those of this one
_IN_TIME = 0.95  # share of its time after which a process says where it stands


@dataclass
class Job:
    """A function, whose result must be JSON, and how many seconds it may take."""

    name: str
    work: Callable[[], Any]
    seconds: float
    late: Callable[[], Any] | None = None  # called in the process shortly before it is killed; its result is taken


@dataclass
class _Running:
    job: Job
    process: int
    pipe: int
    ends: float
    received: bytearray = field(default_factory=bytearray)


def run(jobs: Iterable[Job], at_once: int) -> Iterator[tuple[str, Any]]:
    """Run the jobs, `at_once` at a time, and yield the name and the result of each as it ends.

    The result of a job that took too long is HUNG, that of one whose process ended without a result DIED.
    """
    waiting = iter(jobs)
    running: dict[int, _Running] = {}
    with selectors.DefaultSelector() as selector:
        try:
            while True:
                while len(running) < at_once and (job := next(waiting, None)) is not None:
                    started = _start(job)
                    running[started.pipe] = started
                    selector.register(started.pipe, selectors.EVENT_READ)
                if not running:
                    return
                ended = _listen(selector, running)
                for one, late in ended:
                    selector.unregister(one.pipe)
                    del running[one.pipe]
                    yield one.job.name, _result(one, late)
        finally:
            for one in running.values():
                _end(one)


def _listen(selector: selectors.BaseSelector, running: dict[int, _Running]) -> list[tuple[_Running, bool]]:
    """Read what the processes have written; return those that ended, and those that are late, with True."""
    ended = []
    for key, _ in selector.select(timeout=0.5):
        one = running[key.fd]
        piece = os.read(one.pipe, 1 << 16)
        one.received += piece
        if not piece:
            ended.append((one, False))
    done = [one for one, _ in ended]
    return ended + [(one, True) for one in running.values() if one not in done and time.monotonic() > one.ends]


def _result(one: _Running, late: bool) -> Any:
    _end(one)
    if late:
        return HUNG
    try:
        return json.loads(one.received)
    except ValueError:
        return DIED


def _end(one: _Running) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(one.process, signal.SIGKILL)  # with whatever it has started
    with contextlib.suppress(ProcessLookupError):
        os.kill(one.process, signal.SIGKILL)
    os.close(one.pipe)
    os.waitpid(one.process, 0)


def _start(job: Job) -> _Running:
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        _be_the_child(job, reading, writing)
    os.close(writing)
    return _Running(job, process, reading, time.monotonic() + job.seconds)


def _be_the_child(job: Job, reading: int, writing: int) -> None:
    """Do the job and end the process, whatever happens."""
    try:
        os.setpgid(0, 0)  # a group of its own, so that Ctrl-C reaches only the parent
        os.close(reading)
        silent = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silent, stream)
        _limit_memory()
        if job.late:
            _answer_when_late(job.late, _IN_TIME * job.seconds, writing)
        _answer(job.work(), writing)
    finally:
        os._exit(0)


def _answer(found: Any, writing: int) -> None:
    data = json.dumps(found).encode()
    signal.setitimer(signal.ITIMER_REAL, 0)
    with open(writing, "wb") as pipe:
        pipe.write(data)


def _answer_when_late(late: Callable[[], Any], seconds: float, writing: int) -> None:
    """Have the process answer with `late` and end, wherever it stands then, if Python still runs in it."""

    def answer(number: int, frame: Any) -> None:
        try:
            _answer(late(), writing)
        finally:
            os._exit(0)

    signal.signal(signal.SIGALRM, answer)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _limit_memory() -> None:
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/self/statm", encoding="ascii") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + _MEMORY, resource.RLIM_INFINITY))
