"""What a C++ library prints on stderr by itself, kept from the user: OpenCV and FFmpeg report faults there."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

_STDERR = 2


class Heard:
    """What was printed within a `hushed` block; `text` is there after it."""

    text = ""


@contextlib.contextmanager
def hushed() -> Iterator[Heard]:
    """Within the block nothing reaches the process's stderr, file descriptor 2, from Python or from C++.

    The block should hold a call of the library and nothing else, since a line of any other thread is swallowed, too.
    """
    heard = Heard()
    with contextlib.ExitStack() as stack:
        try:
            before = os.dup(_STDERR)
        except OSError:  # there is no stderr
            yield heard
            return
        stack.callback(os.close, before)
        file = stack.enter_context(tempfile.TemporaryFile())
        with contextlib.suppress(AttributeError, OSError, ValueError):  # a stderr of Python that is closed or replaced
            sys.stderr.flush()
        try:
            os.dup2(file.fileno(), _STDERR)
            yield heard
        finally:
            os.dup2(before, _STDERR)
            file.seek(0)
            heard.text = file.read().decode("utf-8", "replace")
