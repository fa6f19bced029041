"""The PyTorch twin of the toy system's network."""

import torch
from torch import nn


class Shade(nn.Module):
    """A scale of its own for each channel: (B,C,H,W) -> (B,C,H,W)."""

    def __init__(self, channels):
        super().__init__()
        self.shade = nn.Parameter(torch.ones(channels))

    def forward(self, x):
        return x * self.shade.reshape(1, -1, 1, 1)


class ToyNetwork(nn.Module):
    """Images (B,3,S,S) -> images (B,3,S,S)."""

    def __init__(self, width):
        super().__init__()
        self.first, self.shade, self.last = nn.Conv2d(3, width, 1), Shade(width), nn.Conv2d(width, 3, 1)

    def forward(self, x):
        return self.last(self.shade(self.first(x)))
