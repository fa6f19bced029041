"""What all commands share: how their help is laid out, and how they end.

Exit codes: 0 done, 1 the input or output is bad, 2 bad usage, 130 interrupted. A user's mistake is one line on stderr;
only a fault of the program itself ends in a traceback.
"""

import argparse
import io
import math
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from paddle_ugatit.backend.errors import InputError, Note, UsageError, device_failure, one_line, out_of_memory
from paddle_ugatit.formats import atomic

SEED = (0, 2**32 - 1)  # what NumPy's generators take
SIZE, WIDTH = (1, 16384), (1, 4096)  # of images; of layers and batches
CONSOLE = "paddle-ugatit"  # the console command that the package installs
# The help texts name the scripts of a checkout; under the console command they name its subcommands instead.
_SUBCOMMANDS = {"convert_weights": "convert"}  # of the others, underscores become hyphens


def parser(program: str, description: str | None, epilog: str) -> argparse.ArgumentParser:
    """Return a parser that prints `description` and `epilog` as they stand.

    Where `program` is a subcommand of the console command, the examples are spelled for it.
    """
    if program.startswith(f"{CONSOLE} "):
        epilog = for_console(epilog)
    return Parser(program, description, epilog)


class Parser(argparse.ArgumentParser):
    """A parser that refuses what no argument can mean: an empty text, NaN or infinity, a number beyond 64 bits."""

    def __init__(self, program: str, description: str | None, epilog: str) -> None:
        super().__init__(
            prog=program, description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        for kind, convert in ((None, _text), (int, _integer), (float, _number)):
            self.register("type", kind, convert)


def _text(value: str) -> str:
    if not value:
        raise argparse.ArgumentTypeError("is empty")
    return value


def _integer(value: str) -> int:
    if abs(number := int(_text(value))) >= 2**63:
        raise argparse.ArgumentTypeError(f"{value[:40]} is too large")
    return number


def _number(value: str) -> float:
    if not math.isfinite(number := float(_text(value))):
        raise argparse.ArgumentTypeError(f"must be a finite number, got {value[:40]}")
    return number


def for_console(text: str) -> str:
    """Return a help text in which `python tools/NAME.py` reads `paddle-ugatit NAME`.

    >>> for_console("python tools/eval_kid.py --fake a --real b")
    'paddle-ugatit eval-kid --fake a --real b'
    """

    def spelled(match: re.Match[str]) -> str:
        subcommand = _SUBCOMMANDS.get(match[2], match[2].replace("_", "-"))
        # paddle.distributed.launch takes the path of a program.
        return f"{match[1]}$(which {CONSOLE}) {subcommand}" if match[1] else f"{CONSOLE} {subcommand}"

    text = re.sub(r"(nproc_per_node \d )?(?:python )?tools/(\w+)\.py", spelled, text)
    return re.sub(r"work/configs/(\w+)\.yaml", r"\1", text)


def add_device(parser: argparse._ActionsContainer) -> None:
    """Add the option `--device`; `paddle_ugatit.backend.device.choose` takes its value."""
    parser.add_argument("--device", metavar="NAME", help="cpu, gpu, gpu:1 ... (default: Paddle's choice)")


def require(arguments: argparse.Namespace, **limits: tuple[int, int]) -> None:
    """Raise UsageError if an option lies outside its limits, both included; an option that is not given passes."""
    for name, (least, most) in limits.items():
        given = getattr(arguments, name)
        for value in given if isinstance(given, list) else [] if given is None else [given]:
            if not least <= value <= most:
                raise UsageError(f"--{name.replace('_', '-')} must be from {least} to {most}, got {value}")


def prepare_outputs(*paths: str | None) -> None:
    """Make the folders of the files that are to be written; raises WriteError for one that cannot be.

    Asked before the work begins, so that its result is not lost in the end. None stands for a file that nobody wants.
    """
    for path in filter(None, paths):
        prepare_folder(Path(path).parent, path)
        atomic.require_replaceable(path)


def prepare_folder(folder: Path | str, asked: Path | str | None = None) -> None:
    """Make a folder for outputs; raises WriteError, which names `asked` or the folder, if that cannot be."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise atomic.WriteError(f"{asked or folder}: cannot be written: {error.strerror}") from error


def run(
    program: str,
    work: Callable[[], int | None],
    interrupted: str = "nothing was left half done",
    lighter: str = "",
) -> int:
    """Call `work()` and return the exit code, which `work` may return itself; None means 0.

    `interrupted` is what the user is told after Ctrl-C or SIGTERM, `lighter` what needs less memory than there was.
    """
    _take_any_name()
    try:
        with _ended_as_interrupted(), _notes_in_a_line(), _quiet_pillow():
            return work() or 0
    except UsageError as error:
        return failed(program, error, 2)
    except InputError as error:
        return failed(program, error, 1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return failed(program, device_failure(error) or f"{where}{error.strerror or error}", 1)
    except MemoryError as error:
        return failed(program, "; ".join(filter(None, (out_of_memory(error), lighter))), 1)
    except KeyboardInterrupt:
        return failed(program, f"interrupted; {interrupted}", 130)


def failed(program: str, reason: object, code: int) -> int:
    """Print the reason as one line on stderr and return `code`."""
    print(one_line(f"{program}: {' '.join(str(reason).split())}"), file=sys.stderr)
    return code


def _take_any_name() -> None:
    """Let the console take names that its encoding lacks, such as Chinese ones in ASCII: they are printed escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Within the block Pillow's warnings on odd files are not shown: a file that cannot be used is a line of ours."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


@contextmanager
def _ended_as_interrupted() -> Iterator[None]:
    """Within the block SIGTERM ends the work as Ctrl-C does, so that unfinished files are removed."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _notes_in_a_line() -> Iterator[None]:
    """Within the block a Note is one line, without the place in the source; other warnings are as they were."""
    before = warnings.formatwarning

    def formatted(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> str:
        if issubclass(category, Note):
            return f"note: {' '.join(str(message).split())}\n"
        return before(message, category, *place, **more)

    warnings.formatwarning = formatted
    try:
        yield
    finally:
        warnings.formatwarning = before
