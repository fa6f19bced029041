"""Layer-instance normalisation (Kim et al., ICLR 2020, arXiv 1907.10830, eq. 1).

Contents: AdaILN (gamma and beta are inputs), ILN (they are parameters); channel_moments, AdaIN (they are moments of
another map; Huang and Belongie, ICCV 2017, arXiv 1703.06868). Twin: paddle_ugatit/layers/norm.py.
"""

import torch
from torch import nn

# Of the public code: PyTorch's, PyTorch's until 2019-08-27, TensorFlow's.
REVISIONS = ("current", "initial", "tensorflow")


def require_revision(revision: str) -> None:
    """Raise ValueError unless `revision` is one of REVISIONS."""
    if revision not in REVISIONS:
        raise ValueError(f"revision must be one of {', '.join(REVISIONS)}, got {revision!r}")


def moments(x: torch.Tensor, dims: tuple[int, ...], revision: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean and the unbiased variance over the given axes, which are kept with size 1.

    quirk: in the initial revision it is the unbiased variance over one axis, then that of the result over the next; in
    the TensorFlow revision it is biased.
    """
    mean = x.mean(dims, keepdim=True)
    if revision != "initial":
        return mean, x.var(dims, unbiased=revision == "current", keepdim=True)
    var = x
    for dim in dims:
        var = var.var(dim, unbiased=True, keepdim=True)
    return mean, var


def layer_instance_norm(
    x: torch.Tensor, rho: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor, eps: float, revision: str
) -> torch.Tensor:
    """Return (rho a_I + (1 - rho) a_L) gamma + beta with a = (x - mean) / sqrt(var + eps), eq. 1.

    a_I is normalised over (H,W), a_L over (C,H,W). x (B,C,H,W), rho (1,C,1,1), gamma and beta (B or 1,C,1,1) ->
    (B,C,H,W).
    """
    mean_i, var_i = moments(x, (2, 3), revision)
    mean_l, var_l = moments(x, (1, 2, 3), revision)
    a_i = (x - mean_i) / torch.sqrt(var_i + eps)
    a_l = (x - mean_l) / torch.sqrt(var_l + eps)
    return (rho * a_i + (1 - rho) * a_l) * gamma + beta


class AdaILN(nn.Module):
    """Adaptive layer-instance normalisation, eq. 1: (B,C,H,W), (B,C), (B,C) -> (B,C,H,W).

    In the TensorFlow revision the variances are biased, and rho stands for clip(rho - 0.1, 0, 1).
    """

    def __init__(self, num_features: int, eps: float = 1e-5, revision: str = "current"):
        super().__init__()
        require_revision(revision)
        self.eps, self.revision = eps, revision
        self.rho = nn.Parameter(torch.full((1, num_features, 1, 1), 1.0 if revision == "tensorflow" else 0.9))

    def forward(self, x: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
        gamma, beta, rho = gamma[:, :, None, None], beta[:, :, None, None], self.rho
        if self.revision == "tensorflow":
            rho = (rho - 0.1).clamp(0, 1)
        return layer_instance_norm(x, rho, gamma, beta, self.eps, self.revision)


class ILN(nn.Module):
    """Layer-instance normalisation whose gamma and beta are parameters, eq. 1: (B,C,H,W) -> (B,C,H,W)."""

    def __init__(self, num_features: int, eps: float = 1e-5, revision: str = "current"):
        super().__init__()
        require_revision(revision)
        self.eps, self.revision = eps, revision
        self.rho = nn.Parameter(torch.full((1, num_features, 1, 1), 0.0))
        self.gamma = nn.Parameter(torch.full((1, num_features, 1, 1), 1.0))
        self.beta = nn.Parameter(torch.full((1, num_features, 1, 1), 0.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return layer_instance_norm(x, self.rho, self.gamma, self.beta, self.eps, self.revision)


def channel_moments(x: torch.Tensor, eps: float = 1e-5) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean and sqrt(unbiased variance + eps) of each channel: (B,C,H,W) -> (B,C,1,1), (B,C,1,1).

    Raises ValueError if the map has a single pixel.
    """
    require_pixels(x)
    mean, var = moments(x, (2, 3), "current")
    return mean, torch.sqrt(var + eps)


def require_pixels(x: torch.Tensor) -> None:
    """Raise ValueError if the map has a single pixel, which has no variance."""
    if x.shape[2] * x.shape[3] < 2:
        raise ValueError("a map of a single pixel has no variance: the image is too small")


def weighted_moments(x: torch.Tensor, share: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return means and unbiased variances of each channel, weighted by pixel.

    (B,C,H,W), (B or 1,1,H,W) -> (B,C,1,1), (B,C,1,1). With equal weights they are `moments`, with weights 0 and 1 those
    of a region of the map. Raises ValueError if all the weight is on a single pixel.
    """
    total, squares = share.sum((2, 3), keepdim=True), (share**2).sum((2, 3), keepdim=True)
    if bool((total**2 <= squares).any()):
        raise ValueError("a style's share covers a single pixel of the map, which has no variance")
    mean = (x * share).sum((2, 3), keepdim=True) / total
    return mean, ((x - mean) ** 2 * share).sum((2, 3), keepdim=True) / (total - squares / total)


class AdaIN(nn.Module):
    """sigma(y) (x - mu(x)) / sigma(x) + mu(y), sigma = sqrt(unbiased variance + eps), eq. 8 of its paper.

    (B,C,H,W), (B or 1,C,h,w) -> (B,C,H,W). With `share` (B or 1,1,H,W), the weight of the style y at every pixel, mu(x)
    and sigma(x) are weighted by it. Raises ValueError if a map has a single pixel.
    """

    def __init__(self, eps: float = 1e-5):
        super().__init__()
        self.eps = eps

    def forward(self, x: torch.Tensor, y: torch.Tensor, share: torch.Tensor | None = None) -> torch.Tensor:
        require_pixels(x)
        mean_y, deviation_y = channel_moments(y, self.eps)
        mean, var = moments(x, (2, 3), "current") if share is None else weighted_moments(x, share)
        return deviation_y * (x - mean) / torch.sqrt(var + self.eps) + mean_y
