"""The exceptions for mistakes of the user, not of the program: their message is one line, fit for stderr."""

import re

# Line breaks and other control characters, and bytes of names that are not UTF-8 (surrogates).
_UNPRINTABLE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff]")


def one_line(text: object) -> str:
    """Return a text, which may hold file names, as one line that any stream takes: what cannot be printed is escaped.

    >>> one_line("a\\nb")
    'a\\\\nb'
    """
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), str(text))


_FILLED = re.compile(r"Cannot allocate .+?(?=\.(?:\s|$))")  # a GPU's memory; the sentence has all figures
_REFUSED = re.compile(r"Fail to alloc memory of (\d+) size")  # the machine's, in bytes
_DEVICE_FAILED = re.compile(r"(?:\(External\)|ExternalError:)\s*(.+?)(?=\.(?:\s|$)|\s+\[Hint|\n|$)")


def out_of_memory(error: MemoryError) -> str:
    """Return the sentence of a MemoryError with Paddle's figures, where it has some.

    >>> out_of_memory(MemoryError("(ResourceExhausted) Fail to alloc memory of 8589934592 size, error code is 12."))
    'not enough memory: 8.0 GiB more could not be taken'
    """
    text = " ".join(str(error).split())
    if found := _FILLED.search(text):
        return f"not enough memory on the GPU: {found[0][0].lower()}{found[0][1:]}"
    if found := _REFUSED.search(text):
        return f"not enough memory: {int(found[1]) / 2**30:.1f} GiB more could not be taken"
    return "not enough memory"


def device_failure(error: OSError) -> str | None:
    """Return what failed on the device, of an OSError in which Paddle hands on an error of CUDA; None of any other.

    >>> device_failure(OSError("(External) CUDA error(700), an illegal memory access was encountered. [Hint: ...]"))
    'the device failed: CUDA error(700), an illegal memory access was encountered'
    """
    found = None if error.errno is not None else _DEVICE_FAILED.search(str(error))
    return f"the device failed: {found[1]}" if found else None


class InputError(Exception):
    """A file, folder or option cannot be used. The message names it and, where that is not obvious, says what to do."""


class UsageError(InputError):
    """Arguments are invalid or contradict one another."""


class Note(UserWarning):
    """Something about an input that a user should know; the message is one line. Commands print it on stderr."""
