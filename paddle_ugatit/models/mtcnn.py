"""MTCNN (Zhang et al., IEEE Signal Processing Letters 2016, arXiv 1604.02878): three networks that find faces.

Contents: PNet proposes windows of 12 pixels all over a picture; RNet and ONet refine candidates of 24 and 48 pixels.
Attribute names are those of the published files `pnet.pt`, `rnet.pt` and `onet.pt`. Images are RGB, scaled to
(value - 127.5) / 128. A box is refined by offsets of its left, upper, right and lower edge, in sides of the window.
Twin: torch_ref/models/mtcnn.py.
"""

import paddle
import paddle.nn.functional as F
from paddle import nn

from paddle_ugatit.layers.convolution import Conv2D
from paddle_ugatit.layers.linear import Linear
from paddle_ugatit.layers.prelu import PReLU


class PNet(nn.Layer):
    """Propose faces: images (B,3,H,W) -> box offsets (B,4,h,w), probabilities of no face and of a face (B,2,h,w).

    The window of a pixel of the result begins two pixels of the image after that of its neighbour: h is
    ceil((H-2)/2) - 4, and so is w. Raises ValueError if a side of the images is shorter than 12 pixels.
    """

    SIZE = 12

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = Conv2D(3, 10, 3), PReLU(10)
        self.pool1 = nn.MaxPool2D(2, 2, ceil_mode=True)
        self.conv2, self.prelu2 = Conv2D(10, 16, 3), PReLU(16)
        self.conv3, self.prelu3 = Conv2D(16, 32, 3), PReLU(32)
        self.conv4_1 = Conv2D(32, 2, 1)
        self.conv4_2 = Conv2D(32, 4, 1)

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        require_side(x.shape[2], x.shape[3], self.SIZE)
        x = self.pool1(self.prelu1(self.conv1(x)))  # (B,10,ceil((H-2)/2),ceil((W-2)/2))
        x = self.prelu2(self.conv2(x))
        x = self.prelu3(self.conv3(x))  # (B,32,h,w)
        return self.conv4_2(x), F.softmax(self.conv4_1(x), axis=1)


class RNet(nn.Layer):
    """Refine candidates: images (B,3,24,24) -> box offsets (B,4), probabilities of no face and of a face (B,2)."""

    SIZE = 24

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = Conv2D(3, 28, 3), PReLU(28)
        self.pool1 = nn.MaxPool2D(3, 2, ceil_mode=True)
        self.conv2, self.prelu2 = Conv2D(28, 48, 3), PReLU(48)
        self.pool2 = nn.MaxPool2D(3, 2)  # fits exactly, so that nothing is rounded up
        self.conv3, self.prelu3 = Conv2D(48, 64, 2), PReLU(64)
        self.dense4, self.prelu4 = Linear(64 * 3 * 3, 128), PReLU(128)
        self.dense5_1 = Linear(128, 2)
        self.dense5_2 = Linear(128, 4)

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        x = self.pool1(self.prelu1(self.conv1(x)))  # (B,28,11,11)
        x = self.pool2(self.prelu2(self.conv2(x)))  # (B,48,4,4)
        x = self.prelu3(self.conv3(x))  # (B,64,3,3)
        x = self.prelu4(self.dense4(column_by_column(x)))
        return self.dense5_2(x), F.softmax(self.dense5_1(x), axis=1)


class ONet(nn.Layer):
    """Decide, and find landmarks: images (B,3,48,48) -> box offsets (B,4), landmarks (B,10), probabilities (B,2).

    The landmarks are the x of the left eye, right eye, nose, left and right corner of the mouth as the viewer sees
    them, then their y, in sides of the window from its upper left corner. The probabilities are of no face and of one.
    """

    SIZE = 48

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = Conv2D(3, 32, 3), PReLU(32)
        self.pool1 = nn.MaxPool2D(3, 2, ceil_mode=True)
        self.conv2, self.prelu2 = Conv2D(32, 64, 3), PReLU(64)
        self.pool2 = nn.MaxPool2D(3, 2)  # fits exactly, so that nothing is rounded up
        self.conv3, self.prelu3 = Conv2D(64, 64, 3), PReLU(64)
        self.pool3 = nn.MaxPool2D(2, 2)  # fits exactly, too
        self.conv4, self.prelu4 = Conv2D(64, 128, 2), PReLU(128)
        self.dense5, self.prelu5 = Linear(128 * 3 * 3, 256), PReLU(256)
        self.dense6_1 = Linear(256, 2)
        self.dense6_2 = Linear(256, 4)
        self.dense6_3 = Linear(256, 10)

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
        x = self.pool1(self.prelu1(self.conv1(x)))  # (B,32,23,23)
        x = self.pool2(self.prelu2(self.conv2(x)))  # (B,64,10,10)
        x = self.pool3(self.prelu3(self.conv3(x)))  # (B,64,4,4)
        x = self.prelu4(self.conv4(x))  # (B,128,3,3)
        x = self.prelu5(self.dense5(column_by_column(x)))
        return self.dense6_2(x), self.dense6_3(x), F.softmax(self.dense6_1(x), axis=1)


def column_by_column(x: paddle.Tensor) -> paddle.Tensor:
    """Return each map as a row of numbers, column after column, channels last: (B,C,H,W) -> (B,W*H*C).

    quirk: the first program was written in MATLAB, whose arrays run down the columns.
    """
    return x.transpose([0, 3, 2, 1]).flatten(1)


def require_side(height: int, width: int, least: int) -> None:
    """Raise ValueError if a side of the images is shorter than `least`."""
    if min(height, width) < least:
        raise ValueError(f"the network needs images of {least}x{least} pixels or more, got {height}x{width}")
