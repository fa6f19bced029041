"""MTCNN (Zhang et al., IEEE Signal Processing Letters 2016, arXiv 1604.02878): three networks that find faces.

Contents: PNet proposes windows of 12 pixels all over a picture; RNet and ONet refine candidates of 24 and 48 pixels.
Attribute names are those of the published files `pnet.pt`, `rnet.pt` and `onet.pt`. Images are RGB, scaled to
(value - 127.5) / 128. A box is refined by offsets of its left, upper, right and lower edge, in sides of the window.
Twin: paddle_ugatit/models/mtcnn.py.
"""

import torch
import torch.nn.functional as F
from torch import nn


class PNet(nn.Module):
    """Propose faces: images (B,3,H,W) -> box offsets (B,4,h,w), probabilities of no face and of a face (B,2,h,w).

    The window of a pixel of the result begins two pixels of the image after that of its neighbour: h is
    ceil((H-2)/2) - 4, and so is w. Raises ValueError if a side of the images is shorter than 12 pixels.
    """

    SIZE = 12

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, 3), nn.PReLU(10)
        self.pool1 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1 = nn.Conv2d(32, 2, 1)
        self.conv4_2 = nn.Conv2d(32, 4, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        require_side(x.shape[2], x.shape[3], self.SIZE)
        x = self.pool1(self.prelu1(self.conv1(x)))  # (B,10,ceil((H-2)/2),ceil((W-2)/2))
        x = self.prelu2(self.conv2(x))
        x = self.prelu3(self.conv3(x))  # (B,32,h,w)
        return self.conv4_2(x), F.softmax(self.conv4_1(x), dim=1)


class RNet(nn.Module):
    """Refine candidates: images (B,3,24,24) -> box offsets (B,4), probabilities of no face and of a face (B,2)."""

    SIZE = 24

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 28, 3), nn.PReLU(28)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(28, 48, 3), nn.PReLU(48)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, 2), nn.PReLU(64)
        self.dense4, self.prelu4 = nn.Linear(64 * 3 * 3, 128), nn.PReLU(128)
        self.dense5_1 = nn.Linear(128, 2)
        self.dense5_2 = nn.Linear(128, 4)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.pool1(self.prelu1(self.conv1(x)))  # (B,28,11,11)
        x = self.pool2(self.prelu2(self.conv2(x)))  # (B,48,4,4)
        x = self.prelu3(self.conv3(x))  # (B,64,3,3)
        x = self.prelu4(self.dense4(column_by_column(x)))
        return self.dense5_2(x), F.softmax(self.dense5_1(x), dim=1)


class ONet(nn.Module):
    """Decide, and find landmarks: images (B,3,48,48) -> box offsets (B,4), landmarks (B,10), probabilities (B,2).

    The landmarks are the x of the left eye, right eye, nose, left and right corner of the mouth as the viewer sees
    them, then their y, in sides of the window from its upper left corner. The probabilities are of no face and of one.
    """

    SIZE = 48

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, 3), nn.PReLU(32)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, 3), nn.PReLU(64)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, 3), nn.PReLU(64)
        self.pool3 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.dense5, self.prelu5 = nn.Linear(128 * 3 * 3, 256), nn.PReLU(256)
        self.dense6_1 = nn.Linear(256, 2)
        self.dense6_2 = nn.Linear(256, 4)
        self.dense6_3 = nn.Linear(256, 10)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x = self.pool1(self.prelu1(self.conv1(x)))  # (B,32,23,23)
        x = self.pool2(self.prelu2(self.conv2(x)))  # (B,64,10,10)
        x = self.pool3(self.prelu3(self.conv3(x)))  # (B,64,4,4)
        x = self.prelu4(self.conv4(x))  # (B,128,3,3)
        x = self.prelu5(self.dense5(column_by_column(x)))
        return self.dense6_2(x), self.dense6_3(x), F.softmax(self.dense6_1(x), dim=1)


def column_by_column(x: torch.Tensor) -> torch.Tensor:
    """Return each map as a row of numbers, column after column, channels last: (B,C,H,W) -> (B,W*H*C).

    quirk: the first program was written in MATLAB, whose arrays run down the columns.
    """
    return x.permute(0, 3, 2, 1).flatten(1)


def require_side(height: int, width: int, least: int) -> None:
    """Raise ValueError if a side of the images is shorter than `least`."""
    if min(height, width) < least:
        raise ValueError(f"the network needs images of {least}x{least} pixels or more, got {height}x{width}")
