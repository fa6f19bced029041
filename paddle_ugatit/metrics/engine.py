"""How Inception is run: as a plain network or, on a CPU, as a fused oneDNN program that is twice as fast.

The program is the same network with every batch norm folded into the preceding convolution (in float64, then rounded).
Its features are as close to those in float64 as the plain network's; align/check_metric.py compares them.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from paddle_ugatit.backend.compat import default_dtype
from paddle_ugatit.metrics.preprocess import SIZE
from paddle_ugatit.models.inception import FEATURES, AveragePool, BasicConv2d, InceptionV3

CHUNK = 8  # images per run of the program, always: with another number oneDNN sums in a different order


def runner(network: InceptionV3, fast: bool | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that runs `network`: float32 (B,3,299,299) -> (B,d).

    It uses oneDNN on a CPU if `fast`. By default only the full network is fast: for a narrow one, building the program
    takes longer than it saves.
    """
    fast = network.fc.weight.shape[0] == FEATURES if fast is None else fast
    if fast and paddle.get_device() == "cpu":
        with default_dtype("float32"):  # the features', whatever else is trained in this process
            predictor = _predictor(folded(network))
        if predictor is not None:
            return lambda x: _predict(predictor, x)

    def run(x: np.ndarray) -> np.ndarray:
        with paddle.no_grad():
            return network(paddle.to_tensor(x))[0].numpy()

    return run


class FoldedConv(nn.Layer):
    """A convolution with bias and ReLU, equivalent to a BasicConv2d: (B,in,H,W) -> (B,out,H',W')."""

    def __init__(self, basic: BasicConv2d):
        super().__init__()
        norm, self.stride, self.padding = basic.bn, basic.conv._stride, basic.conv._updated_padding
        weight, gamma, beta, mean, var = (
            tensor.numpy().astype(np.float64)
            for tensor in (basic.conv.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var)
        )
        scale = gamma / np.sqrt(var + norm.eps)
        self.weight = self._constant(weight * scale[:, None, None, None])
        self.bias = self._constant(beta - mean * scale)

    def _constant(self, values: np.ndarray) -> paddle.Tensor:
        parameter = self.create_parameter(list(values.shape))
        parameter.set_value(values.astype(np.float32))
        return parameter

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return F.relu(F.conv2d(x, self.weight, self.bias, self.stride, self.padding))


class _PlainPool(nn.Layer):
    """AveragePool without its custom gradient, which a program cannot contain."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return F.avg_pool2d(x, 3, stride=1, padding=1, exclusive=True)


def folded(network: InceptionV3) -> InceptionV3:
    """Return a copy of the network for inference, with FoldedConv in place of BasicConv2d."""
    copy = InceptionV3(FEATURES // network.fc.weight.shape[0])
    _fold_into(copy, network)
    copy.fc.weight.set_value(network.fc.weight)
    copy.fc.bias.set_value(network.fc.bias)
    return copy


def _fold_into(copy: nn.Layer, layer: nn.Layer) -> None:
    for name, child in layer.named_children():
        if isinstance(child, BasicConv2d):
            setattr(copy, name, FoldedConv(child))
        elif isinstance(child, AveragePool):
            setattr(copy, name, _PlainPool())
        else:
            _fold_into(getattr(copy, name), child)


def _predictor(network: nn.Layer) -> Any:
    """Paddle's predictor for the network, or None if this build of Paddle has no inference library."""
    try:
        from paddle.inference import Config, create_predictor
    except ImportError:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/inception"
        paddle.jit.save(network, path, [paddle.static.InputSpec([None, 3, SIZE, SIZE])])
        program = next(path + suffix for suffix in (".json", ".pdmodel") if Path(path + suffix).exists())
        config = Config(program, path + ".pdiparams")
        config.disable_gpu()
        config.disable_glog_info()
        config.enable_mkldnn()
        config.set_cpu_math_library_num_threads(int(os.environ.get("OMP_NUM_THREADS") or 1))
        return create_predictor(config)


def _predict(predictor: Any, x: np.ndarray) -> np.ndarray:
    """(B,3,299,299) -> (B,d), CHUNK images at a time; the last chunk is padded with zeros."""
    handle = predictor.get_input_handle(predictor.get_input_names()[0])
    features = []
    for start in range(0, len(x), CHUNK):
        chunk = x[start : start + CHUNK]
        missing = CHUNK - len(chunk)
        handle.copy_from_cpu(np.ascontiguousarray(np.pad(chunk, [(0, missing), (0, 0), (0, 0), (0, 0)])))
        predictor.run()
        features.append(predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()[: len(chunk)])
    return np.concatenate(features)
