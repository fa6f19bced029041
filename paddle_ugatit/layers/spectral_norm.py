"""Spectral normalisation (Miyato et al., ICLR 2018, arXiv 1802.05957, algorithm 1).

W / sigma(W) with sigma = u^T W v, W reshaped to (its first axis, -1); one power iteration per forward in training mode,
none in evaluation. Two faces: spectral_norm, PyTorch's hook, with the state `weight_orig`, `weight_u`, `weight_v`; and
SpectralNormWrapper, the layer of the public SAGAN, with `module.weight_bar`, `module.weight_u`, `module.weight_v`.
Twin: torch_ref/layers/spectral_norm.py.

The layer applies W as it is and divides what comes out by sigma, since W is larger than a map. Passes that run as one
batch make an iteration each, and each part of the batch is divided by its own sigma: `passes_in_one`.
Paddle's own hook keeps u and v in float32 on a float64 layer.
"""

from contextlib import contextmanager

import paddle
import paddle.nn.functional as F
from paddle import nn


def matrix(layer, weight):
    """The weight as (first axis, -1), that of a Linear turned round, which Paddle stores as (in, out).

    The first axis is out, of a ConvTranspose2D in: PyTorch's hook takes the second there, the public SAGAN does not.
    """
    # Not by flatten: the gradient of that is a copy.
    return weight.t() if isinstance(layer, nn.Linear) else weight.reshape([weight.shape[0], -1])


def power_iteration(weight, u, v, eps):
    """One step of algorithm 1, without a gradient: (out,in), (out,), (in,) -> new u (out,) and v (in,)."""
    with paddle.no_grad():
        v = F.normalize(paddle.matmul(weight, u, transpose_x=True), axis=0, epsilon=eps)  # weight.t() would copy
        u = F.normalize(paddle.mv(weight, v), axis=0, epsilon=eps)
    return u, v


def _set_sigma(layer, _inputs):
    weight = matrix(layer, getattr(layer, layer.raw))
    # New tensors, copied into the buffers: those that a graph still holds stay as they were in its forward.
    u, v, pairs = layer.weight_u.clone(), layer.weight_v.clone(), []
    for _ in range(layer.spectral_norm_passes):
        if layer.training:
            u, v = power_iteration(weight, u, v, layer.spectral_norm_eps)
        pairs.append((u, v))
    if layer.training:
        layer.weight_u.set_value(u)
        layer.weight_v.set_value(v)
    us, vs = (paddle.stack(each) for each in zip(*pairs, strict=True))
    sigma = (us * paddle.matmul(vs, weight, transpose_y=True)).sum(1)  # (passes,)
    object.__setattr__(layer, "sigma", sigma)  # Layer's own would make it a buffer


@contextmanager
def passes_in_one(network, count):
    """Within the block each forward of `network` is `count` passes in turn, over equal parts of its batch."""
    layers = [layer for layer in network.sublayers() if hasattr(layer, "spectral_norm_passes")]
    for layer in layers:
        layer.spectral_norm_passes = count
    try:
        yield
    finally:
        for layer in layers:
            layer.spectral_norm_passes = 1


def spectral_norm(layer, raw="weight_orig", eps=1e-12):
    """Give a layer of layers/basic.py with a weight spectral normalisation, and return it.

    `weight` becomes the parameter named by `raw`; `weight_u` (out,) and `weight_v` (in,) start as normalised Gaussians.
    """
    weight = layer.weight
    del layer.weight
    layer.add_parameter(raw, weight)
    rows, columns = matrix(layer, weight).shape
    for name, size in (("weight_u", rows), ("weight_v", columns)):
        layer.register_buffer(name, F.normalize(paddle.randn([size], weight.dtype), axis=0, epsilon=eps))
    layer.raw, layer.spectral_norm_eps, layer.spectral_norm_passes = raw, eps, 1
    layer.register_forward_pre_hook(_set_sigma)
    return layer


class SpectralNormWrapper(nn.Layer):
    """`module` with its weight divided by sigma: the shapes are the module's.

    quirk: the public one iterates in evaluation mode too, and moves u and v under a forward whose backward pass is
    still to come; this one does neither, and gives the gradients of what its forward computed.
    """

    def __init__(self, module):
        super().__init__()
        self.module = spectral_norm(module, raw="weight_bar")

    def forward(self, x):
        return self.module(x)
