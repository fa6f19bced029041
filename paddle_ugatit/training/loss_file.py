"""The files losses.csv and scores.csv of a run: a row for an iteration, LF at the end of each.

It is a record, and never a reason to stop: a row that was cut off is removed before the next one is written, and a file
that somebody has edited is set aside under another name, its rows kept as far as they are rows.
"""

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from paddle_ugatit.formats import atomic


class LossFile:
    """Writes the rows; `say` is called with a line when a file is set aside. Its methods raise OSError."""

    def __init__(self, path: Path, say: Callable[[str], None]):
        self.path, self.say = path, say

    def forget(self, resumed_at: int) -> None:
        """Remove the rows of iterations after `resumed_at`, which will be run again, and rows that were cut off."""
        if not self.path.exists():
            return
        # Whatever the file holds, it decodes; the last line is one that was cut off.
        text = self.path.read_bytes().decode("utf-8", "surrogateescape").replace("\r\n", "\n")
        header, *lines = text.split("\n")[:-1] or [text]
        good = [line for line in lines if line.count(",") == header.count(",") and _is_row(line)]
        known = header.startswith("iteration,") and header.isascii() and header.isprintable()
        kept = [line for line in good if int(line.partition(",")[0]) <= resumed_at] if known else []
        if text and (not known or len(good) < len(lines)):
            self._set_aside()
        with atomic.replacing(self.path, "w") as file:
            file.writelines(f"{line}\n" for line in [header, *kept] if known)

    def append(self, columns: Sequence[str], values: Sequence[float]) -> None:
        """Write a row of numbers, the first of them an iteration, and before the first row their names."""
        header = f"{','.join(columns)}\n"
        self._cut()
        found = b""
        with contextlib.suppress(FileNotFoundError), open(self.path, "rb") as file:
            found = file.readline().replace(b"\r\n", b"\n")
        if found and found != header.encode():
            self._set_aside()
            found = b""
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            file.write(("" if found else header) + f"{','.join(map(str, values))}\n")

    def _cut(self) -> None:
        """Remove what follows the last end of a line: a row that a full disk or a kill has cut off."""
        with contextlib.suppress(FileNotFoundError), open(self.path, "r+b") as file:
            end = file.seek(0, os.SEEK_END)
            if end:
                start = max(0, end - (1 << 16))
                file.seek(start)
                file.truncate(start + file.read().rfind(b"\n") + 1)

    def _set_aside(self) -> None:
        number = 1
        while (other := self.path.with_name(f"{self.path.stem}_{number}{self.path.suffix}")).exists():
            number += 1
        os.rename(self.path, other)
        self.say(
            f"note: {self.path.name} is not as it was written and is now {other.name}; a new one holds what can be used"
        )


def _is_row(line: str) -> bool:
    """Return whether a line holds the number of an iteration and other numbers."""
    number, *fields = line.split(",")
    try:
        int(number)
        [float(field) for field in fields]
    except ValueError:
        return False
    return line.isascii()
