"""Layer-instance normalisation of U-GAT-IT (Kim et al., ICLR 2020, arXiv 1907.10830, eq. 1).

Contents: AdaILN (gamma and beta from outside), ILN (its own). Twin: paddle_ugatit/layers/norm.py.
"""

import torch
from torch import nn

REVISIONS = ("current", "initial")


def require_revision(revision):
    """Raise ValueError unless `revision` is one of REVISIONS."""
    if revision not in REVISIONS:
        raise ValueError(f"revision must be one of {', '.join(REVISIONS)}, got {revision!r}")


def moments(x, dims, revision):
    """Mean and unbiased variance of x over `dims`, kept as axes of length one.

    quirk: the initial revision takes the variance over one axis at a time, a variance of variances.
    """
    mean = x.mean(dims, keepdim=True)
    if revision == "current":
        return mean, x.var(dims, unbiased=True, keepdim=True)
    var = x
    for dim in dims:
        var = var.var(dim, unbiased=True, keepdim=True)
    return mean, var


def layer_instance_norm(x, rho, gamma, beta, eps, revision):
    """(rho * a_I + (1 - rho) * a_L) * gamma + beta, eq. 1; x (B,C,H,W), the others broadcast to it."""
    mean_i, var_i = moments(x, (2, 3), revision)
    mean_l, var_l = moments(x, (1, 2, 3), revision)
    a_i = (x - mean_i) / torch.sqrt(var_i + eps)
    a_l = (x - mean_l) / torch.sqrt(var_l + eps)
    return (rho * a_i + (1 - rho) * a_l) * gamma + beta


class AdaILN(nn.Module):
    """Adaptive layer-instance normalisation, eq. 1: (B,C,H,W), (B,C), (B,C) -> (B,C,H,W)."""

    def __init__(self, num_features, eps=1e-5, revision="current"):
        super().__init__()
        require_revision(revision)
        self.eps, self.revision = eps, revision
        self.rho = nn.Parameter(torch.full((1, num_features, 1, 1), 0.9))

    def forward(self, x, gamma, beta):
        gamma, beta = gamma[:, :, None, None], beta[:, :, None, None]
        return layer_instance_norm(x, self.rho, gamma, beta, self.eps, self.revision)


class ILN(nn.Module):
    """Layer-instance normalisation with its own gamma and beta, eq. 1: (B,C,H,W) -> (B,C,H,W)."""

    def __init__(self, num_features, eps=1e-5, revision="current"):
        super().__init__()
        require_revision(revision)
        self.eps, self.revision = eps, revision
        self.rho = nn.Parameter(torch.full((1, num_features, 1, 1), 0.0))
        self.gamma = nn.Parameter(torch.full((1, num_features, 1, 1), 1.0))
        self.beta = nn.Parameter(torch.full((1, num_features, 1, 1), 0.0))

    def forward(self, x):
        return layer_instance_norm(x, self.rho, self.gamma, self.beta, self.eps, self.revision)
