"""How Inception is run: as it stands, or, on a CPU, as a fused program for oneDNN, twice as fast.

The program is the same network with every batch norm folded into the convolution before it (in float64, then rounded);
its features differ from the network's by about 5e-7 of their largest, as any order of summation does.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from paddle_ugatit.metrics.preprocess import SIZE
from paddle_ugatit.models.inception import AveragePool, BasicConv2d, InceptionV3


def runner(network, fast=True):
    """A function (B,3,299,299) float32 array -> (B,d) array that runs `network`, by oneDNN where `fast` and a CPU."""
    if fast and paddle.get_device() == "cpu":
        predictor = _predictor(folded(network))
        if predictor is not None:
            return lambda x: _predict(predictor, x)

    def run(x):
        with paddle.no_grad():
            return network(paddle.to_tensor(x))[0].numpy()

    return run


class FoldedConv(nn.Layer):
    """ReLU of a convolution with bias, equal to a BasicConv2d: (B,in,H,W) -> (B,out,H',W')."""

    def __init__(self, basic):
        super().__init__()
        norm, self.stride, self.padding = basic.bn, basic.conv._stride, basic.conv._updated_padding
        weight, gamma, beta, mean, var = (
            tensor.numpy().astype(np.float64)
            for tensor in (basic.conv.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var)
        )
        scale = gamma / np.sqrt(var + norm.eps)
        self.weight = self._constant(weight * scale[:, None, None, None])
        self.bias = self._constant(beta - mean * scale)

    def _constant(self, values):
        parameter = self.create_parameter(list(values.shape))
        parameter.set_value(values.astype(np.float32))
        return parameter

    def forward(self, x):
        return F.relu(F.conv2d(x, self.weight, self.bias, self.stride, self.padding))


class _PlainPool(nn.Layer):
    """AveragePool without its gradient, which a program cannot hold."""

    def forward(self, x):
        return F.avg_pool2d(x, 3, stride=1, padding=1, exclusive=True)


def folded(network):
    """A copy of the network for inference alone: FoldedConv for BasicConv2d."""
    copy = InceptionV3(2048 // network.fc.weight.shape[0])
    _fold_into(copy, network)
    copy.fc.weight.set_value(network.fc.weight)
    copy.fc.bias.set_value(network.fc.bias)
    copy.eval()
    return copy


def _fold_into(copy, layer):
    for name, child in layer.named_children():
        if isinstance(child, BasicConv2d):
            setattr(copy, name, FoldedConv(child))
        elif isinstance(child, AveragePool):
            setattr(copy, name, _PlainPool())
        else:
            _fold_into(getattr(copy, name), child)


def _predictor(network):
    """Paddle's predictor of the network; None where this build has none for oneDNN."""
    try:
        from paddle.inference import Config, create_predictor
    except ImportError:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "inception")
        paddle.jit.save(network, path, [paddle.static.InputSpec([None, 3, SIZE, SIZE], "float32")])
        program = next(path + suffix for suffix in (".json", ".pdmodel") if Path(path + suffix).exists())
        config = Config(program, path + ".pdiparams")
        config.disable_gpu()
        config.disable_glog_info()
        config.enable_mkldnn()
        config.set_mkldnn_cache_capacity(4)  # shapes kept: full batches and the last one
        config.set_cpu_math_library_num_threads(int(os.environ.get("OMP_NUM_THREADS") or 1))
        return create_predictor(config)


def _predict(predictor, x):
    handle = predictor.get_input_handle(predictor.get_input_names()[0])
    handle.copy_from_cpu(np.ascontiguousarray(x))
    predictor.run()
    return predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()
