"""A line of the table: two names, the uses in which they are compared, and what makes Paddle's equal: `Entry`."""

import ast
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import dedent
from typing import Any

import numpy as np

KINDS = ("function", "layer", "optimiser", "schedule")
LIMIT = 1e-11  # in float64, relative to a tensor's largest value: some 4 digits above the rounding of these small sums


@dataclass(frozen=True)
class Sample:
    """The tensors of one call. Those of an `edge` have unusual values; `turned` makes views with strides of them."""

    label: str
    arrays: tuple[np.ndarray, ...]
    named: Mapping[str, np.ndarray] = field(default_factory=dict)
    edge: bool = False
    turned: bool = False
    single: bool = False  # compared in float32 only


@dataclass(frozen=True)
class Entry:
    """One line: PyTorch's name below `torch`, Paddle's below `paddle`, or "" if it has none.

    `inputs(rng)` returns the Sample; `uses` holds PyTorch's arguments of each use. `recipe` takes what
    PyTorch's function takes and computes the same with Paddle; that of a layer or an optimiser takes its arguments and
    returns one.
    """

    torch: str
    paddle: str
    kind: str = "function"
    inputs: Callable[[np.random.Generator], list[Sample]] | None = None
    uses: Sequence[Mapping[str, Any]] = ({},)
    names: Mapping[str, str] = field(default_factory=dict)  # PyTorch's argument -> Paddle's, where no alias tells
    recipe: Callable | None = None
    own: str = ""  # what this project does instead
    always: Mapping[str, Any] = field(default_factory=dict)  # Paddle's arguments that make it the counterpart
    listed: bool = False  # the tensors are passed as one list
    training: bool = False
    limit: float = LIMIT
    section: str = ""

    @property
    def anchor(self) -> str:
        """The line's place in the documents."""
        return self.torch.replace(".", "-").lower()


def recipe_text(function: Callable) -> tuple[str, str]:
    """Return what a recipe says of itself, and its code: what it returns, or its whole body."""
    around = inspect.getclosurevars(function).nonlocals
    if callable(around.get("function")):  # the recipe makes a layer of a function
        return recipe_text(around["function"])
    tree = ast.parse(dedent(inspect.getsource(function))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    said = (ast.get_docstring(tree) or "").partition("\n")[0]
    body = tree.body[1:] if ast.get_docstring(tree) else tree.body
    body = [_Numbers(around).visit(node) for node in body]
    whole = len(body) == 1 and isinstance(body[0], ast.Return) and body[0].value is not None
    code = ast.unparse(body[0].value) if whole else "\n".join(map(ast.unparse, body))
    return said, re.sub(r"getattr\((\w+), f'(\w+)\{(\d+)\}(\w+)'\)", r"\1.\2\3\4", code)


class _Numbers(ast.NodeTransformer):
    """Writes the number that a name stands for, such as that of the axes of a layer."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self.known = known

    def visit_Name(self, node: ast.Name) -> ast.expr:  # noqa: N802
        """Replace the name of a whole number."""
        value = self.known.get(node.id)
        return ast.Constant(value) if type(value) is int else node


def looked_up(root: Any, name: str) -> Any:
    """Return what stands under a dotted name below a package; None if there is nothing."""
    for part in name.split(".") if name else ():
        root = getattr(root, part, None)
    return root if name else None
