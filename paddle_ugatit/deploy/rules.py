"""What each class of layers is in a graph: one rule a class.

Contents: RULES, layer (applies the rule of a layer's class), sequence, and what the rules of networks share. A rule
takes the graph, the layer, the prefix of its weights' names and the values that the layer takes, and returns the value
that it gives; shapes are those of the layer. Every norm is written out: ONNX's own keep their eps in float32.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddle_ugatit.deploy.graph import FLOAT, Graph
from paddle_ugatit.layers.batch_norm import BatchNorm2D
from paddle_ugatit.layers.convolution import Conv2D, ConvTranspose2D
from paddle_ugatit.layers.leaky_relu import LeakyReLU
from paddle_ugatit.layers.linear import Linear
from paddle_ugatit.layers.norm import ILN, SMOOTHING, AdaILN, InstanceNorm2D
from paddle_ugatit.layers.reflection_pad import ReflectionPad2D
from paddle_ugatit.layers.sequential import Sequential
from paddle_ugatit.layers.spectral_norm import SpectralNormWrapper
from paddle_ugatit.layers.upsample import Upsample

SPACE, LAYER = (2, 3), (1, 2, 3)


def values_of(tensor: paddle.Tensor) -> np.ndarray:
    """Return a tensor's values."""
    return np.asarray(tensor.numpy())


def parameter(g: Graph, name: str, tensor: paddle.Tensor, *shape: int) -> str:
    """Add a parameter under its name in the state dict, reshaped to `shape` within the graph if that is given."""
    g.array(name, values_of(tensor))
    if not shape:
        return name
    return g.apply("Reshape", name, g.integers(*shape), out=f"{name}.reshaped")


def weight(g: Graph, name: str, tensor: paddle.Tensor, axis: int) -> str:
    """Add a kernel or matrix, whose outputs lie along `axis`, under its name in the state dict."""
    g.weights[name] = axis
    return parameter(g, name, tensor)


def conv2d(g: Graph, conv: Conv2D, prefix: str, x: str) -> str:
    """W * x + b: (B,in,H,W) -> (B,out,H',W')."""
    kernel = normalised(g, conv, prefix, weight(g, key(conv, prefix), raw(conv), 0))
    return convolution(g, conv, prefix, x, kernel)


def convolution(g: Graph, conv: Any, prefix: str, x: str, kernel: str, op: str = "Conv") -> str:
    """Return `conv` of x with this kernel."""
    bias = [] if conv.bias is None else [parameter(g, f"{prefix}.bias", conv.bias)]
    sides, strides = (conv.padding,) * 4, (conv.stride,) * 2
    size = tuple(int(each) for each in raw(conv).shape[2:])
    return g.apply(op, x, kernel, *bias, pads=sides, strides=strides, kernel_shape=size)


def conv_transpose2d(g: Graph, conv: ConvTranspose2D, prefix: str, x: str) -> str:
    """The gradient of a convolution, plus b: (B,in,H,W) -> (B,out,(H-1)s-2p+k,(W-1)s-2p+k)."""
    kernel = normalised(g, conv, prefix, weight(g, key(conv, prefix), raw(conv), 1))
    return convolution(g, conv, prefix, x, kernel, "ConvTranspose")


def linear(g: Graph, layer: Linear, prefix: str, x: str) -> str:
    """x W + b: (B,in) -> (B,out)."""
    kernel = normalised(g, layer, prefix, weight(g, key(layer, prefix), raw(layer), 1))
    x = g.apply("MatMul", x, kernel)
    return x if layer.bias is None else g.apply("Add", x, parameter(g, f"{prefix}.bias", layer.bias))


def key(layer: Any, prefix: str) -> str:
    """Return the name in the state dict of a layer's weight, which spectral normalisation changes."""
    return f"{prefix}.weight" if layer.spectral is None else f"{prefix}.{layer.spectral.name}"


def raw(layer: Any) -> paddle.Tensor:
    """Return a layer's weight, the raw one under spectral normalisation."""
    return layer.weight if layer.spectral is None else layer.spectral.weight


def normalised(g: Graph, layer: Any, prefix: str, kernel: str) -> str:
    """Divide a kernel by its sigma = u^T W v, under spectral normalisation: in evaluation mode a number.

    It is computed within the graph, from the kernel as it is stored. The kernel is a matrix by its first axis.
    """
    if layer.spectral is None:
        return kernel
    if isinstance(layer, Linear):
        raise ValueError(f"{prefix}: no rule for a Linear with spectral normalisation")
    u = parameter(g, f"{prefix}.weight_u", layer.weight_u, 1, -1)
    v = parameter(g, f"{prefix}.weight_v", layer.weight_v, -1, 1)
    matrix = g.apply("Reshape", kernel, g.integers(int(raw(layer).shape[0]), -1))
    sigma = g.apply("MatMul", u, g.apply("MatMul", matrix, v))
    return g.apply("Div", kernel, g.apply("Reshape", sigma, g.integers(1)))


def reflection_pad(g: Graph, pad: ReflectionPad2D, prefix: str, x: str) -> str:
    """Reflect rows and columns at each border: (B,C,H,W) -> (B,C,H+p+a,W+p+a)."""
    before, after = pad.padding, pad.after
    return g.apply("Pad", x, g.integers(0, 0, before, before, 0, 0, after, after), mode="reflect")


def upsample(g: Graph, layer: Upsample, prefix: str, x: str) -> str:
    """Double the size by nearest neighbours: (B,C,H,W) -> (B,C,2H,2W)."""
    scales = g.array("scales(1,1,2,2)", np.array([1, 1, 2, 2], np.float32))
    how: dict[str, str] = {"coordinate_transformation_mode": "asymmetric", "mode": "nearest", "nearest_mode": "floor"}
    return g.apply("Resize", x, "", scales, **how)


def max_pool(g: Graph, pool: nn.MaxPool2D, prefix: str, x: str) -> str:
    """The maximum of each window: (B,C,H,W) -> (B,C,H',W')."""
    size, stride = pool.ksize, pool.stride or pool.ksize
    if pool.padding != 0:
        raise ValueError("a max-pooling with padding has no rule")
    return g.apply("MaxPool", x, kernel_shape=(size, size), strides=(stride, stride), ceil_mode=int(pool.ceil_mode))


def relu(g: Graph, layer: nn.ReLU, prefix: str, x: str) -> str:
    """max(x, 0), any shape."""
    return g.apply("Relu", x)


def leaky_relu(g: Graph, layer: LeakyReLU, prefix: str, x: str) -> str:
    """max(x, slope x), any shape. ONNX's own keeps the slope in float32."""
    return g.apply("Max", x, g.apply("Mul", x, g.number(layer.slope)))


def tanh(g: Graph, layer: nn.Tanh, prefix: str, x: str) -> str:
    """tanh(x), any shape."""
    return g.apply("Tanh", x)


def mean(g: Graph, x: str, axes: tuple[int, ...], keep: bool = True) -> str:
    """Return the mean over axes."""
    return g.apply("ReduceMean", x, axes=axes, keepdims=int(keep))


def centred(g: Graph, x: str, axes: tuple[int, ...]) -> str:
    """Return x minus its mean over axes."""
    return g.apply("Sub", x, mean(g, x, axes))


def count(g: Graph, x: str, first: int, end: int = 4) -> str:
    """Return how many values of x lie along the axes from `first` up to before `end`, as a number: (B,C,H,W) -> ()."""
    sizes = g.apply("Shape", x, start=first, end=end)
    return g.apply("Cast", g.apply("ReduceProd", sizes, keepdims=0), to=FLOAT)


def variance(g: Graph, away: str, axes: tuple[int, ...]) -> str:
    """Return the biased variance over axes of a map from which its mean over them is subtracted."""
    return mean(g, g.apply("Mul", away, away), axes)


def unbiased(g: Graph, var: str, n: str) -> str:
    """Return the unbiased variance from the biased one of n values."""
    return g.apply("Mul", var, g.apply("Div", n, g.apply("Sub", n, g.number(1.0))))


def nested_variance(g: Graph, x: str, axes: tuple[int, ...]) -> str:
    """Return the variance of the initial revision: the unbiased one over an axis, then of the result over the next."""
    for axis in axes:
        x = unbiased(g, variance(g, centred(g, x, (axis,)), (axis,)), count(g, x, axis, axis + 1))
    return x


def inverse_deviation(g: Graph, var: str, eps: float) -> str:
    """Return 1 / sqrt(var + eps)."""
    return g.apply("Reciprocal", g.apply("Sqrt", g.apply("Add", var, g.number(eps))))


def instance_norm(g: Graph, norm: InstanceNorm2D, prefix: str, x: str) -> str:
    """(x - mean) / sqrt(var + eps) per channel, with the biased variance: (B,C,H,W) -> (B,C,H,W)."""
    away = centred(g, x, SPACE)
    scale = inverse_deviation(g, variance(g, away, SPACE), norm.eps)
    if not norm.affine:
        return g.apply("Mul", away, scale)
    scale = g.apply("Mul", scale, parameter(g, f"{prefix}.weight", norm.weight, 1, -1, 1, 1))
    return g.apply("Add", g.apply("Mul", away, scale), parameter(g, f"{prefix}.bias", norm.bias, 1, -1, 1, 1))


def batch_norm(g: Graph, norm: BatchNorm2D, prefix: str, x: str) -> str:
    """(x - running_mean) / sqrt(running_var + eps) weight + bias: (B,C,H,W) -> (B,C,H,W)."""
    running_mean, var, scale, bias = (
        parameter(g, f"{prefix}.{name}", getattr(norm, name), 1, -1, 1, 1)
        for name in ("running_mean", "running_var", "weight", "bias")
    )
    scale = g.apply("Mul", scale, inverse_deviation(g, var, norm.eps))
    return g.apply("Add", g.apply("Mul", g.apply("Sub", x, running_mean), scale), bias)


def layer_instance_norm(g: Graph, x: str, rho: str, gamma: str, beta: str, eps: float, revision: str) -> str:
    """(rho a_I + (1 - rho) a_L) gamma + beta, as one scale and one shift per channel.

    x (B,C,H,W), rho (1,C,1,1), gamma and beta (B or 1,C,1,1) -> (B,C,H,W). The layer's mean and variance follow from
    the channels'.
    """
    means = mean(g, x, SPACE)
    away = g.apply("Sub", x, means)
    offset = centred(g, means, (1,))
    if revision == "initial":
        var_i, var_l = nested_variance(g, x, SPACE), nested_variance(g, x, LAYER)
    else:
        var_i = variance(g, away, SPACE)
        var_l = mean(g, g.apply("Add", var_i, g.apply("Mul", offset, offset)), (1,))
    if revision == "current":
        var_i, var_l = unbiased(g, var_i, count(g, x, 2)), unbiased(g, var_l, count(g, x, 1))
    by_instance, by_layer = inverse_deviation(g, var_i, eps), inverse_deviation(g, var_l, eps)
    scale = g.apply("Mul", mixed(g, by_instance, by_layer, rho), gamma)
    shift = g.apply("Mul", g.apply("Mul", g.apply("Sub", g.number(1.0), rho), by_layer), offset)
    shift = g.apply("Add", g.apply("Mul", shift, gamma), beta)
    return g.apply("Add", g.apply("Mul", away, scale), shift)


def mixed(g: Graph, by_instance: str, by_layer: str, rho: str) -> str:
    """Return rho times the one plus 1 - rho times the other."""
    difference = g.apply("Sub", by_instance, by_layer)
    return g.apply("Add", by_layer, g.apply("Mul", rho, difference))


def ada_iln(g: Graph, norm: AdaILN, prefix: str, x: str, gamma: str, beta: str) -> str:
    """AdaILN: (B,C,H,W), (B,C,1,1), (B,C,1,1) -> (B,C,H,W)."""
    rho = parameter(g, f"{prefix}.rho", norm.rho)
    if norm.revision == "tensorflow":
        smoothed = g.apply("Sub", rho, g.number(SMOOTHING))
        rho = g.apply("Clip", smoothed, g.number(0.0), g.number(1.0))
    return layer_instance_norm(g, x, rho, gamma, beta, norm.eps, norm.revision)


def iln(g: Graph, norm: ILN, prefix: str, x: str) -> str:
    """ILN, whose gamma and beta are parameters: (B,C,H,W) -> (B,C,H,W)."""
    rho, gamma, beta = (parameter(g, f"{prefix}.{name}", getattr(norm, name)) for name in ("rho", "gamma", "beta"))
    return layer_instance_norm(g, x, rho, gamma, beta, norm.eps, norm.revision)


def wrapped(g: Graph, wrapper: SpectralNormWrapper, prefix: str, x: str) -> str:
    """The module that is wrapped."""
    return layer(g, wrapper.module, f"{prefix}.module", x)


def sequence(g: Graph, layers: nn.Layer, prefix: str, x: str) -> str:
    """Apply the sublayers in order."""
    for name, each in layers.named_children():
        x = layer(g, each, f"{prefix}.{name}" if prefix else name, x)
    return x


RULES: dict[type[nn.Layer], Callable[..., str]] = {
    Conv2D: conv2d,
    ConvTranspose2D: conv_transpose2d,
    Linear: linear,
    ReflectionPad2D: reflection_pad,
    Upsample: upsample,
    nn.MaxPool2D: max_pool,
    nn.ReLU: relu,
    LeakyReLU: leaky_relu,
    nn.Tanh: tanh,
    InstanceNorm2D: instance_norm,
    BatchNorm2D: batch_norm,
    AdaILN: ada_iln,
    ILN: iln,
    SpectralNormWrapper: wrapped,
    Sequential: sequence,
    nn.Sequential: sequence,
}


def layer(g: Graph, each: nn.Layer, prefix: str, *inputs: str) -> str:
    """Add a layer by the rule of its class. Raises ValueError if there is none."""
    rule = RULES.get(type(each))
    if rule is None:
        raise ValueError(f"{prefix}: no rule for exporting a {type(each).__name__}")
    with g.scope(prefix):
        return rule(g, each, prefix, *inputs)
