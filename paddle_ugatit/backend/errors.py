"""The exceptions for mistakes of the user, not of the program: their message is one line, fit for stderr."""


class InputError(Exception):
    """A file, folder or option cannot be used. The message names it and, where that is not obvious, says what to do."""


class UsageError(InputError):
    """Arguments are invalid or contradict one another."""


class Note(UserWarning):
    """Something about an input that a user should know; the message is one line. Commands print it on stderr."""
