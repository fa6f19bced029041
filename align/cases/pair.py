"""A pair of models from a user's file as a case: `load_pair`. The file defines

    def torch_model(): ...                 a torch.nn.Module, with its initial weights
    def paddle_model(): ...                the paddle.nn.Layer that should equal it
    SHAPES = [(2, 3, 16, 16)]              the shapes of the arguments of one call, or
    def inputs(rng): ...                   a list of arguments of one call, or a dictionary of keyword arguments

and, where the defaults do not fit, any of OPTIONS, which docs/pair.md explains. Arguments may be arrays, None, numbers,
strings, and lists, tuples and dictionaries of these; arrays of integers and booleans keep their dtype.

The two sides that run such a case are in align/compare/pair_torch.py and pair_paddle.py.
"""

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from align.cases.case import Case, representable

# Name in the file -> (field of Pair, whether a value is valid, what it must be)
OPTIONS: dict[str, tuple[str, Callable, str]] = {
    "TRAINING": ("training", lambda x: isinstance(x, bool), "True or False"),
    "CALLS": ("calls", lambda x: isinstance(x, int) and x > 0, "a number of calls, 1 or more"),
    "LIMIT": ("limit", lambda x: isinstance(x, Real) and 0 < x < 1, "a number between 0 and 1"),
    "NAMES": ("names", lambda x: _texts_to(x, str), "a dictionary: path in Paddle -> path in PyTorch"),
    "RULES": (
        "rules",
        lambda x: isinstance(x, Mapping) and all(isinstance(leaves, Mapping) for leaves in x.values()),
        "a dictionary: Paddle type -> array -> (PyTorch's name, transposed)",
    ),
    "SPLIT": ("split", lambda x: _texts_to(x, list), "a dictionary: path in PyTorch -> list of paths in Paddle"),
    "JOIN": ("join", lambda x: _texts_to(x, list), "a dictionary: path in Paddle -> list of paths in PyTorch"),
    "TIE": ("tie", lambda x: _texts_to(x, str), "a dictionary: array of PyTorch -> the array that it equals"),
    "RESHAPE": ("reshape", lambda x: isinstance(x, list | tuple | set), "a list of arrays of PyTorch"),
    "IGNORE": ("ignore", lambda x: isinstance(x, list | tuple | set), "a list of paths of layers and arrays"),
}


def _texts_to(value: Any, kind: type) -> bool:
    return isinstance(value, Mapping) and all(isinstance(k, str) and isinstance(v, kind) for k, v in value.items())


class PairError(ValueError):
    """A file that does not describe a pair; the message is one line that names it."""


@dataclass(frozen=True)
class Pair(Case):
    """A case whose models come from a file, each with its own names."""

    names: dict[str, str] = field(default_factory=dict)  # path in Paddle -> path in PyTorch
    rules: dict[type, dict] = field(default_factory=dict)  # Paddle type -> array -> (PyTorch's name, transposed)
    split: dict[str, list[str]] = field(default_factory=dict)  # layer or array of PyTorch -> those of Paddle it became
    join: dict[str, list[str]] = field(default_factory=dict)  # layer or array of Paddle -> those of PyTorch it holds
    tie: dict[str, str] = field(default_factory=dict)  # array of PyTorch that Paddle lacks -> the one it equals
    reshape: tuple[str, ...] = ()  # arrays of PyTorch that Paddle keeps in another shape
    ignore: tuple[str, ...] = ()  # layers and arrays of either side that are not compared
    draw: Callable | None = None  # rng -> arguments of one call; by default standard normal arrays of `shapes`
    layers: frozenset[str] | None = None  # the layers that both sides have; None means all
    arithmetic: tuple[str, ...] = ()  # constants that PyTorch rounds as Paddle does, see align/compare/constants.py
    facts: dict = field(default_factory=dict)  # of PyTorch's model, see TorchPairSide.facts, and its arrays' shapes

    def inputs(self, seed: int) -> list[list[np.ndarray]]:
        """Return the arrays among the arguments of each call."""
        rng = np.random.default_rng(seed)
        return [[_exact(array, self.file) for array in _arrays(self._call(rng))] for _ in range(self.calls)]

    def arguments(self, tensors: list) -> tuple[list, dict]:
        """Return the arguments of one call, positional and by keyword, with these tensors in place of the arrays."""
        left = iter(tensors)
        given = _filled(self._structure, left)
        return ([], given) if isinstance(given, dict) else (list(given), {})

    @cached_property
    def _structure(self) -> Any:
        return self._call(np.random.default_rng(0))

    def _call(self, rng: np.random.Generator) -> Any:
        if not self.draw:
            return [np.asarray(rng.standard_normal(shape)) for shape in self.shapes]
        try:
            given = self.draw(rng)
        except Exception as error:
            raise PairError(f"{_place(error, self.file)}: inputs(): {type(error).__name__}: {error}") from error
        if not isinstance(given, list | tuple | dict):
            wanted = "a list of arguments, or a dictionary of keyword arguments"
            raise PairError(f"{self.file}: inputs(rng) must return {wanted}, not {type(given).__name__}")
        return given

    @property
    def sources(self) -> tuple[str, str]:
        """The one file that holds both models."""
        return self.file, self.file


def _arrays(value: Any) -> list[np.ndarray]:
    if isinstance(value, np.ndarray | np.generic):
        return [np.asarray(value)]
    if isinstance(value, dict):
        value = list(value.values())
    return [array for item in value for array in _arrays(item)] if isinstance(value, list | tuple) else []


def _filled(value: Any, left: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return next(left)
    if isinstance(value, dict):
        return {name: _filled(item, left) for name, item in value.items()}
    return type(value)(_filled(item, left) for item in value) if isinstance(value, list | tuple) else value


def _exact(array: np.ndarray, file: str) -> np.ndarray:
    """The array with values exact in float32; integers and booleans as they are."""
    if array.dtype.kind == "c":
        return array.astype("complex64").astype("complex128")
    if array.dtype.kind not in "fiub":
        raise PairError(f"{file}: inputs(rng) holds an array of {array.dtype}, which is no tensor")
    return representable(array) if array.dtype.kind == "f" else array


def load_pair(path: Path | str) -> Pair:
    """Run a Python file and return the case it describes. Raises PairError if it does not describe one."""
    path = Path(path)
    module = _imported(path)
    if missing := [name for name in ("torch_model", "paddle_model") if not callable(getattr(module, name, None))]:
        raise PairError(f"{path}: has no function {' and no '.join(missing)}")

    def build(layers: Any) -> Any:
        function = module.paddle_model if layers.framework == "paddle" else module.torch_model
        try:
            return function()
        except Exception as error:
            line = f"{function.__name__}(): {type(error).__name__}: {error}"
            raise PairError(f"{_place(error, path)}: {line}") from error

    given = {"training": False, "draw": getattr(module, "inputs", None), **_options(module, path)}
    about = (module.__doc__ or "").strip().partition("\n")[0]
    return Pair(path.stem, build, _shapes(module, path), about, str(path), path.stem, **given)


def _options(module: ModuleType, path: Path) -> dict[str, Any]:
    """Field of Pair -> what the file says. Raises PairError if an option has an invalid value."""
    given = {}
    for name, (into, valid, wanted) in OPTIONS.items():
        if not hasattr(module, name):
            continue
        value = getattr(module, name)
        if not valid(value):
            raise PairError(f"{path}: {name} must be {wanted}, got {str(value)[:60]!r}")
        given[into] = tuple(value) if into in ("reshape", "ignore") else value
    return given


def _shapes(module: ModuleType, path: Path) -> list[tuple[int, ...]]:
    if callable(getattr(module, "inputs", None)):
        return []
    if not hasattr(module, "SHAPES"):
        raise PairError(f"{path}: has neither SHAPES nor a function inputs")
    shapes = module.SHAPES
    whole = isinstance(shapes, list | tuple) and all(isinstance(shape, list | tuple) for shape in shapes)
    if not whole or not all(isinstance(n, int) and n >= 0 for shape in shapes for n in shape):
        raise PairError(f"{path}: SHAPES must be a list of shapes, such as [(2, 3, 16, 16)], got {str(shapes)[:60]}")
    return [tuple(shape) for shape in shapes]


def _place(error: BaseException, path: Path | str) -> str:
    """The file, and its line that the exception passed through."""
    line, trace = None, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"{path}:{line}" if line else str(path)


def _imported(path: Path) -> ModuleType:
    """Run the file as a module, which may import its neighbours, also later, while its functions run."""
    if not path.is_file():
        raise PairError(f"{path}: no such file")
    name = f"{path.stem} (pair)"  # never the name of a module that somebody imports
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PairError(f"{path}: is not a Python file")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    sys.modules[name] = module  # data classes look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's own code raises
        raise PairError(f"{_place(error, path)}: {type(error).__name__}: {error}") from error
    return module
