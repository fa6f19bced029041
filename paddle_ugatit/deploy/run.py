"""A graph computed by NumPy, in the dtype of its arrays; only convolutions are Paddle's.

Contents: run, OPERATIONS. What each operation does is written here from ONNX's own description and not from the layers,
so that a graph that was built wrongly gives another result than the network.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F

from paddle_ugatit.deploy.graph import DTYPES, Graph, Node, Value

Attributes = dict[str, Any]
Operation = Callable[..., np.ndarray]


def run(graph: Graph, inputs: dict[str, np.ndarray], wanted: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """Compute a graph, and return its outputs by name, and the values named in `wanted`, which may lie within.

    Raises ValueError if an input is missing, if the shape of an input or output is not the one that the graph states,
    or for an operation that no rule here makes.
    """
    results = {value.name for value in graph.outputs} | set(wanted)
    if missing := {value.name for value in graph.inputs} - inputs.keys():
        raise ValueError(f"the graph needs the inputs {', '.join(sorted(missing))}")
    sizes: dict[str, int] = {}
    for value in graph.inputs:
        _require_shape(value, inputs[value.name], sizes)
    last = {name: place for place, node in enumerate(graph.nodes) for name in node.inputs}
    values = dict(inputs)
    for place, node in enumerate(graph.nodes):
        (out,) = node.outputs
        values[out] = _computed(node, values, graph)
        for name in set(node.inputs):
            if last[name] == place and name not in results:
                values.pop(name, None)
    for value in graph.outputs:
        _require_shape(value, values[value.name], sizes)
    return {name: values[name] for name in values if name in results}


def _require_shape(value: Value, array: np.ndarray, sizes: dict[str, int]) -> None:
    """Raise ValueError unless an array has the shape of a value; `sizes` holds those that texts have stood for."""
    stated = [
        sizes.setdefault(size, found) if isinstance(size, str) else size
        for size, found in zip(value.shape, array.shape, strict=False)
    ]
    if stated != list(array.shape) or len(value.shape) != array.ndim:
        raise ValueError(f"{value.name} has the shape {array.shape}, not {value.shape}")


def _computed(node: Node, values: dict[str, np.ndarray], graph: Graph) -> np.ndarray:
    if node.op not in OPERATIONS:
        raise ValueError(f"no rule computes {node.op}")
    taken = [None if not name else values[name] if name in values else graph.arrays[name] for name in node.inputs]
    return np.asarray(OPERATIONS[node.op](*taken, **node.attributes))


def _conv(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray | None = None, **options: Any) -> np.ndarray:
    return _convolved(F.conv2d, x, kernel, bias, **options)


def _conv_transpose(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray | None = None, **options: Any) -> np.ndarray:
    return _convolved(F.conv2d_transpose, x, kernel, bias, **options)


def _convolved(
    function: Callable[..., paddle.Tensor],
    x: np.ndarray,
    kernel: np.ndarray,
    bias: np.ndarray | None,
    pads: tuple[int, ...],
    strides: tuple[int, ...],
    kernel_shape: tuple[int, ...],
    group: int = 1,
) -> np.ndarray:
    if kernel.shape[2:] != kernel_shape or len(set(pads)) > 1:
        raise ValueError(f"a kernel {kernel.shape} with kernel_shape {kernel_shape} and pads {pads}")
    tensors = (paddle.to_tensor(np.ascontiguousarray(each)) for each in (x, kernel))
    with paddle.no_grad():
        out = function(*tensors, stride=list(strides), padding=pads[0], groups=group).numpy()
    return out if bias is None else out + bias.reshape(1, -1, 1, 1)


def _max_pool(x: np.ndarray, kernel_shape: tuple[int, ...], strides: tuple[int, ...], ceil_mode: int = 0) -> np.ndarray:
    """The maximum of windows that do not overlap; with `ceil_mode` those at the border may be smaller."""
    if kernel_shape != strides:
        raise ValueError("windows that overlap")
    sizes = [size / step for size, step in zip(x.shape[2:], strides, strict=True)]
    rows, columns = (math.ceil(size) if ceil_mode else math.floor(size) for size in sizes)
    below, right = (most * step - size for most, step, size in zip((rows, columns), strides, x.shape[2:], strict=True))
    x = x[:, :, : rows * strides[0], : columns * strides[1]]
    x = np.pad(x, ((0, 0), (0, 0), (0, max(below, 0)), (0, max(right, 0))), constant_values=-np.inf)
    return x.reshape(*x.shape[:2], rows, strides[0], columns, strides[1]).max((3, 5))


def _pad(x: np.ndarray, pads: np.ndarray, mode: str = "constant") -> np.ndarray:
    half = len(pads) // 2
    return np.pad(x, list(zip(pads[:half].tolist(), pads[half:].tolist(), strict=True)), mode=mode)  # type: ignore[call-overload]


def _resize(x: np.ndarray, roi: None, scales: np.ndarray, **how: str) -> np.ndarray:
    usual = {"coordinate_transformation_mode": "asymmetric", "mode": "nearest", "nearest_mode": "floor"}
    if how != usual or (scales != np.rint(scales)).any():
        return _interpolated(x, scales, **how)
    for axis, times in enumerate(scales.astype(int)):
        x = x.repeat(times, axis)
    return x


def _interpolated(x: np.ndarray, scales: np.ndarray, **how: str) -> np.ndarray:
    """Resize height and width linearly, between pixels that lie at their upper left corners."""
    if (how["mode"], how["coordinate_transformation_mode"]) != ("linear", "asymmetric"):
        raise ValueError(f"no rule resizes with {how}")
    for axis in (2, 3):
        size = x.shape[axis]
        place = np.arange(int(size * scales[axis])) / float(scales[axis])
        low = np.minimum(np.floor(place).astype(int), size - 1)
        share = (place - low).reshape([-1 if each == axis else 1 for each in range(4)]).astype(x.dtype)
        x = x.take(low, axis) * (1 - share) + x.take(np.minimum(low + 1, size - 1), axis) * share
    return x


def _shape(x: np.ndarray, start: int = 0, end: int | None = None) -> np.ndarray:
    return np.array(x.shape[start:end], np.int64)


def _reduced(function: Callable[..., np.ndarray]) -> Operation:
    def reduce(x: np.ndarray, axes: tuple[int, ...] | None = None, keepdims: int = 1) -> np.ndarray:
        return function(x, axis=axes, keepdims=bool(keepdims))

    return reduce


def _reduce_sum(x: np.ndarray, axes: np.ndarray, keepdims: int = 1) -> np.ndarray:
    return x.sum(tuple(axes.tolist()), keepdims=bool(keepdims))


def _slice(x: np.ndarray, start: np.ndarray, end: np.ndarray, axes: np.ndarray) -> np.ndarray:
    cut = [slice(None)] * x.ndim
    for first, last, axis in zip(start.tolist(), end.tolist(), axes.tolist(), strict=True):
        cut[axis] = slice(first, last)
    return x[tuple(cut)]


def _reshape(x: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Reshape, where -1 stands for what is left and 0 for the size that x has there."""
    return x.reshape([x.shape[axis] if size == 0 else size for axis, size in enumerate(shape.tolist())])


def _softmax(x: np.ndarray, axis: int) -> np.ndarray:
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


OPERATIONS: dict[str, Operation] = {
    "Add": np.add,
    "Cast": lambda x, to: x.astype(DTYPES[to]),
    "Clip": lambda x, low, high: x.clip(low, high),
    "Concat": lambda *xs, axis: np.concatenate(xs, axis),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Div": np.divide,
    "Flatten": lambda x, axis: x.reshape(math.prod(x.shape[:axis]), -1),
    "MatMul": np.matmul,
    "Max": np.maximum,
    "MaxPool": _max_pool,
    "Mod": np.mod,
    "Mul": np.multiply,
    "Pad": _pad,
    "Reciprocal": lambda x: 1 / x,
    "ReduceMax": _reduced(np.max),
    "ReduceMean": _reduced(np.mean),
    "ReduceProd": _reduced(np.prod),
    "ReduceSum": _reduce_sum,
    "Relu": lambda x: np.maximum(x, 0),
    "Reshape": _reshape,
    "Resize": _resize,
    "Round": np.rint,
    "Shape": _shape,
    "Slice": _slice,
    "Softmax": _softmax,
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
    "Tanh": np.tanh,
    "Transpose": lambda x, perm: x.transpose(perm),
    "Unsqueeze": lambda x, axes: np.expand_dims(x, tuple(axes.tolist())),
}
