"""A graph as a program of Paddle's inference format: the files that paddle.inference, Serving and Lite load.

Contents: folded, write_program, in_executor, Predictor. The program is built by paddle.static, from Paddle's
operations; nothing is traced. What depends on no input is computed before, in float64. Paddle 2.6 writes .pdmodel and
.pdiparams, Paddle 3 .json and .pdiparams; neither keeps the names of the outputs (program_files.py).
"""

import ctypes
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F

from paddle_ugatit.deploy.graph import DTYPES, Graph, as_float64
from paddle_ugatit.deploy.proof import Arrays
from paddle_ugatit.deploy.run import OPERATIONS

NAME = "inference"  # of the files, before the suffix
Operation = Callable[..., Any]


def folded(graph: Graph) -> Graph:
    """Return the graph with an array in place of every value that depends on no input, computed in float64."""
    exact, nodes = as_float64(graph), []
    arrays = dict(exact.arrays)
    for node, double in zip(graph.nodes, exact.nodes, strict=True):
        if all(not name or name in arrays for name in node.inputs):
            taken = [arrays[name] if name else None for name in node.inputs]
            arrays[node.outputs[0]] = np.asarray(OPERATIONS[node.op](*taken, **double.attributes))
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.inputs}
    single = any(value.dtype == "float32" for value in (*graph.inputs, *graph.outputs))
    kept = {name: array for name, array in arrays.items() if name in used}
    if single:
        kept = {name: array.astype(np.float32) if array.dtype == np.float64 else array for name, array in kept.items()}
    return graph.copied(nodes, kept)


@contextmanager
def _program(graph: Graph) -> Iterator[tuple[Any, dict[str, Any], Any]]:
    """Within the block, yield the executor, values by name and program of a folded graph, in static mode."""
    paddle.enable_static()
    try:
        with paddle.static.scope_guard(paddle.static.Scope()):
            main, startup = paddle.static.Program(), paddle.static.Program()
            with paddle.static.program_guard(main, startup), paddle.utils.unique_name.guard():
                values = {value.name: _input(value) for value in graph.inputs}
                for node in graph.nodes:
                    taken = [_taken(graph, values, name) for name in node.inputs]
                    values[node.outputs[0]] = PROGRAM[node.op](*taken, **node.attributes)
            executor = paddle.static.Executor(paddle.CPUPlace())
            executor.run(startup)
            for name, array in graph.arrays.items():
                if (place := paddle.static.global_scope().find_var(name)) is not None:
                    place.get_tensor().set(array, paddle.CPUPlace())
            yield executor, values, main
    finally:
        paddle.disable_static()


def _input(value: Any) -> Any:
    return paddle.static.data(value.name, [-1 if isinstance(size, str) else size for size in value.shape], value.dtype)


def _taken(graph: Graph, values: dict[str, Any], name: str) -> Any:
    """Return what a node takes: a value that was computed, integers as they are, a number, or a parameter."""
    if name in values or not name:
        return values.get(name)
    array = graph.arrays[name]
    if array.dtype.kind in "iu":
        return array
    if array.ndim == 0:
        values[name] = paddle.full([1], float(array), array.dtype.name)  # oneDNN of Paddle 2.6 takes no 0-d
    else:
        zero = paddle.nn.initializer.Constant(0.0)
        attribute = paddle.ParamAttr(name=name, trainable=False)
        values[name] = paddle.create_parameter(
            list(array.shape), array.dtype.name, attr=attribute, default_initializer=zero
        )
    return values[name]


def write_program(folder: Path, graph: Graph) -> None:
    """Write the files of a program into a folder."""
    with _quiet(), _program(folded(graph)) as (executor, values, main):
        inputs, outputs = ([values[each.name] for each in ends] for ends in (graph.inputs, graph.outputs))
        with paddle.utils.unique_name.guard():  # outputs are numbered
            paddle.static.save_inference_model(str(folder / NAME), inputs, outputs, executor, program=main)
        if (old := folder / f"{NAME}.pdmodel").exists():
            old.write_bytes(_without_callstacks(old.read_bytes()))


def _without_callstacks(content: bytes) -> bytes:
    """Return a .pdmodel of Paddle 2.6 without the lines of source code, and their folders, that made each operation."""
    program = paddle.static.deserialize_program(content)
    for block in program.blocks:
        for operation in block.ops:
            if operation.has_attr("op_callstack"):
                operation._remove_attr("op_callstack")
    return bytes(program.desc.serialize_to_string())


def in_executor(graph: Graph, inputs: list[Arrays], wanted: Iterable[str] = ()) -> list[Arrays]:
    """Compute a graph by a program for several inputs, in the dtypes of the graph.

    Returns its outputs by name for each, and those of the values named in `wanted` that lie within the program.
    """
    with _quiet(), _program(folded(graph)) as (executor, values, main):
        names = list(dict.fromkeys([*(value.name for value in graph.outputs), *values.keys() & set(wanted)]))
        fetched = [values[name] for name in names]
        return [dict(zip(names, executor.run(main, feed=each, fetch_list=fetched), strict=True)) for each in inputs]


class Predictor:
    """The files of a program in paddle.inference, on the CPU, with oneDNN or without."""

    def __init__(self, folder: Path, outputs: list[str], one_dnn: bool, threads: int = 1) -> None:
        from paddle import inference

        suffix = ".json" if (folder / f"{NAME}.json").exists() else ".pdmodel"
        config = inference.Config(str(folder / f"{NAME}{suffix}"), str(folder / f"{NAME}.pdiparams"))
        config.disable_gpu()
        config.disable_glog_info()
        config.set_cpu_math_library_num_threads(threads)
        if one_dnn:
            config.enable_mkldnn()
        elif hasattr(config, "disable_mkldnn"):
            config.disable_mkldnn()
        with _quiet():
            self.predictor = inference.create_predictor(config)
        self.outputs = outputs

    def run(self, inputs: Arrays) -> Arrays:
        """Return the outputs by name, which the files have in order only."""
        for name in self.predictor.get_input_names():
            self.predictor.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(inputs[name]))
        with _quiet():
            self.predictor.run()
        handles = map(self.predictor.get_output_handle, self.predictor.get_output_names())
        return dict(zip(self.outputs, (handle.copy_to_cpu() for handle in handles), strict=True))


@contextmanager
def _quiet() -> Iterator[None]:
    """Within the block, drop what native code prints: lines of the executor, and one for each mean from oneDNN."""
    _flush()
    kept, nothing = [os.dup(stream) for stream in (1, 2)], os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in (1, 2):
            os.dup2(nothing, stream)
        yield
    finally:
        _flush()
        for stream, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, stream)
        for descriptor in (*kept, nothing):
            os.close(descriptor)


def _flush() -> None:
    """Write out what has been printed so far, also what native code has."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        ctypes.CDLL(None).fflush(None)


def _convolution(function: Operation) -> Operation:
    def convolve(x: Any, kernel: Any, bias: Any = None, *, pads: Any, strides: Any, kernel_shape: Any) -> Any:
        out = function(x, kernel, stride=list(strides), padding=pads[0])
        return out if bias is None else paddle.add(out, paddle.reshape(bias, [1, -1, 1, 1]))

    return convolve


def _pad(x: Any, pads: Any, mode: str = "constant") -> Any:
    if not isinstance(pads, np.ndarray):  # of a picture: below and to the right
        return F.pad(x, paddle.concat([pads[3:4] * 0, pads[7:8], pads[3:4] * 0, pads[6:7]]).astype("int32"), mode=mode)
    _, _, top, left, _, _, bottom, right = pads.tolist()
    return F.pad(x, [left, right, top, bottom], mode=mode)


def _twice(x: Any, roi: None, scales: Any, **how: str) -> Any:
    """Enlarge by nearest neighbours without interpolate, which paddle.inference of Paddle 3.3 does not load."""
    x = paddle.unsqueeze(x, [3, 5])
    x = paddle.concat([x, x], 3)
    return paddle.flatten(paddle.flatten(paddle.concat([x, x], 5), 4, 5), 2, 3)


def _shape(x: Any, start: int = 0, end: int | None = None) -> Any:
    if "UINT8" in str(x.dtype).upper():  # of which Paddle 2.6 takes no shape
        x = x.astype("int32")
    return paddle.shape(x)[start : len(x.shape) if end is None else end].astype("int64")


def _reduced(function: Operation) -> Operation:
    def reduce(x: Any, axes: Any = None, keepdims: int = 1) -> Any:
        return function(x, None if axes is None else [int(axis) for axis in axes], keepdim=bool(keepdims))

    return reduce


def _tensor(value: Any) -> Any:
    return paddle.assign(value) if isinstance(value, np.ndarray) else value


def _slice(x: Any, start: np.ndarray, end: Any, axes: np.ndarray) -> Any:
    ends = end.tolist() if isinstance(end, np.ndarray) else [end[i] for i in range(len(axes))]
    return paddle.slice(x, axes.tolist(), start.tolist(), ends)


def _max_pool(x: Any, kernel_shape: Any, strides: Any, ceil_mode: int = 0) -> Any:
    return F.max_pool2d(x, list(kernel_shape), list(strides), ceil_mode=bool(ceil_mode))


PROGRAM: dict[str, Operation] = {
    "Add": paddle.add,
    "Cast": lambda x, to: x.astype(DTYPES[to].name),
    "Clip": lambda x, low, high: paddle.minimum(paddle.maximum(x, low), high),
    "Concat": lambda *xs, axis: paddle.concat([_tensor(x) for x in xs], axis),
    "Conv": _convolution(F.conv2d),
    "ConvTranspose": _convolution(F.conv2d_transpose),
    "Div": paddle.divide,
    "Flatten": lambda x, axis: paddle.flatten(x, axis),
    "MatMul": paddle.matmul,
    "Max": paddle.maximum,
    "MaxPool": _max_pool,
    "Mod": lambda x, y: paddle.mod(_tensor(x), _tensor(y)),
    "Mul": paddle.multiply,
    "Pad": _pad,
    "Reciprocal": paddle.reciprocal,
    "ReduceMax": _reduced(paddle.max),
    "ReduceMean": _reduced(paddle.mean),
    "ReduceProd": _reduced(paddle.prod),
    "ReduceSum": _reduced(paddle.sum),
    "Relu": F.relu,
    "Reshape": lambda x, shape: paddle.reshape(x, shape.tolist()),
    "Resize": _twice,
    "Round": paddle.round,
    "Shape": _shape,
    "Slice": _slice,
    "Softmax": lambda x, axis: F.softmax(x, axis),
    "Sqrt": paddle.sqrt,
    "Sub": lambda x, y: paddle.subtract(_tensor(x), _tensor(y)),
    "Tanh": paddle.tanh,
    "Transpose": lambda x, perm: paddle.transpose(x, list(perm)),
    "Unsqueeze": lambda x, axes: paddle.unsqueeze(x, axes.tolist()),
}
