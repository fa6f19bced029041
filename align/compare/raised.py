"""Exceptions that a comparison ends with, as one line: which side, where, and what."""

import re
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paddle_ugatit.backend.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
_LIBRARY = sysconfig.get_paths()["stdlib"]
LONGEST = 300  # characters of a message


class NotComparable(Exception):
    """A comparison that is impossible: a side that raises or does not repeat itself, a recording that does not fit."""


@contextmanager
def on_side(name: str) -> Iterator[None]:
    """Within the block, turn exceptions of `name`, "PyTorch" or "Paddle", into NotComparable.

    InputError, of files and options, and MemoryError pass unchanged.
    """
    try:
        yield
    except (NotComparable, InputError, MemoryError):
        raise
    except Exception as error:
        raise NotComparable(f"{name} raised {described(error)}") from error


def described(error: BaseException) -> str:
    """Return an exception as one line: its type, where it was raised, the layer if it is known, and its message."""
    layer = getattr(error, "layer_path", None)
    inside = f", layer {layer}" if layer else ""
    return f"{type(error).__name__} at {where(error)}{inside}: {message(error)}"


def where(error: BaseException) -> str:
    """Return "file:line" of the innermost frame in the project or in a user's file, outside the harness if possible."""
    frames = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    own = [(path, line) for path, line in frames if "site-packages" not in path.parts and path.is_file()]
    own = [(path, line) for path, line in own if path.is_relative_to(ROOT) or not path.is_relative_to(_LIBRARY)]
    for path, line in reversed(own):
        if not path.is_relative_to(ROOT / "align") or path.is_relative_to(ROOT / "align/examples"):
            return f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}:{line}"
    for path, line in reversed(own):
        return f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}:{line}"
    return "an unknown place"


def message(error: BaseException) -> str:
    """Return the message of an exception as one line, without the C++ frames that Paddle adds."""
    text = str(error).rpartition("Error Message Summary:")[2]
    lines = [line.strip() for line in text.splitlines()]
    text = " ".join(line for line in lines if line.strip("- "))
    text = re.sub(r"\s*\(at /[^)]*\)|\s*\[operator < \w+ > error\]", "", text).removeprefix(f"{type(error).__name__}: ")
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
