"""The proof of an export: what a written file computes, against the network that it was made from.

Contents: Exported, Proof, prove. The file is read back. Computed in float64 it must equal the network in float64 up to
1e-12; and ONNX Runtime, where it is installed, must be as close to that in float32 as the network itself is in float32,
up to a factor of 4. The weights are those of the file, the inputs are random. Some networks enlarge rounding errors
beyond that, such as the initial revision's on small maps: then both bounds are 4 times what a change of every weight by
one unit in its last place makes of the results, or the plain formulas of its layers in place of the faster ones.
"""

import copy
import functools
import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from paddle import nn

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data.transforms import random_bits
from paddle_ugatit.deploy.compressed import stored
from paddle_ugatit.deploy.graph import Graph, as_float64
from paddle_ugatit.deploy.onnx_file import read_onnx
from paddle_ugatit.deploy.run import run
from paddle_ugatit.formats.checkpoint import FilePath
from paddle_ugatit.inference.translate import evaluating
from paddle_ugatit.layers.fast import dispatch

EXACT = 1e-12  # relative, in float64
FACTOR = 4  # times the rounding error of the network itself
_DRAWS = 4  # of changed weights
_ULP = {"float32": 2.0**-23, "float64": 2.0**-52}

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Exported:
    """A graph, and the network that it must equal.

    `compute` returns what the network makes of inputs, in the dtype of its weights, under the names of the graph's
    values; pixels as levels before they are rounded. `inputs` are those of the proof, in float32, int64 or uint8.
    `meanings` says in a line what an input or output is. `one_dnn` is false where the oneDNN of paddle.inference
    computes the network wrongly.
    """

    graph: Graph
    network: nn.Layer
    compute: Callable[[nn.Layer, Arrays], Arrays]
    inputs: list[Arrays]
    meanings: dict[str, str] = field(default_factory=dict)
    one_dnn: bool = True


@dataclass
class Proof:
    """The relative errors by output: in float64, of the network in float32, and in float32 in each runtime there is.

    `shaken` is what a unit in the last place of float64 in every weight makes, or plain formulas, if that was needed.
    """

    double: dict[str, float] = field(default_factory=dict)
    floor: dict[str, float] = field(default_factory=dict)
    runtimes: dict[str, dict[str, float]] = field(default_factory=dict)
    shaken: dict[str, float] = field(default_factory=dict)

    def bound(self, name: str) -> float:
        """Return how large an error in float64 may be."""
        return max(EXACT, FACTOR * self.shaken.get(name, 0.0))

    def faults(self) -> list[str]:
        """Return a line for each error that is too large; none if the file is proved."""
        wrong = [
            f"{name} is off by {error:.1e} in float64, more than {self.bound(name):.1e}"
            for name, error in self.double.items()
            if not error <= self.bound(name)
        ]
        for runtime, errors in self.runtimes.items():
            for name, error in errors.items():
                if not error <= FACTOR * self.floor[name]:
                    own = f"{FACTOR} times the network's own {self.floor[name]:.1e}"
                    wrong.append(f"{name} is off by {error:.1e} in {runtime}, more than {own}")
        return wrong

    def lines(self) -> list[str]:
        """Return what was measured, a line for each output."""
        lines = []
        for name, error in self.double.items():
            ran = "".join(f", in {each} {errors[name]:.1e}" for each, errors in self.runtimes.items() if name in errors)
            own = f"the network itself in float32: {self.floor[name]:.1e}"
            lines.append(f"{name}: off by {error:.1e} in float64{ran} ({own})")
        return lines


def prove(path: FilePath, exported: Exported) -> Proof:
    """Measure how far the file at `path` is from the network.

    Raises InputError if the network itself gives NaN, or if the file cannot be computed at all.
    """
    graph, runtime = read_onnx(path), OnnxRuntime.of(path)

    def exact(inputs: Arrays, wanted: Iterable[str]) -> Arrays:
        try:
            return run(as_float64(graph), inputs, wanted)
        except ValueError as error:
            raise InputError(f"{path}: the graph cannot be computed: {error}") from error

    return compared(exported, graph, exact, {"ONNX Runtime": runtime.run} if runtime else {})


def compared(
    exported: Exported,
    graph: Graph,
    exact: Callable[[Arrays, Iterable[str]], Arrays],
    runtimes: dict[str, Callable[[Arrays], Arrays]],
) -> Proof:
    """Measure how far a way of computing a graph in float64, and others in float32, are from the network.

    `exact` gets inputs in float64, and the names of the values that are wanted, of which it may return fewer. What
    each way needs is made and freed in turn: a full generator takes gigabytes.
    """
    proof = Proof()
    network = network_of(exported.network, graph, "float64")
    cases = [(inputs, _computed(exported, network, inputs)) for inputs in widened(exported)]
    del network
    network = network_of(exported.network, graph, "float32")
    for inputs, (_, wanted) in zip(exported.inputs, cases, strict=True):
        require_finite(wanted)
        _note(proof.floor, _computed(exported, network, inputs), wanted, _ULP["float32"])
    del network
    for inputs, wanted in cases:
        _note(proof.double, exact(inputs, wanted), wanted)
    for name, computed in runtimes.items():
        proof.runtimes[name] = {}
        for inputs, (_, wanted) in zip(exported.inputs, cases, strict=True):
            _note(proof.runtimes[name], computed(inputs), wanted)
    if proof.faults():
        for errors, dtype, taken in (
            (proof.shaken, "float64", widened(exported)),
            (proof.floor, "float32", exported.inputs),
        ):
            network = network_of(exported.network, graph, dtype)
            for inputs, (_, wanted) in zip(taken, cases, strict=True):
                with dispatch.plain():
                    _note(errors, _computed(exported, network, inputs), wanted)
        _shake(proof, exported, network_of(exported.network, graph, "float64"), cases)
    return proof


def _shake(proof: Proof, exported: Exported, network: nn.Layer, cases: list[tuple[Arrays, Arrays]]) -> None:
    """Measure what units in the last place of the weights make of the results, and note it as rounding errors."""
    before = {name: parameter.numpy() for name, parameter in network.named_parameters()}
    for errors, ulp in ((proof.shaken, _ULP["float64"]), (proof.floor, _ULP["float32"])):
        for draw in range(_DRAWS):
            for number, (name, parameter) in enumerate(network.named_parameters()):
                signs = (random_bits(draw, number, count=before[name].size) >> np.uint64(63)).astype(np.float64) * 2 - 1
                parameter.set_value(before[name] * (1 + ulp * signs.reshape(before[name].shape)))
            for inputs, wanted in cases:
                _note(errors, _computed(exported, network, inputs), wanted)
    for name, parameter in network.named_parameters():
        parameter.set_value(before[name])


def network_of(network: nn.Layer, graph: Graph, dtype: str) -> nn.Layer:
    """Return a copy of a network in float32 or float64, with the weights that a graph holds."""
    copied = copy.deepcopy(network)
    copied.to(dtype=dtype)
    parameters = dict(copied.named_parameters())
    for name, parameter in parameters.items():
        if f"{name}.float16" in graph.arrays or f"{name}.int8" in graph.arrays:
            parameter.set_value(stored(graph, name).astype(dtype))
    return copied


def require_finite(arrays: Arrays) -> None:
    """Raise InputError if a network returned NaN or infinity."""
    for array in arrays.values():
        if not np.isfinite(array).all():
            raise InputError("the network gives NaN: its weights are damaged")


def _computed(exported: Exported, network: nn.Layer, inputs: Arrays) -> Arrays:
    with evaluating(network):
        return exported.compute(network, inputs)


def widened(exported: Exported) -> list[Arrays]:
    """Return the inputs of the proof in float64; those of other dtypes than float32 as they are."""
    return [
        {name: array.astype(np.float64) if array.dtype == np.float32 else array for name, array in inputs.items()}
        for inputs in exported.inputs
    ]


def _note(errors: dict[str, float], found: Arrays, wanted: Arrays, least: float = 0.0) -> None:
    """Keep the largest error of each value so far."""
    for name, array in found.items():
        errors[name] = max(errors.get(name, 0.0), least, relative_error(array, wanted[name]))


def relative_error(found: np.ndarray, wanted: np.ndarray) -> float:
    """Return the largest difference over the largest value; pixels may differ by half a level from what they round.

    It is infinite if shapes differ, or if there is NaN.
    """
    if found.shape != wanted.shape or not np.isfinite(found).all():
        return float("inf")
    away = np.abs(found.astype(np.float64) - wanted)
    if found.dtype == np.uint8:
        away = np.maximum(away - 0.5, 0)
    largest = float(np.abs(wanted).max())
    return float(away.max()) / largest if largest else float(away.max())


class OnnxRuntime:
    """A file in ONNX Runtime, on one thread of the CPU; it is loaded when it is first run."""

    def __init__(self, path: FilePath) -> None:
        self.path = path

    @classmethod
    def of(cls, path: FilePath) -> "OnnxRuntime | None":
        """Return the file in ONNX Runtime, None if that is not installed."""
        return cls(path) if importlib.util.find_spec("onnxruntime") else None

    @functools.cached_property
    def session(self) -> Any:
        """The loaded file. Raises InputError if ONNX Runtime does not take it."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level, options.intra_op_num_threads = 3, 1
        try:
            return onnxruntime.InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no class in common but this
            raise InputError(f"{self.path}: ONNX Runtime does not load it: {error}") from error

    def run(self, inputs: Arrays) -> Arrays:
        """Return all outputs by name. Raises InputError if ONNX Runtime fails."""
        names = [output.name for output in self.session.get_outputs()]
        try:
            return dict(zip(names, self.session.run(names, inputs), strict=True))
        except Exception as error:
            raise InputError(f"{self.path}: ONNX Runtime does not run it: {error}") from error
