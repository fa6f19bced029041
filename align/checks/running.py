"""How a check ends: `run` turns whatever stops it into one line on stderr and an exit code."""

from collections.abc import Callable

from align.compare.reference import NotComparable
from paddle_ugatit.cli import command


def run(program: str, work: Callable[[], int], also: tuple[type[Exception], ...] = ()) -> int:
    """Run a check and return its exit code: that of `work`, 2 if it cannot be run, 130 if interrupted.

    Unlike `paddle_ugatit.cli.command.run`, which returns 1 for bad input: here 1 means "diverged". Exceptions of the
    types in `also` count as bad input too.
    """
    codes = []
    try:
        ended = command.run(program, lambda: codes.append(work()))
    except (NotComparable, *also) as error:
        return command.failed(program, error, 2)
    return codes[0] if codes else 2 if ended == 1 else ended
