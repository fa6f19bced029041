"""The toy system of tests/test_systems.py: an image through two 1x1 convolutions. Twin: models_torch.py."""

from paddle import nn

from paddle_ugatit.layers.convolution import Conv2D


class Shade(nn.Layer):
    """A scale of its own for each channel: (B,C,H,W) -> (B,C,H,W)."""

    def __init__(self, channels):
        super().__init__()
        self.shade = self.create_parameter([channels], default_initializer=nn.initializer.Constant(1.0))

    def forward(self, x):
        return x * self.shade.reshape([1, -1, 1, 1])


class ToyNetwork(nn.Layer):
    """Images (B,3,S,S) -> images (B,3,S,S)."""

    def __init__(self, width):
        super().__init__()
        self.first, self.shade, self.last = Conv2D(3, width, 1), Shade(width), Conv2D(width, 3, 1)

    def forward(self, x):
        return self.last(self.shade(self.first(x)))
