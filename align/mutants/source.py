"""The sources that are mutated, as bytes with a syntax tree, and what a mutant is: one span of bytes replaced."""

import ast
import difflib
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import CodeType

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "paddle_ugatit"
ROOMS = ("layers", "models", "losses", "training", "data", "metrics", "weights")


@dataclass(frozen=True)
class Mutant:
    """One change to one file of the port; `reason` is why it does not count, "" if it does."""

    path: str  # relative to the project
    line: int
    column: int
    operator: str  # of align/mutants/operators.py
    start: int  # of the bytes that are replaced
    end: int
    text: str  # what they are replaced by
    first: int  # first line of what must be run for the change to be seen
    last: int
    loaded: bool  # whether it is run when the module is imported
    reason: str = ""

    @property
    def name(self) -> str:
        """A name that is the same in every run on the same sources."""
        what = hashlib.sha256(f"{self.start} {self.end} {self.text}".encode()).hexdigest()[:8]
        return f"{self.path}:{self.line}:{self.column}:{self.operator}:{what}"

    @property
    def room(self) -> str:
        """The room of the port, "layers" for example."""
        return Path(self.path).parts[1]

    @property
    def module(self) -> str:
        """The dotted name of the module that is changed."""
        return module_of(self.path)


def module_of(path: str) -> str:
    """Return the dotted name of a module by its path in the project."""
    parts = Path(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def files(root: Path = ROOT) -> list[str]:
    """Return the paths of all sources in the rooms, relative to the project, sorted."""
    found = (path for room in ROOMS for path in (root / PACKAGE / room).rglob("*.py"))
    return sorted(path.relative_to(root).as_posix() for path in found)


@lru_cache(maxsize=256)
def read(path: str, root: Path = ROOT) -> bytes:
    """Return the source of a file by its path in the project."""
    return (root / path).read_bytes()


class Text:
    """A source with the places of the nodes of its syntax tree."""

    def __init__(self, source: bytes):
        self.source, self.tree = source, ast.parse(source)
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return where a node begins and ends, in bytes."""
        start = self._starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def of(self, node: ast.AST) -> str:
        """Return the source of a node."""
        start, end = self.span(node)
        return self.source[start:end].decode()

    def between(self, one: ast.AST, other: ast.AST) -> tuple[int, int]:
        """Return where the text between two nodes begins and ends, in bytes."""
        return self.span(one)[1], self.span(other)[0]


def changed(mutant: Mutant, root: Path = ROOT) -> bytes:
    """Return the whole source of the mutant's file with the change in it."""
    source = read(mutant.path, root)
    return source[: mutant.start] + mutant.text.encode() + source[mutant.end :]


def diff(mutant: Mutant, root: Path = ROOT) -> str:
    """Return the change as a unified diff of the file."""
    old, new = (text.decode().splitlines(keepends=True) for text in (read(mutant.path, root), changed(mutant, root)))
    return "".join(difflib.unified_diff(old, new, mutant.path, mutant.path, n=1))


def equivalent(mutant: Mutant, root: Path = ROOT) -> bool:
    """Return whether the change compiles to the same instructions, which proves that it changes nothing.

    Raises SyntaxError if it does not compile.
    """
    codes = (compile(text, mutant.path, "exec") for text in (read(mutant.path, root), changed(mutant, root)))
    return _instructions(next(codes)) == _instructions(next(codes))


def _instructions(code: CodeType) -> tuple[object, ...]:
    """The parts of a code object that are run, without line numbers; constants with their types, as 1 equals True."""
    constants = tuple(_instructions(c) if isinstance(c, CodeType) else (type(c), repr(c)) for c in code.co_consts)
    return (
        code.co_code,
        constants,
        code.co_names,
        code.co_varnames,
        code.co_flags,
        getattr(code, "co_exceptiontable", b""),
    )
