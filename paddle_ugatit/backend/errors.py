"""The exceptions that stand for a mistake of the user's, not of the program's: one line each, fit for stderr."""


class InputError(Exception):
    """A file, folder or option that cannot be used; the line names it, and what to do where that is not plain."""


class UsageError(InputError):
    """Arguments that contradict one another."""
