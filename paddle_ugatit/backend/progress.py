"""Progress of long work: a bar on a terminal, a plain line now and then in a log."""

import contextlib
import sys
import time
from types import TracebackType

from tqdm import tqdm

from paddle_ugatit.backend.errors import one_line

_FIRST_SECONDS, _PLAIN_SECONDS = 10, 60  # to the first line where there is no terminal, and between two of them


def to_stderr(line: str) -> None:
    """Print a line on stderr. What its encoding lacks is escaped; a stderr that cannot be written ends no work."""
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # ValueError: closed; RuntimeError: within a signal
        print(_encodable(one_line(line)), file=sys.stderr, flush=True)


def _encodable(line: str) -> str:
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)


class Progress:
    """Shows how much of `total` is done: a bar with rate and time left on a terminal, a line now and then elsewhere.

    A context manager. `total` is None if it is unknown. `unit` is a word, or "B" for bytes, which are scaled. `done` is
    what an earlier run did already.
    """

    def __init__(self, label: str, total: int | None, unit: str = "it", done: int = 0) -> None:
        self.label, self.total, self.unit, self.done = label, total, unit, done
        self._first, self._started = done, time.monotonic()
        self._next_line = self._started + _FIRST_SECONDS
        self._bar: tqdm | None = None
        if sys.stderr.isatty():
            self._bar = tqdm(
                total=total, desc=label, initial=done, unit=unit, unit_scale=unit == "B", leave=False, file=sys.stderr
            )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            with contextlib.suppress(OSError, ValueError):
                self._bar.close()

    def __call__(self, n: int = 1, note: str = "") -> None:
        """Count `n` more as done; `note` is shown after the figures."""
        self.done += n
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            with contextlib.suppress(OSError):
                self._bar.update(n)
        elif time.monotonic() >= self._next_line:
            to_stderr(self._line(note))
            self._next_line = time.monotonic() + _PLAIN_SECONDS

    def say(self, line: str) -> None:
        """Print a line on stderr without breaking the bar; line breaks within it, as in a file's name, are escaped."""
        line = one_line(line)
        if self._bar is not None:
            with contextlib.suppress(OSError, ValueError, RuntimeError):
                self._bar.write(_encodable(line), file=sys.stderr)
        else:
            to_stderr(line)

    def rate(self) -> float:
        """Return how much was done a second."""
        return (self.done - self._first) / max(time.monotonic() - self._started, 1e-9)

    def _line(self, note: str) -> str:
        rate = self.rate()
        if self.total is None:
            return f"{self.label}: {self.done}, {rate:.2f} {self.unit}/s" + (f", {note}" if note else "")
        left = tqdm.format_interval((self.total - self.done) / rate) if rate else "?"
        share = self.done / self.total if self.total else 1
        if self.unit == "B":
            amount, speed = f"{size(self.done)} of {size(self.total)}", f"{size(rate)}/s"
        else:
            amount, speed = f"{self.done} of {self.total}", f"{rate:.2f} {self.unit}/s"
        return f"{self.label}: {amount} ({share:.0%}), {speed}, {left} left" + (f", {note}" if note else "")


def size(nbytes: float) -> str:
    """Return a number of bytes for people, as tqdm's bars show it: 1536 -> "1.54kB"."""
    return tqdm.format_sizeof(nbytes, "B")
