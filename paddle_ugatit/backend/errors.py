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


class InputError(Exception):
    """A file, folder or option cannot be used. The message names it and, where that is not obvious, says what to do."""


class UsageError(InputError):
    """Arguments are invalid or contradict one another."""


class Note(UserWarning):
    """Something about an input that a user should know; the message is one line. Commands print it on stderr."""
