"""Faults of the small twins of align/faults/small_twins.py: FAULTS, numbered as in the catalogue."""

import numpy as np
import paddle.nn.functional as F

from align.planting import local, put, put_weight, run


def _not_loaded(layer):
    layer.running_mean.set_value(np.zeros(layer.running_mean.shape, layer.running_mean.numpy().dtype))
    layer.running_var.set_value(np.ones(layer.running_var.shape, layer.running_var.numpy().dtype))


def _transposed_axes(array):
    return array.swapaxes(0, 1)


_padding_counted = run(lambda own, layer, x: F.avg_pool2d(x, 3, 2, 1, exclusive=False))
_floor = run(lambda own, layer, x: F.max_pool2d(x, 2, 2, ceil_mode=False))
_gelu_tanh = run(lambda own, layer, x: F.gelu(x, approximate=True))
_noise_turned = run(lambda own, layer, x, noise: own(x, noise.transpose([0, 1, 3, 2])))
_broadcast = run(lambda own, layer, x, target: ((x - target) ** 2).mean().reshape([1]))
_swapped_layout = run(
    lambda own, layer, x: F.conv2d_transpose(
        x, layer.weight.transpose([1, 0, 2, 3]), layer.bias, 2, 1, layer.output_padding
    )
)

FAULTS = [
    local(2, "running statistics not loaded", "conv-bn-eval", "1", _not_loaded),
    local(13, "momentum's meaning inverted", "conv-bn", "1", put(momentum=0.9), backward=None),
    local(14, "eps given in momentum's place", "conv-bn", "1", put(momentum=1e-5, eps=0.1)),
    local(17, "average pool counts the padding", "average-pool", "", _padding_counted),
    local(18, "max pool without ceil_mode", "max-pool", "", _floor),
    local(19, "pad order top, bottom, left, right", "zero-pad", "", put(padding=(3, 0, 1, 2))),
    local(21, "corners aligned in a resize", "resize", "", put(kind="corners")),
    local(21, "asymmetric grid in a resize", "resize", "", put(kind="asymmetric")),
    local(31, "GELU by tanh", "gelu", "", _gelu_tanh),
    local(32, "dropout downscales in evaluation, seen in training", "dropout", "", put(mode="downscale_in_infer")),
    local(32, "dropout downscales in evaluation", "dropout-eval", "", put(mode="downscale_in_infer")),
    local(33, "transposed convolution's layout", "conv-transpose", "", put_weight("weight", _transposed_axes)),
    local(33, "transposed convolution applied in the other layout", "conv-transpose", "", _swapped_layout),
    local(33, "output padding missing", "conv-transpose", "", put(output_padding=0)),
    local(34, "demodulation's eps 1e-5", "modulated-conv", "", put(eps=1e-5)),
    local(34, "style without + 1", "modulated-conv", "", put(shift=0.0)),
    local(35, "noise's height and width swapped", "noise", "", _noise_turned),
    local(36, "loss of (N,1) with (N,) broadcast", "loss", "", _broadcast),
    local(43, "filter's gradient asked alone", "filter-gradient", "", put(asked_alone=True), forward=None),
]
