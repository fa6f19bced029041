"""What the command lines of the checks share: `parser`, and `run`, which turns whatever stops a check into one line."""

import argparse
from collections.abc import Callable

from align.compare.raised import NotComparable, described
from paddle_ugatit.cli import command

CODES = "0 aligned, 1 diverged, 2 not comparable or bad usage"


def parser(program: str, doc: str, example: str, codes: str = CODES) -> argparse.ArgumentParser:
    """Return the parser of a check, without arguments: described by the first line of `doc`, an example, exit codes."""
    epilog = f"example: python align/{program}.py {example}\nexit code: {codes}"
    return command.Parser(f"{program}.py", doc.split("\n")[0], epilog)


def add_device(options: argparse._ActionsContainer) -> None:
    """Add --device, which `use_device` takes."""
    options.add_argument("--device", metavar="NAME", default="cpu", help="where Paddle computes: cpu, gpu, gpu:1 (cpu)")


def use_device(arguments: argparse.Namespace) -> None:
    """Have Paddle compute where --device says, exactly and in the same way each time, and print what that is."""
    from paddle_ugatit.backend import device  # which needs Paddle; a recording is made without it

    device.choose(arguments.device)
    device.repeat_bit_for_bit()
    device.exact_products()
    print(device.line(), flush=True)


def add_report(options: argparse.ArgumentParser) -> None:
    """Add --json and --html, which write the report, and --device."""
    add_device(options)
    options.add_argument("--json", metavar="FILE", help="write the report as JSON")
    options.add_argument("--html", metavar="FILE", help="write the report as a page")


def run(program: str, work: Callable[[], int], also: tuple[type[Exception], ...] = ()) -> int:
    """Run a check and return its exit code: that of `work`, 2 if it cannot be run, 130 if interrupted.

    Unlike `paddle_ugatit.cli.command.run`, which returns 1 for bad input: here 1 means "diverged". Exceptions of the
    types in `also` count as bad input too. Any other is one line that says where it was raised.
    """
    codes = []
    try:
        ended = command.run(program, lambda: codes.append(work()))
    except (NotComparable, *also) as error:
        return command.failed(program, error, 2)
    except Exception as error:
        return command.failed(program, described(error), 2)
    return codes[0] if codes else 2 if ended == 1 else ended
