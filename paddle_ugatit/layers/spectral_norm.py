"""Spectral normalisation (Miyato et al., ICLR 2018, arXiv 1802.05957, algorithm 1), as PyTorch's hook computes it.

W / sigma(W) with sigma = u^T W v, W reshaped to (out, -1); one power iteration per forward in training mode, none in
evaluation; state `weight_orig`, `weight_u`, `weight_v`. Twin: torch_ref/layers/spectral_norm.py.

Paddle's own hook keeps u and v in float32 on a float64 layer.
"""

import paddle
import paddle.nn.functional as F
from paddle import nn


def matrix(layer, weight):
    """The weight of a Conv2D or a Linear as (out, -1); Paddle stores that of a Linear as (in, out)."""
    return weight.t() if isinstance(layer, nn.Linear) else weight.flatten(1)


def power_iteration(weight, u, v, eps):
    """One step of algorithm 1, without a gradient: (out,in), (out,), (in,) -> new u (out,) and v (in,)."""
    with paddle.no_grad():
        v = F.normalize(paddle.matmul(weight, u, transpose_x=True), axis=0, epsilon=eps)  # weight.t() would copy
        u = F.normalize(paddle.mv(weight, v), axis=0, epsilon=eps)
    return u, v


def _normalise(layer, _inputs):
    weight = matrix(layer, layer.weight_orig)
    if layer.training:
        # New tensors, copied into the buffers: those that a graph still holds stay as they were in its forward.
        u, v = power_iteration(weight, layer.weight_u, layer.weight_v, layer.spectral_norm_eps)
        layer.weight_u.set_value(u)
        layer.weight_v.set_value(v)
    else:
        u, v = layer.weight_u.clone(), layer.weight_v.clone()
    sigma = (u * paddle.mv(weight, v)).sum()
    object.__setattr__(layer, "weight", layer.weight_orig / sigma)  # Layer's own would make it a buffer


def spectral_norm(layer, eps=1e-12):
    """Give a Conv2D or a Linear spectral normalisation, and return it.

    `weight` becomes the parameter `weight_orig`; `weight_u` (out,) and `weight_v` (in,) start as normalised Gaussians.
    Initial values belong into `weight_orig`: `weight` is computed anew at every forward.
    """
    weight = layer.weight
    del layer.weight
    layer.add_parameter("weight_orig", weight)
    rows, columns = matrix(layer, weight).shape
    for name, size in (("weight_u", rows), ("weight_v", columns)):
        layer.register_buffer(name, F.normalize(paddle.randn([size], weight.dtype), axis=0, epsilon=eps))
    layer.spectral_norm_eps = eps
    layer.register_forward_pre_hook(_normalise)
    return layer
