"""Layer-instance normalisation of U-GAT-IT (Kim et al., ICLR 2020, arXiv 1907.10830, eq. 1).

Contents: AdaILN (gamma and beta from outside), ILN (its own); channel_moments, AdaIN (gamma and beta from another map;
Huang and Belongie, ICCV 2017, arXiv 1703.06868). Twin: paddle_ugatit/layers/norm.py.
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


def channel_moments(x, eps=1e-5):
    """Mean and sqrt(unbiased variance + eps) of each channel: (B,C,H,W) -> (B,C,1,1), (B,C,1,1)."""
    require_pixels(x)
    mean, var = moments(x, (2, 3), "current")
    return mean, torch.sqrt(var + eps)


def require_pixels(x):
    """Raise ValueError for a map of a single pixel, which has no variance."""
    if x.shape[2] * x.shape[3] < 2:
        raise ValueError("a map of a single pixel has no variance: the image is too small")


def weighted_moments(x, share):
    """Mean and unbiased variance with a weight for every pixel: (B,C,H,W), (B or 1,1,H,W) -> (B,C,1,1), (B,C,1,1).

    Of equal weights they are `moments`, of weights 0 and 1 those of a part of the map. ValueError where all the weight
    is on a single pixel.
    """
    total, squares = share.sum((2, 3), keepdim=True), (share**2).sum((2, 3), keepdim=True)
    if bool((total**2 <= squares).any()):
        raise ValueError("a style's share is of a single pixel of the map, which has no variance")
    mean = (x * share).sum((2, 3), keepdim=True) / total
    return mean, ((x - mean) ** 2 * share).sum((2, 3), keepdim=True) / (total - squares / total)


class AdaIN(nn.Module):
    """sigma(y) (x - mu(x)) / sigma(x) + mu(y), sigma = sqrt(unbiased variance + eps), eq. 8 of its paper.

    (B,C,H,W), (B or 1,C,h,w) -> (B,C,H,W). With `share` (B or 1,1,H,W), y's share of every pixel, mu(x) and sigma(x)
    are weighted by it. ValueError for a map of a single pixel.
    """

    def __init__(self, eps=1e-5):
        super().__init__()
        self.eps = eps

    def forward(self, x, y, share=None):
        require_pixels(x)
        mean_y, deviation_y = channel_moments(y, self.eps)
        mean, var = moments(x, (2, 3), "current") if share is None else weighted_moments(x, share)
        return deviation_y * (x - mean) / torch.sqrt(var + self.eps) + mean_y
