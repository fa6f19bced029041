"""Progress of long work: a bar on a terminal, a plain line now and then in a log."""

import sys
import time

_PLAIN_SECONDS = 10  # between two lines of progress where there is no terminal


class Progress:
    """Work done of `total`: a bar with rate and time left on a terminal, a line now and then elsewhere.

    A context manager. `unit` is "B" for bytes, which are scaled, or a word; `done` counts what an earlier run did.
    """

    def __init__(self, label, total, unit="it", done=0):
        self.label, self.total, self.unit, self.done = label, total, unit, done
        self._first, self._started = done, time.monotonic()
        self._next_line = self._started + _PLAIN_SECONDS
        self._bar = _bar(label, total, unit, done) if sys.stderr.isatty() else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._bar is not None:
            self._bar.close()

    def __call__(self, n=1, note=""):
        """Count `n` more as done; `note` is shown behind the figures."""
        self.done += n
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(n)
        elif time.monotonic() >= self._next_line:
            print(self._line(note), file=sys.stderr, flush=True)
            self._next_line = time.monotonic() + _PLAIN_SECONDS

    def say(self, line):
        """A line of its own on stderr, beside the bar."""
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)

    def _line(self, note):
        rate = (self.done - self._first) / max(time.monotonic() - self._started, 1e-9)
        left = duration((self.total - self.done) / rate) if rate else "?"
        share = self.done / self.total if self.total else 1
        if self.unit == "B":
            amount, speed = f"{size(self.done)} of {size(self.total)}", f"{size(rate)}/s"
        else:
            amount, speed = f"{self.done} of {self.total}", f"{rate:.2f} {self.unit}/s"
        return f"{self.label}: {amount} ({share:.0%}), {speed}, {left} left" + (f", {note}" if note else "")


def _bar(label, total, unit, done):
    """A bar with rate and time left, None where tqdm is not installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    scale = {"unit_scale": True, "unit_divisor": 1024} if unit == "B" else {}
    return tqdm(total=total, desc=label, initial=done, file=sys.stderr, unit=unit, leave=False, **scale)


def size(nbytes):
    """A number of bytes for people: 1536 -> "1.5 KiB"."""
    for unit in ("B", "KiB", "MiB"):
        if nbytes < 1024:
            return f"{nbytes:.0f} {unit}" if unit == "B" else f"{nbytes:.1f} {unit}"
        nbytes /= 1024
    return f"{nbytes:.2f} GiB"


def duration(seconds):
    """A time for people: 3700 -> "1:01:40"."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
