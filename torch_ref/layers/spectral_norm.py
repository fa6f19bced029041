"""Spectral normalisation (Miyato et al., ICLR 2018, arXiv 1802.05957, algorithm 1).

W / sigma(W) with sigma = u^T W v, W reshaped to (its first axis, -1); one power iteration per forward in training mode,
none in evaluation. Two faces: spectral_norm, the framework's own hook, with the state `weight_orig`, `weight_u`,
`weight_v`; and SpectralNormWrapper, the layer of the public SAGAN, with `module.weight_bar`, `module.weight_u`,
`module.weight_v`. Twin: paddle_ugatit/layers/spectral_norm.py.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import spectral_norm

__all__ = ["SpectralNormWrapper", "power_iteration", "spectral_norm"]


def power_iteration(weight, u, v, eps):
    """One step of algorithm 1, without a gradient: (out,in), (out,), (in,) -> new u (out,) and v (in,)."""
    with torch.no_grad():
        v = F.normalize(weight.t().mv(u), dim=0, eps=eps)
        u = F.normalize(weight.mv(v), dim=0, eps=eps)
    return u, v


class SpectralNormWrapper(nn.Module):
    """`module` with its weight divided by sigma: the shapes are the module's.

    quirk: the public one iterates in evaluation mode too, and moves u and v under a forward whose backward pass is
    still to come; this one does neither, and gives the gradients of what its forward computed.
    """

    def __init__(self, module, eps=1e-12):
        super().__init__()
        self.module, self.eps = module, eps
        weight = module.weight
        del module.weight
        module.register_parameter("weight_bar", weight)
        matrix = weight.detach().flatten(1)
        for name, size in (("weight_u", matrix.shape[0]), ("weight_v", matrix.shape[1])):
            module.register_buffer(name, F.normalize(torch.randn(size, dtype=weight.dtype), dim=0, eps=eps))

    def forward(self, x):
        module = self.module
        matrix = module.weight_bar.flatten(1)
        u, v = module.weight_u.clone(), module.weight_v.clone()
        if self.training:
            u, v = power_iteration(matrix, u, v, self.eps)
            module.weight_u.copy_(u)
            module.weight_v.copy_(v)
        module.weight = module.weight_bar / u.dot(matrix.mv(v))
        return module(x)
