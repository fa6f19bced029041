"""Inception-v3 as FID and KID use it: the network of 2015-12-05, whose pool3 features they compare.

Contents: BasicConv2d, AveragePool; InceptionA, B, C, D, E (the mixed blocks); InceptionV3. Attribute names are those of
the public file `pt_inception-2015-12-05-6726825d.pth`, 472 tensors. `quirk` marks a difference from torchvision's
network. Twin: torch_ref/models/inception.py.
"""

from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from paddle_ugatit.layers.batch_norm import FrozenBatchNorm2D
from paddle_ugatit.layers.channels import spatial_mean
from paddle_ugatit.layers.linear import Linear

Size = int | tuple[int, int]  # of a kernel or a padding: down, across

FEATURES, CLASSES = 2048, 1008  # quirk: 1008 classes, where ImageNet has 1000


class BasicConv2d(nn.Layer):
    """Convolution, batch norm, ReLU: (B,in,H,W) -> (B,out,H',W')."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Size, stride: int = 1, padding: Size = 0):
        super().__init__()
        self.conv = nn.Conv2D(in_channels, out_channels, kernel_size, stride, padding, bias_attr=False)
        self.bn = FrozenBatchNorm2D(out_channels, eps=1e-3)
        self.relu = nn.ReLU()

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.relu(self.bn(self.conv(x)))


class AveragePool(nn.Layer):
    """3x3 mean: (B,C,H,W) -> (B,C,H,W).

    quirk: at the border the mean is over the pixels inside the map, as in TensorFlow, without counting padded zeros.
    """

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return _AveragePool.apply(x)


class _AveragePool(paddle.autograd.PyLayer):
    """The mean with an exact gradient; the gradient of Paddle's own is off by 2e-8 in float64."""

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor) -> paddle.Tensor:
        return F.avg_pool2d(x, 3, stride=1, padding=1, exclusive=True)

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor) -> paddle.Tensor:
        down, across = (_neighbours(side, grad.dtype) for side in grad.shape[2:])
        shared = grad / (down.reshape([1, 1, -1, 1]) * across)
        return 9 * F.avg_pool2d(shared, 3, stride=1, padding=1, exclusive=False)  # the sum over the neighbours


def _neighbours(side: int, dtype: Any) -> paddle.Tensor:
    """Return how many pixels of a window of three lie inside the map: 2 at both ends, 3 between."""
    count = np.full(side, 3.0)
    count[0] -= 1
    count[-1] -= 1
    return paddle.to_tensor(count, dtype)


class InceptionA(nn.Layer):
    """Mixed_5b, 5c and 5d: (B,in,H,W) -> (B,224 + pool_features,H,W); `narrow` divides the widths."""

    def __init__(self, in_channels: int, pool_features: int, narrow: int = 1):
        super().__init__()
        n = narrow
        self.branch1x1 = BasicConv2d(in_channels, 64 // n, 1)
        self.branch5x5_1 = BasicConv2d(in_channels, 48 // n, 1)
        self.branch5x5_2 = BasicConv2d(48 // n, 64 // n, 5, padding=2)
        self.branch3x3dbl_1 = BasicConv2d(in_channels, 64 // n, 1)
        self.branch3x3dbl_2 = BasicConv2d(64 // n, 96 // n, 3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(96 // n, 96 // n, 3, padding=1)
        self.pool = AveragePool()
        self.branch_pool = BasicConv2d(in_channels, pool_features, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        branch5x5 = self.branch5x5_2(self.branch5x5_1(x))
        branch3x3dbl = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return paddle.concat([self.branch1x1(x), branch5x5, branch3x3dbl, self.branch_pool(self.pool(x))], 1)


class InceptionB(nn.Layer):
    """Mixed_6a: (B,in,H,W) -> (B,480 + in,H/2,W/2)."""

    def __init__(self, in_channels: int, narrow: int = 1):
        super().__init__()
        n = narrow
        self.branch3x3 = BasicConv2d(in_channels, 384 // n, 3, stride=2)
        self.branch3x3dbl_1 = BasicConv2d(in_channels, 64 // n, 1)
        self.branch3x3dbl_2 = BasicConv2d(64 // n, 96 // n, 3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(96 // n, 96 // n, 3, stride=2)
        self.pool = nn.MaxPool2D(3, stride=2)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        branch3x3dbl = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return paddle.concat([self.branch3x3(x), branch3x3dbl, self.pool(x)], 1)


class InceptionC(nn.Layer):
    """Mixed_6b to 6e, with inner width `channels_7x7`: (B,in,H,W) -> (B,768,H,W)."""

    def __init__(self, in_channels: int, channels_7x7: int, narrow: int = 1):
        super().__init__()
        c7, out = channels_7x7, 192 // narrow
        across: dict[str, Any] = {"kernel_size": (1, 7), "padding": (0, 3)}
        down: dict[str, Any] = {"kernel_size": (7, 1), "padding": (3, 0)}
        self.branch1x1 = BasicConv2d(in_channels, out, 1)
        self.branch7x7_1 = BasicConv2d(in_channels, c7, 1)
        self.branch7x7_2 = BasicConv2d(c7, c7, **across)
        self.branch7x7_3 = BasicConv2d(c7, out, **down)
        self.branch7x7dbl_1 = BasicConv2d(in_channels, c7, 1)
        self.branch7x7dbl_2 = BasicConv2d(c7, c7, **down)
        self.branch7x7dbl_3 = BasicConv2d(c7, c7, **across)
        self.branch7x7dbl_4 = BasicConv2d(c7, c7, **down)
        self.branch7x7dbl_5 = BasicConv2d(c7, out, **across)
        self.pool = AveragePool()
        self.branch_pool = BasicConv2d(in_channels, out, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        branch7x7 = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        branch7x7dbl = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        branch7x7dbl = self.branch7x7dbl_5(self.branch7x7dbl_4(branch7x7dbl))
        return paddle.concat([self.branch1x1(x), branch7x7, branch7x7dbl, self.branch_pool(self.pool(x))], 1)


class InceptionD(nn.Layer):
    """Mixed_7a: (B,in,H,W) -> (B,512 + in,H/2,W/2)."""

    def __init__(self, in_channels: int, narrow: int = 1):
        super().__init__()
        width = 192 // narrow
        self.branch3x3_1 = BasicConv2d(in_channels, width, 1)
        self.branch3x3_2 = BasicConv2d(width, 320 // narrow, 3, stride=2)
        self.branch7x7x3_1 = BasicConv2d(in_channels, width, 1)
        self.branch7x7x3_2 = BasicConv2d(width, width, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = BasicConv2d(width, width, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = BasicConv2d(width, width, 3, stride=2)
        self.pool = nn.MaxPool2D(3, stride=2)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        branch3x3 = self.branch3x3_2(self.branch3x3_1(x))
        branch7x7x3 = self.branch7x7x3_2(self.branch7x7x3_1(x))
        branch7x7x3 = self.branch7x7x3_4(self.branch7x7x3_3(branch7x7x3))
        return paddle.concat([branch3x3, branch7x7x3, self.pool(x)], 1)


class InceptionE(nn.Layer):
    """Mixed_7b and 7c: (B,in,H,W) -> (B,2048,H,W). quirk: 7c takes the maximum where 7b takes the mean."""

    def __init__(self, in_channels: int, pool: str, narrow: int = 1):
        super().__init__()
        n, width = narrow, 384 // narrow
        across: dict[str, Any] = {"kernel_size": (1, 3), "padding": (0, 1)}
        down: dict[str, Any] = {"kernel_size": (3, 1), "padding": (1, 0)}
        self.branch1x1 = BasicConv2d(in_channels, 320 // n, 1)
        self.branch3x3_1 = BasicConv2d(in_channels, width, 1)
        self.branch3x3_2a = BasicConv2d(width, width, **across)
        self.branch3x3_2b = BasicConv2d(width, width, **down)
        self.branch3x3dbl_1 = BasicConv2d(in_channels, 448 // n, 1)
        self.branch3x3dbl_2 = BasicConv2d(448 // n, width, 3, padding=1)
        self.branch3x3dbl_3a = BasicConv2d(width, width, **across)
        self.branch3x3dbl_3b = BasicConv2d(width, width, **down)
        self.pool = {"mean": AveragePool(), "max": nn.MaxPool2D(3, stride=1, padding=1)}[pool]
        self.branch_pool = BasicConv2d(in_channels, 192 // n, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        branch3x3 = self.branch3x3_1(x)
        branch3x3dbl = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        branches = [self.branch1x1(x), self.branch3x3_2a(branch3x3), self.branch3x3_2b(branch3x3)]
        branches += [self.branch3x3dbl_3a(branch3x3dbl), self.branch3x3dbl_3b(branch3x3dbl)]
        return paddle.concat([*branches, self.branch_pool(self.pool(x))], 1)


class InceptionV3(nn.Layer):
    """Pool3 features and class logits: (B,3,299,299) in [-1, 1] -> (B,2048), (B,1008).

    Any size from 75 px is accepted, but the metrics are defined for 299 only. `narrow` divides all widths, for tests.
    """

    def __init__(self, narrow: int = 1):
        super().__init__()
        n = narrow
        self.Conv2d_1a_3x3 = BasicConv2d(3, 32 // n, 3, stride=2)
        self.Conv2d_2a_3x3 = BasicConv2d(32 // n, 32 // n, 3)
        self.Conv2d_2b_3x3 = BasicConv2d(32 // n, 64 // n, 3, padding=1)
        self.MaxPool_1 = nn.MaxPool2D(3, stride=2)
        self.Conv2d_3b_1x1 = BasicConv2d(64 // n, 80 // n, 1)
        self.Conv2d_4a_3x3 = BasicConv2d(80 // n, 192 // n, 3)
        self.MaxPool_2 = nn.MaxPool2D(3, stride=2)
        self.Mixed_5b = InceptionA(192 // n, 32 // n, n)
        self.Mixed_5c = InceptionA(256 // n, 64 // n, n)
        self.Mixed_5d = InceptionA(288 // n, 64 // n, n)
        self.Mixed_6a = InceptionB(288 // n, n)
        self.Mixed_6b = InceptionC(768 // n, 128 // n, n)
        self.Mixed_6c = InceptionC(768 // n, 160 // n, n)
        self.Mixed_6d = InceptionC(768 // n, 160 // n, n)
        self.Mixed_6e = InceptionC(768 // n, 192 // n, n)
        self.Mixed_7a = InceptionD(768 // n, n)
        self.Mixed_7b = InceptionE(1280 // n, "mean", n)
        self.Mixed_7c = InceptionE(2048 // n, "max", n)
        self.fc = Linear(FEATURES // n, CLASSES // n)

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))  # (B,64,147,147)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(self.MaxPool_1(x)))  # (B,192,71,71)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(self.MaxPool_2(x))))  # (B,288,35,35)
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))  # (B,768,17,17)
        x = self.Mixed_7a(self.Mixed_6e(self.Mixed_6d(x)))  # (B,1280,8,8)
        features = spatial_mean(self.Mixed_7c(self.Mixed_7b(x)))  # (B,2048)
        return features, self.fc(features)
