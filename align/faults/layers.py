"""Faults of U-GAT-IT's layers and networks: FAULTS says where each is planted and which layer each check must blame.

CASES are those of align/cases plus a few for faults that these cannot show.
"""

import numpy as np
import paddle
import paddle.nn.functional as F

from align import cases
from align.planting import local, patched, put, put_weight, run, swap
from paddle_ugatit.layers import norm, spectral_norm
from paddle_ugatit.layers.channels import channel_scale
from paddle_ugatit.layers.fast import folded
from paddle_ugatit.models import ugatit


class _Tied(cases.Case):
    """A case whose inputs lie on a grid of halves, so that maxima tie."""

    def inputs(self, seed):
        return [[np.round(2 * array) / 2 for array in call] for call in super().inputs(seed)]


def _square_spectral_conv(layers):
    return layers.spectral_norm(layers.Conv2D(8, 8, 3))


_TWINS = [
    _Tied("cam-head-ties", lambda L: L.CamHead(8, False), [(3, 8, 9, 7)], "", "models/ugatit.py", "attend"),
    cases.Case(
        "spectral-conv-square", _square_spectral_conv, [(3, 8, 9, 7)], "", "layers/spectral_norm.py", "spectral_norm", 3
    ),
    cases.Case("iln-big", lambda L: L.ILN(32), [(1, 32, 128, 128)], "", "layers/norm.py", "ILN"),
]
CASES = cases.CASES | {case.name: case for case in _TWINS}
_LIGHT, _FULL, _INITIAL = "generator-light", "generator-full", "generator-light-initial"
_LOCAL, _EVAL = "discriminator-local", "discriminator-local-eval"
_LINEAR, _CONV = "spectral-linear", "spectral-conv-square"

# Functions to replace, and the right ones that the wrong ones call.
_ATTEND, _ADVANCE = (ugatit, "attend"), (spectral_norm.SpectralNorm, "advance")
_MATRIX, _ITERATION = (spectral_norm.SpectralNorm, "matrix"), (spectral_norm, "power_iteration")
_STATS, _VARIANCE, _FORMULA = (norm, "instance_stats"), (folded, "layer_variance"), (norm, "layer_instance_norm")
_MAX_POOL = (F, "adaptive_max_pool2d")
attend, advance = ugatit.attend, spectral_norm.SpectralNorm.advance
layer_variance, instance_stats = folded.layer_variance, norm.instance_stats


def _extra_bias(layer):
    bias = layer.create_parameter([layer.weight.shape[0]], dtype=layer.weight.dtype, is_bias=True)  # zeros
    bias.stop_gradient = True
    layer.bias = bias


def _tied(x, _size):
    return x.amax([2, 3], True)


def _freeze(layer):
    layer.weight.stop_gradient = True


def _relu_before_iln(sequence):
    layers = dict(sequence._sub_layers)
    sequence._sub_layers.clear()
    for name in layers:
        name = {"3": "4", "4": "3"}.get(name, name)
        sequence._sub_layers[name] = layers[name]


def _at_one(value):
    """Plant: one element of the output is multiplied by `value`."""

    def forward(own, _layer, *arguments):
        out = own(*arguments)
        factor = np.ones(out.shape)
        factor.flat[5] = value
        return out * paddle.to_tensor(factor.astype(out.numpy().dtype))

    return run(forward)


def _nhwc(own, layer, x):
    channels = layer[2].weight.shape[0]
    side = int((x.shape[1] // channels) ** 0.5)
    return own(x.reshape([-1, channels, side, side]).transpose([0, 2, 3, 1]).flatten(1))


def _heatmap_mean(own, model, x):
    image, cam_logit, heatmap = own(x)
    return image, cam_logit, heatmap / model.conv1x1.weight.shape[0]


def _trunk_twice(own, model, x):
    out = own(x)
    model.model(x)
    return out


def _attend_normalised(x, gap_fc, gmp_fc, gap_weight, gmp_weight):
    _, cam_logit = attend(x, gap_fc, gmp_fc, gap_weight, gmp_weight)
    maps = [channel_scale(x, (fc.weight_orig / fc.spectral.sigma).reshape([1, -1, 1, 1])) for fc in (gap_fc, gmp_fc)]
    return paddle.concat(maps, 1), cam_logit


def _attend_gap_twice(x, gap_fc, gmp_fc, gap_weight, _gmp_weight):
    return attend(x, gap_fc, gmp_fc, gap_weight, gap_weight)


def _attend_detached(x, gap_fc, gmp_fc, gap_weight, gmp_weight):
    return attend(x, gap_fc, gmp_fc, gap_weight.detach(), gmp_weight)


def _biased_layer_variance(offset, var, pixels):
    count = offset.shape[1] * pixels
    return layer_variance(offset, var, pixels) * ((count - 1) / count)


def biased_stats(x):
    pixels = x.shape[2] * x.shape[3]
    centred, mean, var = instance_stats(x)
    return centred, mean, var * ((pixels - 1) / pixels)


def _norm_by_paddle_var(x, rho, gamma, beta, eps, _revision):
    def normalised(axes):
        return (x - x.mean(axes, keepdim=True)) / paddle.sqrt(x.var(axes, keepdim=True) + norm.constant(eps, x))

    return (rho * normalised([2, 3]) + (1 - rho) * normalised([1, 2, 3])) * gamma + beta


def _iterate_with_gradient(weight, u, v, eps, _added):
    v = F.normalize(paddle.mv(weight.t(), u.clone()), axis=0, epsilon=eps)  # otherwise the next call would change it
    return F.normalize(paddle.mv(weight, v), axis=0, epsilon=eps), v


def sigma_detached(norm):
    advance(norm)
    norm.sigma = norm.sigma.detach()


def iterate_always(norm):
    training, norm.layer.training = norm.layer.training, True
    advance(norm)
    norm.layer.training = training


def _wrong_linear(norm):
    return norm.weight.flatten(1)


def _wrong_conv(norm):
    return norm.weight.transpose([1, 0, 2, 3]).flatten(1)


_applied_transposed = run(lambda own, layer, x: F.linear(x, layer.weight.t()))
_other_style = run(lambda own, layer, x, gamma, beta: own(x, beta, gamma))
_identity = run(lambda own, layer, x: x * 1)
zero_pad = run(lambda own, layer, x: F.pad(x, [layer.padding] * 4))
_bilinear = run(lambda own, layer, x: F.interpolate(x, scale_factor=2, mode="bilinear"))
_in_float32 = run(lambda own, layer, x: own(x.astype("float32").astype(x.dtype)))
_slope_1_at_zero = run(lambda own, layer, x: paddle.where(x >= 0, x, x * layer.slope))
_swap_convs = swap("conv1.weight", "conv2.weight")
_block, _last = "UpBlock1_1", "UpBlock1_1.norm2"

WEIGHT_FAULTS = [
    local(1, "square Linear loaded transposed", _LIGHT, "FC.2", put_weight("weight", np.transpose)),
    local(1, "square Linear applied transposed", _LIGHT, "gamma", _applied_transposed),
    local(4, "frozen bias that PyTorch has not", _LIGHT, "UpBlock2.2", _extra_bias),
    patched(6, "spectral norm of a Linear over the wrong dim", _LINEAR, "", "", _MATRIX, _wrong_linear),
    patched(6, "spectral norm of a Conv2D over the wrong dim", _CONV, "", "", _MATRIX, _wrong_conv),
    patched(8, "power iteration in evaluation too", _EVAL, "model.1", "conv", _ADVANCE, iterate_always),
    patched(9, "attention by the normalised weight", _LOCAL, "conv1x1", "gmp_fc", _ATTEND, _attend_normalised),
    patched(10, "gmp by gap's weight", _LIGHT, "conv1x1", "gmp_fc", _ATTEND, _attend_gap_twice),
    local(11, "no bias where PyTorch has one", _LIGHT, "conv1x1", put(bias=None)),
    local(
        12,
        "gamma's and beta's weights swapped",
        _LIGHT,
        "",
        swap("gamma.weight", "beta.weight"),
        forward="gamma",
        backward="beta",
    ),
    local(
        12,
        "two convolutions swapped",
        _LIGHT,
        _block,
        _swap_convs,
        forward="UpBlock1_1.conv1",
        backward="UpBlock1_1.conv2",
    ),
]
FORWARD_FAULTS = [
    patched(15, "biased layer variance", _LIGHT, "UpBlock1_1.norm1", "UpBlock2.8", _VARIANCE, _biased_layer_variance),
    patched(15, "biased instance variance in AdaILN", "adailn", "", "", _STATS, biased_stats),
    local(16, "eps 2e-5 in one AdaILN", _LIGHT, "UpBlock1_2.norm1", put(eps=2e-5)),
    local(16, "eps 1e-6 in one ILN", _LIGHT, "UpBlock2.3", put(eps=1e-6)),
    local(20, "zero pad for reflect pad", _LIGHT, "UpBlock1_1.pad1", zero_pad),
    local(21, "bilinear for nearest", _LIGHT, "UpBlock2.0", _bilinear),
    local(22, "ReLU before ILN", _LIGHT, "UpBlock2", _relu_before_iln, forward="UpBlock2.3", backward="UpBlock2.4"),
    local(
        23, "no skip in one block", _LIGHT, _block, put(revision="initial"), forward="UpBlock1_2.pad1", backward="relu"
    ),
    local(23, "a skip in the initial revision", "adailn-block-initial", "", put(revision="current")),
    local(24, "nested variance for a single one", _LIGHT, "UpBlock2.8", put(revision="initial")),
    local(24, "single variance for a nested one", _INITIAL, _last, put(revision="current")),
    local(26, "LeakyReLU's slope 0.01", _LOCAL, "model.5", put(slope=0.01)),
    local(
        27,
        "gamma and beta swapped in one block",
        _LIGHT,
        _block,
        _other_style,
        forward="UpBlock1_1.norm1",
        backward="beta",
    ),
    local(28, "heatmap as a mean", _LIGHT, "", run(_heatmap_mean), backward="relu"),
    local(29, "tanh missing", _LIGHT, "UpBlock2.12", _identity),
    local(30, "flattened as NHWC", _FULL, "FC", run(_nhwc), forward="FC.0", backward="relu"),
    patched(66, "paddle.var over a big map", "iln-big", "", "", _FORMULA, _norm_by_paddle_var, dtypes=("float32",)),
    local(0, "NaN at one element", _LIGHT, "DownBlock.6", _at_one(np.nan)),
    local(0, "one element off by a half", _LIGHT, "UpBlock1_2.conv2", _at_one(1.5)),
    local(0, "one layer rounded to float32", _LIGHT, "UpBlock2.7", _in_float32, dtypes=("float64",)),
    local(
        0,
        "encoder block left out",
        _LIGHT,
        "DownBlock.12",
        _identity,
        forward="DownBlock.12.conv_block.0",
        backward="DownBlock.12.conv_block.6",
    ),
    local(
        0, "discriminator's trunk run once more", _LOCAL, "", run(_trunk_twice), forward="model.0", backward="model.11"
    ),
]
BACKWARD_FAULTS = [
    patched(7, "sigma detached", _LOCAL, None, "conv", _ADVANCE, sigma_detached),
    local(37, "LeakyReLU's gradient 1 at zero", "leaky-relu", "", _slope_1_at_zero, forward=None),
    # In float32 a tie is broken by half a unit in the last place, which PyTorch's own floor includes.
    patched(38, "tied maxima share the gradient", "cam-head-ties", None, "", _MAX_POOL, _tied, dtypes=("float64",)),
    patched(39, "attention weight detached", _LIGHT, None, "gap_fc", _ATTEND, _attend_detached),
    local(39, "one weight frozen", _LIGHT, "UpBlock1_1.conv2", _freeze, forward=None),
    # Not "conv": it has one row, whose singular vectors the first iteration finds; their gradient adds nothing.
    patched(40, "power iteration with a gradient", _LOCAL, None, "model.10", _ITERATION, _iterate_with_gradient),
]
FAULTS = WEIGHT_FAULTS + FORWARD_FAULTS + BACKWARD_FAULTS
