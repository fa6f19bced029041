"""Batch normalisation (Ioffe & Szegedy, ICML 2015, arXiv 1502.03167). Twin: paddle_ugatit/layers/batch_norm.py.

Contents: FrozenBatchNorm2D, for a network that is never trained here. The one that is trained is torch.nn.BatchNorm2d.
"""

import torch
import torch.nn.functional as F
from torch import nn


class FrozenBatchNorm2D(nn.Module):
    """(x - running_mean) / sqrt(running_var + eps) weight + bias in either mode: (B,C,H,W) -> (B,C,H,W).

    PyTorch's own counts its batches in a buffer that the public file of Inception does not have.
    """

    def __init__(self, num_features: int, eps: float = 1e-3):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
