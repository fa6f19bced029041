"""Measure lines of the table in processes of their own, since some input makes Paddle end its process: `lines`."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from queue import Queue
from typing import Any

LOADED = ("align.api.measure", "align.api.tables")
SECONDS = 60  # that one comparison may take


def lines(names: Sequence[str], jobs: int, done: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Return the measured line of each name; `done(name)` is called after each. Raises RuntimeError if one fails."""
    left, found, faults = Queue(), {}, []
    for name in names:
        left.put(name)

    def work():
        worker = _Worker()
        for name in iter(lambda: None if left.empty() else left.get(), None):
            try:
                found[name] = worker.line(name)
            except RuntimeError as error:
                faults.append(f"{name}: {error}")
            done(name)
        worker.end()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise RuntimeError("; ".join(faults[:3]))
    return {name: found[name] for name in names}


class _Worker:
    """A process that measures one line after another, and is begun anew when it ended."""

    def __init__(self) -> None:
        self.process: Any = None

    def line(self, name: str) -> dict[str, Any]:
        """Return the line; comparisons that end the process are marked, and left out the next time."""
        fatal: list[str] = []
        while True:
            for kind, value in self._answers(name, fatal):
                if kind == "done":
                    return value
                if kind == "failed":
                    raise RuntimeError(value)
                last = value
            fatal.append(last)

    def _answers(self, name, fatal) -> Iterator[tuple[str, Any]]:
        if self.process is None:
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(list(LOADED))  # once, so that a new process is ready at once
            self.pipe, other = context.Pipe()
            self.process = context.Process(target=serve, args=(other,), daemon=True)
            self.process.start()
            other.close()
        self.pipe.send((name, fatal))
        try:
            while self.pipe.poll(SECONDS):
                yield self.pipe.recv()
        except EOFError:
            pass
        self.end()

    def end(self) -> None:
        """End the process, if there is one."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None


def serve(pipe: Any) -> None:
    """Measure what the pipe asks for: a name and the comparisons to leave out."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    silent = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silent, stream)  # for what Paddle says when it ends
    from align.api.measure import measured
    from align.api.tables import every

    while True:
        try:
            name, fatal = pipe.recv()
        except EOFError:
            return

        def begun(use: str, fatal: list[str] = fatal) -> bool:
            pipe.send(("begun", use))
            return use not in fatal

        try:
            pipe.send(("done", measured(every()[name], begun)))
        except Exception as error:  # a mistake in the table
            pipe.send(("failed", f"{type(error).__name__}: {error}"))
