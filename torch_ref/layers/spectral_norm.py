"""Spectral normalisation (Miyato et al., ICLR 2018, arXiv 1802.05957, algorithm 1).

W / sigma(W) with sigma = u^T W v and W reshaped to (first axis, -1); one power iteration per forward in training mode,
none in evaluation mode. Contents: spectral_norm, PyTorch's own hook, with the state `weight_orig`, `weight_u` and
`weight_v`; iterating_spectral_norm, which iterates in evaluation mode too; SpectralNormWrapper, the layer of the public
SAGAN, with `module.weight_bar`, `module.weight_u` and `module.weight_v`.
Twin: paddle_ugatit/layers/spectral_norm.py.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import spectral_norm
from torch.nn.utils.spectral_norm import SpectralNorm

__all__ = ["SpectralNormWrapper", "iterating_spectral_norm", "power_iteration", "spectral_norm", "unit"]


def unit(x: torch.Tensor, eps: float, added: bool = False) -> torch.Tensor:
    """Return x / max(|x|, eps), or x / (|x| + eps) if `added`, as the public SAGAN has it: (n,) -> (n,)."""
    return x / (x.norm() + eps) if added else F.normalize(x, dim=0, eps=eps)


def power_iteration(
    weight: torch.Tensor, u: torch.Tensor, v: torch.Tensor, eps: float, added: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Make one step of algorithm 1, without a gradient: (out,in), (out,), (in,) -> new u (out,) and v (in,)."""
    with torch.no_grad():
        v = unit(weight.t().mv(u), eps, added)
        u = unit(weight.mv(v), eps, added)
    return u, v


class _IteratingSpectralNorm(SpectralNorm):
    """PyTorch's hook with a power iteration at every forward."""

    def __call__(self, module: nn.Module, inputs: object) -> None:
        setattr(module, self.name, self.compute_weight(module, do_power_iteration=True))


def iterating_spectral_norm(module: nn.Module) -> nn.Module:
    """Apply spectral normalisation as the TensorFlow code of U-GAT-IT does, and return the layer.

    There every forward makes a power iteration, also in evaluation mode, and a vector is divided by
    sqrt(max(its squared length, 1e-12)).
    """
    spectral_norm(module, eps=1e-6)
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, SpectralNorm):
            iterating = _IteratingSpectralNorm(hook.name, hook.n_power_iterations, hook.dim, hook.eps)
            module._forward_pre_hooks[key] = iterating
    return module


class SpectralNormWrapper(nn.Module):
    """Apply `module` with its weight divided by sigma; the shapes are those of the module.

    quirk: the public layer also iterates in evaluation mode, and changes u and v before the backward pass of an earlier
    forward. This one does neither, so its gradients are those of what its forward computed. As there, u and v are
    divided by their lengths plus 1e-12.
    """

    def __init__(self, module: nn.Module, eps: float = 1e-12):
        super().__init__()
        self.module, self.eps = module, eps
        weight = module.weight
        del module.weight
        module.register_parameter("weight_bar", weight)
        matrix = weight.detach().flatten(1)
        for name, size in (("weight_u", matrix.shape[0]), ("weight_v", matrix.shape[1])):
            module.register_buffer(name, unit(torch.randn(size, dtype=weight.dtype), eps, added=True))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        module = self.module
        matrix = module.weight_bar.flatten(1)
        u, v = module.weight_u.clone(), module.weight_v.clone()
        if self.training:
            u, v = power_iteration(matrix, u, v, self.eps, added=True)
            module.weight_u.copy_(u)
            module.weight_v.copy_(v)
        module.weight = module.weight_bar / u.dot(matrix.mv(v))
        return module(x)
