"""A convolution, batch norm, self-attention and a transposed convolution; the port's softmax runs over the wrong axis.

python align/check_forward.py --pair align/examples/attention_pair.py --html attention.html
"""

import paddle
import paddle.nn.functional as F
import torch

SHAPES = [(2, 3, 12, 10)]
NAMES = {"features.0": "conv", "features.1": "norm"}  # the port put the two into a Sequential


class TorchNet(torch.nn.Module):
    """(B,3,H,W) -> (B,3,2H,2W)"""

    def __init__(self, channels=8):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, channels, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(channels)
        self.to_qkv = torch.nn.Linear(channels, 3 * channels)
        self.project = torch.nn.Linear(channels, channels)
        self.up = torch.nn.ConvTranspose2d(channels, 3, 4, stride=2, padding=1)

    def forward(self, image):
        x = torch.relu(self.norm(self.conv(image)))
        tokens = x.flatten(2).transpose(1, 2)  # (B,HW,C)
        query, key, value = self.to_qkv(tokens).chunk(3, -1)
        weights = torch.softmax(query @ key.transpose(1, 2) / x.shape[1] ** 0.5, -1)  # of all keys, for each query
        x = x + self.project(weights @ value).transpose(1, 2).reshape(x.shape)
        return self.up(x)


class PaddleNet(paddle.nn.Layer):
    """The port of TorchNet to Paddle."""

    def __init__(self, channels=8):
        super().__init__()
        norm = paddle.nn.BatchNorm2D(channels)
        self.features = paddle.nn.Sequential(paddle.nn.Conv2D(3, channels, 3, padding=1), norm)
        self.to_qkv = paddle.nn.Linear(channels, 3 * channels)
        self.project = paddle.nn.Linear(channels, channels)
        self.up = paddle.nn.Conv2DTranspose(channels, 3, 4, stride=2, padding=1)

    def forward(self, image):
        x = F.relu(self.features(image))
        tokens = x.flatten(2).transpose([0, 2, 1])
        query, key, value = self.to_qkv(tokens).chunk(3, -1)
        weights = F.softmax(query @ key.transpose([0, 2, 1]) / x.shape[1] ** 0.5, axis=1)  # the bug: -1 is right
        x = x + self.project(weights @ value).transpose([0, 2, 1]).reshape(x.shape)
        return self.up(x)


def torch_model():
    """The original."""
    return TorchNet()


def paddle_model():
    """The port."""
    return PaddleNet()
