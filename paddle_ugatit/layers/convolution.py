"""Which way to compute a convolution: Paddle's own, or on a CPU one of two that are faster for its shape.

Contents: conv2d. All give the same sums; they differ in the order of additions.
"""

import paddle
import paddle.nn.functional as F

from paddle_ugatit.layers import winograd

MANY, FEW = 64, 4  # channels


def conv2d(x, weight, stride=1):
    """Convolution without padding: (B,in,H,W), (out,in,k,k) -> (B,out,H',W')."""
    if not (paddle.in_dynamic_mode() and x.place.is_cpu_place()):  # an exporter wants the plain operation
        return F.conv2d(x, weight, stride=stride)
    outputs, inputs, kernel, _ = weight.shape
    tiled = not any((size - 2) % winograd.STEP for size in x.shape[2:])
    # Of fewer inputs the sums are so short that Winograd's rounding in float32 would stand out.
    if (kernel, stride) == (3, 1) and outputs >= MANY and inputs >= 2 * MANY and tiled:
        return winograd.winograd_conv(x, weight)
    if stride == 1 and kernel > 1 and outputs <= FEW and inputs >= 2 * FEW:
        return scattered_conv(x, weight)
    return F.conv2d(x, weight, stride=stride)


def scattered_conv(x, weight):
    """The same for few outputs of many inputs: every pixel scatters what it gives to each output, k*k of them.

    That is one product of (k k out, in) with the map as it is, where Paddle's convolution first copies each pixel k*k
    times for all inputs: 5 times as fast for the generator's last layer.
    """
    kernel = weight.shape[2]
    return F.conv2d_transpose(x, weight.transpose([1, 0, 2, 3]).flip([2, 3]), padding=kernel - 1)
