"""A pair of models from a user's file as a case: `load_pair`. The file defines

    def torch_model(): ...                 a torch.nn.Module, with its initial weights
    def paddle_model(): ...                the paddle.nn.Layer that should equal it
    SHAPES = [(2, 3, 16, 16)]              the shapes of the arguments of one call, or
    def inputs(rng): ...                   the arrays of one call; integers stay integers

and, where the defaults do not fit,

    NAMES = {"body.0": "conv1"}            path in Paddle -> path in PyTorch, also for everything below it
    RULES = {MyLinear: {"w": ("weight", True)}}    Paddle type -> array -> (PyTorch's name, transposed?)
    TRAINING, CALLS, LIMIT = True, 2, 1e-9         training mode (False), consecutive calls (1), float64 limit (1e-10)

The two sides that run such a case are in align/compare/pair_sides.py.
"""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np

from align.cases.case import Case, representable


class PairError(ValueError):
    """A file that does not describe a pair; the message is one line that names it."""


@dataclass(frozen=True)
class Pair(Case):
    """A case whose models come from a file, each with its own names."""

    names: dict[str, str] = field(default_factory=dict)  # path in Paddle -> path in PyTorch
    rules: dict[type, dict] = field(default_factory=dict)  # Paddle type -> array -> (PyTorch's name, transposed)
    draw: Callable | None = None  # rng -> arrays of one call; by default standard normal arrays of `shapes`

    def inputs(self, seed):
        rng = np.random.default_rng(seed)
        return [[_exact(array) for array in self._call(rng)] for _ in range(self.calls)]

    def _call(self, rng):
        return self.draw(rng) if self.draw else [rng.standard_normal(shape) for shape in self.shapes]

    @property
    def sources(self):
        """The one file that holds both models."""
        return self.file, self.file


def _exact(array):
    array = np.asarray(array)
    return array.astype("int64") if array.dtype.kind in "iub" else representable(array)


def load_pair(path: Path | str) -> Pair:
    """Run a Python file and return the case it describes. Raises PairError if it does not describe one."""
    path = Path(path)
    module = _imported(path)
    if missing := [name for name in ("torch_model", "paddle_model") if not callable(getattr(module, name, None))]:
        raise PairError(f"{path}: has no function {' and no '.join(missing)}")
    if not hasattr(module, "inputs") and not hasattr(module, "SHAPES"):
        raise PairError(f"{path}: has neither SHAPES nor a function inputs")

    def build(layers):
        function = module.paddle_model if layers.framework == "paddle" else module.torch_model
        try:
            return function()
        except Exception as error:
            raise PairError(f"{path}: {function.__name__}(): {type(error).__name__}: {error}") from error

    fields = {"TRAINING": "training", "CALLS": "calls", "LIMIT": "limit", "NAMES": "names", "RULES": "rules"}
    given = {fields[name]: getattr(module, name) for name in fields if hasattr(module, name)}
    given = {"training": False, "draw": getattr(module, "inputs", None), **given}
    about = (module.__doc__ or "").strip().partition("\n")[0]
    return Pair(path.stem, build, list(getattr(module, "SHAPES", [])), about, str(path), path.stem, **given)


def _imported(path: Path) -> ModuleType:
    """Run the file as a module, which may import its neighbours."""
    if not path.is_file():
        raise PairError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None:
        raise PairError(f"{path}: is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's own code raises
        raise PairError(f"{path}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.parent))
    return module
