"""Measure how Paddle's layers, functions, losses, optimisers and schedules differ from PyTorch's.

    python align/check_api.py [--only NAME ...] [--sample N] [--write] [--html FILE]

Each pair of the table (align/api/tables) is run on the same values in both frameworks, with PyTorch's arguments under
Paddle's names, and by a recipe where those do not do the same. The verdicts are compared with those that are kept for
this version of Paddle in align/api/measured; --write keeps new ones and writes docs/api.md, in which all versions that
are kept stand side by side.
"""

import argparse
import os
import random
from pathlib import Path
from typing import Any

from tqdm import tqdm

from align.checks import running
from paddle_ugatit.backend.errors import InputError, UsageError
from paddle_ugatit.cli import command
from paddle_ugatit.formats import atomic

CODES = "0 as kept, 1 other verdicts than those kept, 2 cannot be run or bad usage"
INTRO = Path(__file__).with_name("templates") / "api.md"
PROGRAM = "check_api"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = running.parser(PROGRAM, __doc__, "--only nn.BatchNorm2d var --html api.html", CODES)
    result.add_argument("--only", nargs="+", metavar="NAME", help="lines whose PyTorch name contains one of these")
    result.add_argument("--sample", type=int, metavar="N", help="as many lines, drawn at random; 0 measures nothing")
    result.add_argument("--seed", type=int, default=0, metavar="K", help="seed of --sample (0)")
    result.add_argument("--jobs", type=int, metavar="N", help="processes that measure (one for each core)")
    result.add_argument("--pairs", action="store_true", help="put the layers through the pair harness instead")
    result.add_argument("--write", action="store_true", help="keep the results, and write docs/api.md")
    result.add_argument("--html", metavar="FILE", help="write the page with the search box")
    return result


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = parser().parse_args(argv)
    return running.run(PROGRAM, lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    command.require(arguments, seed=command.SEED, sample=(0, 10_000), jobs=(1, 256))
    command.prepare_outputs(arguments.html)
    if arguments.pairs:
        from align.api.pairs import check

        return check(_chosen(arguments), arguments)
    names = _chosen(arguments)
    if arguments.write and (arguments.only or arguments.sample):
        raise UsageError("--write needs all lines: leave out --only and --sample, or say --sample 0")
    new = _measured(names, arguments.jobs or len(os.sched_getaffinity(0)))
    code = _compared(new, arguments.write) if names else 0
    _written(new, arguments)
    return 0 if arguments.write else code


def _chosen(arguments: argparse.Namespace) -> list[str]:
    """The names of the lines to measure. Raises InputError if none has one of the names."""
    from align.api.tables import every

    names = list(every())
    if arguments.only:
        wanted = [text.removeprefix("torch.") for text in arguments.only]
        exact = [name for name in names if name in wanted]
        names = exact or [name for name in names if any(text.lower() in name.lower() for text in wanted)]
        if not names:
            raise InputError(f"no line of the table is called {' or '.join(arguments.only)}")
    if arguments.sample is not None and arguments.sample < len(names):
        drawn = set(random.Random(arguments.seed).sample(names, arguments.sample))
        names = [name for name in names if name in drawn]
    return names


def _measured(names: list[str], jobs: int) -> dict[str, dict[str, Any]]:
    from align.api import workers
    from align.api.document import summary

    with tqdm(total=len(names), unit="pair", disable=None if names else True, leave=False) as bar:

        def done(name: str) -> None:
            bar.set_postfix_str(name, refresh=False)
            bar.update()

        lines = workers.lines(names, min(jobs, len(names)) or 1, done)
    return {name: summary(line) for name, line in lines.items()}


def _compared(new: dict[str, dict[str, Any]], quiet: bool) -> int:
    """Print each line's verdict; return 1 if one is another than that kept for this version of Paddle."""
    from align.api import document

    before = document.kept().get(_versions()["paddle"], {"lines": {}})["lines"]
    width, changed = max(map(len, new)), 0
    for name, line in new.items():
        old = before.get(name)
        fits = line.get("recipe", {}).get("fits")
        told = (
            ""
            if fits is None or line["verdict"] == "same"
            else "; the recipe fits"
            if fits
            else "; the recipe does not"
        )
        other = old is not None and (old["verdict"], old.get("recipe", {}).get("fits")) != (line["verdict"], fits)
        changed += other
        kept = f"   KEPT AS: {old['verdict']}" if other and old else ""
        print(f"{name:<{width}}  {line['verdict']}{told}{kept}")
        for text in line.get("naive", {}).get("wrong", [])[:1]:
            print(f"    {text}")
    counts = {one: sum(line["verdict"] == one for line in new.values()) for one in document.verdict.VERDICTS}
    print(f"{len(new)} pairs: " + ", ".join(f"{count} {one}" for one, count in counts.items() if count))
    if changed and not quiet:
        command.failed(PROGRAM, f"{changed} lines have another verdict than the one that is kept", 1)
    return 1 if changed else 0


def _versions() -> dict[str, str]:
    import numpy as np
    import paddle
    import torch

    return {"paddle": paddle.__version__, "torch": torch.__version__.partition("+")[0], "numpy": np.__version__}


def _written(new: dict[str, dict[str, Any]], arguments: argparse.Namespace) -> None:
    from align.api import document
    from align.api.tables import every

    if arguments.write and new:
        print(f"kept: {document.keep(new, _versions())}")
    files = document.kept()
    rows = document.rows_of(every(), files)
    if arguments.write:
        with atomic.replacing(document.DOCUMENT, "w") as file:
            file.write(document.markdown(rows, files, INTRO.read_text(encoding="utf-8")))
        print(f"written: {document.DOCUMENT}")
    if arguments.html:
        document.write_page(rows, files, arguments.html)
        print(f"page: {arguments.html}")
