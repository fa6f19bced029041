"""A reflected border, and an upsampling before it, within a 3x3 convolution by Winograd's tiles."""

from functools import lru_cache
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F

from paddle_ugatit.backend.compat import copying
from paddle_ugatit.layers.fast import winograd


def bordered_conv(x: paddle.Tensor, weight: paddle.Tensor, twice: bool = False) -> paddle.Tensor:
    """Convolve a map with a reflected border of one pixel: (B,in,H,W), (out,in,3,3) -> (B,out,H,W).

    With `twice`, the map is first doubled by nearest neighbours: (B,out,2H,2W). Each of the four phases of the output
    is then a convolution of the small map, whose border repeats its edge, with sums of the weights.
    """
    if not twice:
        return winograd.bordered_winograd_conv(x, weight, "reflect")
    outputs, inputs, *_ = weight.shape
    four = paddle.matmul(weight.reshape([-1, 9]), _phases(weight.dtype), transpose_y=True)  # (out in,4*9)
    with copying():
        four = four.reshape([outputs, inputs, 4, 9]).transpose([0, 2, 1, 3]).reshape([4 * outputs, inputs, 3, 3])
    return F.pixel_shuffle(winograd.bordered_winograd_conv(x, four, "replicate"), 2)


@lru_cache
def _phases(dtype: Any) -> paddle.Tensor:
    """Return the 0/1 matrix (4*9,9) that sums the weights for output pixels (2y + i, 2x + j), each i, j in {0,1}."""
    one = np.zeros((2, 3, 3))  # along one axis: (i, pixel of the small map, pixel of the large one)
    for i in range(2):
        for tap in range(3):
            one[i, (i + tap - 1) // 2 + 1, tap] = 1
    square = np.einsum("iam,jbn->ijabmn", one, one).reshape(36, 9)
    return paddle.to_tensor(square, dtype, paddle.CPUPlace())
