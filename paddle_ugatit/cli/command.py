"""What all command lines share: how they end.

Exit codes: 0 done, 1 the input or output is bad, 2 bad usage, 130 interrupted. A mistake of the user's is one line on
stderr; only a fault of the program itself ends in a traceback.
"""

import signal
import sys

from paddle_ugatit.backend.errors import InputError, UsageError


def run(program, work, interrupted="nothing was left half done"):
    """Call `work()` and return the exit code; it may return one itself, None is 0."""
    try:
        return work() or 0
    except UsageError as error:
        return failed(program, error, 2)
    except InputError as error:
        return failed(program, error, 1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return failed(program, f"{where}{error.strerror or error}", 1)
    except MemoryError:
        return failed(program, "not enough memory", 1)
    except KeyboardInterrupt:
        return failed(program, f"interrupted; {interrupted}", 130)


def failed(program, reason, code):
    """Print the reason in one line on stderr; returns the exit code."""
    print(f"{program}: {' '.join(str(reason).split())}", file=sys.stderr)
    return code


def end_as_interrupted():
    """Have SIGTERM end the process as Ctrl-C does, so that unfinished files are removed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
