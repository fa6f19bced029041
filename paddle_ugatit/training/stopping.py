"""What ends a run with a checkpoint: Ctrl-C, SIGTERM, a closed terminal, the end of the time that it was given."""

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

STOPPING = "stopping after this iteration with a checkpoint"
INTERRUPTED, LATE = 1, 2  # why a run is to stop


class Stopping:
    """Within the block, on the first Ctrl-C, SIGTERM or SIGHUP `asked` becomes true; on the second, the work ends.

    SIGHUP says that the terminal is gone: what would still be written to it goes nowhere, so that the saving succeeds.
    """

    def __init__(self, say: Callable[[str], None]):
        self.say = say
        self.asked = False
        self._deadline: float | None = None
        self._before: dict[int, Any] = {}  # signal -> handler
        self._terminals: list[int] = []  # file descriptors of stdout and stderr, if they are a terminal

    def within(self, minutes: float | None) -> None:
        """Let `late` become true after so many minutes from now; None is never."""
        self._deadline = None if minutes is None else time.monotonic() + 60 * minutes

    @property
    def late(self) -> bool:
        """Whether the time is over."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def __enter__(self) -> "Stopping":
        if threading.current_thread() is threading.main_thread():
            self._terminals = [number for number in (1, 2) if os.isatty(number)]
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
                if number := getattr(signal, name, None):
                    self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        if number == getattr(signal, "SIGHUP", None):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for terminal in self._terminals:
                os.dup2(nowhere, terminal)
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self.say(f"{STOPPING}; interrupt again to stop at once, without one")
