"""One description of a network: operations of ONNX's opset 17 over named values, and named arrays.

Contents: Node, Value, Graph, pruned, as_float64. A number that float32 cannot hold, such as an eps, is an array of
float64 that a Cast makes float32: so the same graph can be computed in float64 with nothing rounded (`as_float64`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

Attribute = int | float | str | tuple[int, ...]

FLOAT, UINT8, INT32, INT64, DOUBLE = 1, 2, 6, 7, 11  # ONNX's numbers of types
DTYPES: dict[int, np.dtype] = {
    FLOAT: np.dtype("float32"),
    UINT8: np.dtype("uint8"),
    3: np.dtype("int8"),
    INT32: np.dtype("int32"),
    INT64: np.dtype("int64"),
    9: np.dtype("bool"),
    10: np.dtype("float16"),
    DOUBLE: np.dtype("float64"),
}
NUMBERS = {dtype: number for number, dtype in DTYPES.items()}


@dataclass(frozen=True)
class Node:
    """An operation: its name in ONNX, the values that it takes ("" for one left out) and gives, and its attributes."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True)
class Value:
    """An input or output: its name, dtype, and shape, in which a text stands for a size that may vary."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


class Graph:
    """Nodes in the order in which they are computed, arrays by name, inputs, outputs, and texts about the whole.

    `weights` are those arrays that make up the size of the file, matrices and kernels, each with the axis of its
    outputs: `compressed` may store them in fewer bits.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.arrays: dict[str, np.ndarray] = {}
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []
        self.metadata: dict[str, str] = {}
        self.weights: dict[str, int] = {}
        self._scope: list[str] = []
        self._count: dict[str, int] = {}

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Have the names of what is added within the block begin with `name`, and not with that of a block around."""
        self._scope.append(name)
        try:
            yield
        finally:
            self._scope.pop()

    def named(self, name: str) -> str:
        """Return a new name for a value: `name` below the scope, with a number if there is one of that name."""
        name = ".".join([*self._scope[-1:], name])
        self._count[name] = count = self._count.get(name, 0) + 1
        return name if count == 1 else f"{name}.{count}"

    def apply(self, op: str, *inputs: str, out: str = "", **attributes: Attribute) -> str:
        """Add an operation with one output, and return its name: `out`, or one made from the scope and `op`."""
        out = out or self.named(op)
        self.nodes.append(Node(op, inputs, (out,), attributes))
        return out

    def array(self, name: str, value: np.ndarray) -> str:
        """Add an array under this very name, and return it. Raises ValueError if another one has that name."""
        value = np.ascontiguousarray(value).reshape(np.shape(value))  # NumPy makes (1,) of a 0-d array
        known = self.arrays.setdefault(name, value)
        if known is not value and not (known.dtype == value.dtype and np.array_equal(known, value)):
            raise ValueError(f"two arrays are named {name}")
        return name

    def integers(self, *values: int) -> str:
        """Return the name of a vector of int64."""
        return self.array(f"integers({','.join(map(str, values))})", np.array(values, np.int64))

    def number(self, value: float) -> str:
        """Return the name of a number, 0-d, in the graph's dtype."""
        name = f"number({value!r})"
        if float(np.float32(value)) == value:
            return self.array(name, np.array(value, np.float32))
        if not any(node.outputs == (name,) for node in self.nodes):
            exact = self.array(f"{name}.exact", np.array(value, np.float64))
            self.apply("Cast", exact, out=name, to=FLOAT)
        return name

    def input(self, name: str, dtype: str, *shape: int | str) -> str:
        """Add an input and return its name."""
        self.inputs.append(Value(name, dtype, shape))
        return name

    def output(self, value: str, name: str, dtype: str, *shape: int | str) -> None:
        """Make a value that has been computed an output under the name `name`, which its node is given."""
        self.nodes = [
            Node(
                node.op,
                tuple(name if each == value else each for each in node.inputs),
                tuple(name if each == value else each for each in node.outputs),
                node.attributes,
            )
            for node in self.nodes
        ]
        self.outputs.append(Value(name, dtype, shape))

    def nbytes(self) -> int:
        """Return the bytes of all arrays."""
        return sum(array.nbytes for array in self.arrays.values())

    def copied(self, nodes: Sequence[Node] | None = None, arrays: dict[str, np.ndarray] | None = None) -> "Graph":
        """Return a graph with other nodes or arrays, and the same inputs, outputs and texts."""
        graph = Graph()
        graph.nodes = list(self.nodes if nodes is None else nodes)
        graph.arrays = dict(self.arrays if arrays is None else arrays)
        graph.inputs, graph.outputs = list(self.inputs), list(self.outputs)
        graph.metadata, graph.weights = dict(self.metadata), dict(self.weights)
        return graph


def pruned(graph: Graph) -> Graph:
    """Return the graph without the nodes and arrays that no output needs."""
    needed = {value.name for value in graph.outputs}
    kept = []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    return graph.copied(kept[::-1], {name: array for name, array in graph.arrays.items() if name in needed})


def as_float64(graph: Graph) -> Graph:
    """Return the graph with float64 in place of float32 everywhere, for a runtime or interpreter that has both.

    The scales of Resize stay float32, as ONNX wants them.
    """
    kept = {node.inputs[2] for node in graph.nodes if node.op == "Resize"}
    nodes = [
        replace(node, attributes={**node.attributes, "to": DOUBLE}) if node.attributes.get("to") == FLOAT else node
        for node in graph.nodes
    ]
    arrays = {
        name: array.astype(np.float64) if array.dtype == np.float32 and name not in kept else array
        for name, array in graph.arrays.items()
    }
    double = graph.copied(nodes, arrays)
    for values in (double.inputs, double.outputs):
        values[:] = [replace(value, dtype="float64") if value.dtype == "float32" else value for value in values]
    return double
