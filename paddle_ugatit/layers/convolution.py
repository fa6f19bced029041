"""Which way to compute a convolution: Paddle's own, or on a CPU one of three that are faster for its shape.

Contents: conv2d; scattered_conv, unfolded_conv (the third is in winograd.py); bordered_conv, which lays the border
around a map as well. All give the same sums; they differ in the order of additions.
"""

from functools import lru_cache

import numpy as np
import paddle
import paddle.nn.functional as F

from paddle_ugatit.backend.compat import copied_transpose, copying
from paddle_ugatit.layers import winograd

MANY, FEW = 64, 4  # channels
SMALL = 128  # pixels of a batch


def conv2d(x, weight, stride=1):
    """Convolution without padding: (B,in,H,W), (out,in,k,k) -> (B,out,H',W')."""
    if not on_cpu(x):
        return F.conv2d(x, weight, stride=stride)
    outputs, inputs, kernel, _ = weight.shape
    if stride == 1 and _tiled(weight, *(size - 2 for size in x.shape[2:])):
        return winograd.winograd_conv(x, weight)
    if stride == 1 and kernel > 1 and outputs <= FEW and inputs >= 2 * FEW:
        return scattered_conv(x, weight)
    height, width = ((size - kernel) // stride + 1 for size in x.shape[2:])
    if x.shape[0] * height * width <= SMALL and min(inputs, outputs) >= MANY:
        return unfolded_conv(x, weight, stride)
    return F.conv2d(x, weight, stride=stride)


def on_cpu(x):
    """Whether a faster way may be taken here: an exporter wants plain operations, and a GPU has others."""
    return paddle.in_dynamic_mode() and x.place.is_cpu_place()


def _tiled(weight, height, width):
    """Whether Winograd's tiles suit this weight (out,in,k,k) and a map of the output's size."""
    outputs, inputs, kernel, _ = weight.shape
    # Of fewer inputs the sums are so short that Winograd's rounding in float32 would stand out.
    fits = not (height % winograd.STEP or width % winograd.STEP)
    return kernel == 3 and outputs >= MANY and inputs >= 2 * MANY and fits


def has_bordered_conv(x, weight):
    """Whether `bordered_conv` takes this map and weight, and is faster than one step after another."""
    return on_cpu(x) and _tiled(weight, *x.shape[2:])


def bordered_conv(x, weight, twice=False):
    """Convolution of a map in a reflected border of one pixel: (B,in,H,W), (out,in,3,3) -> (B,out,H,W).

    `twice`: of the map at twice its size, nearest neighbour: (B,out,2H,2W). Each of the four kinds of output pixels is
    then a convolution of the small map itself, whose border repeats its edge, with sums of the weights.
    """
    if not twice:
        return winograd.bordered_winograd_conv(x, weight, "reflect")
    outputs, inputs, *_ = weight.shape
    four = paddle.matmul(weight.reshape([-1, 9]), _phases(weight.dtype), transpose_y=True)  # (out in,4*9)
    with copying():
        four = four.reshape([outputs, inputs, 4, 9]).transpose([0, 2, 1, 3]).reshape([4 * outputs, inputs, 3, 3])
    return F.pixel_shuffle(winograd.bordered_winograd_conv(x, four, "replicate"), 2)


@lru_cache
def _phases(dtype):
    """(4*9,9): which weights meet which pixel of the small map, for the output pixels 2y + i, 2x + j of (i, j)."""
    one = np.zeros((2, 3, 3))  # along one axis: (i, pixel of the small map, pixel of the large one)
    for i in range(2):
        for tap in range(3):
            one[i, (i + tap - 1) // 2 + 1, tap] = 1
    square = np.einsum("iam,jbn->ijabmn", one, one).reshape(36, 9)
    return paddle.to_tensor(square, dtype, paddle.CPUPlace())


def scattered_conv(x, weight):
    """The same for few outputs of many inputs: every pixel scatters what it gives to each output, k*k of them.

    That is one product of (k k out, in) with the map as it is, where Paddle's convolution first copies each pixel k*k
    times for all inputs: 5 times as fast for the generator's last layer.
    """
    kernel = weight.shape[2]
    return F.conv2d_transpose(x, weight.transpose([1, 0, 2, 3]).flip([2, 3]), padding=kernel - 1)


class _UnfoldedConv(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x, weight, stride):
        (batch, _, *size), (outputs, _, kernel, _) = x.shape, weight.shape
        ctx.wanted = not x.stop_gradient, not weight.stop_gradient
        ctx.stride, ctx.shape = stride, x.shape
        columns = copied_transpose(F.unfold(x, kernel, stride), [1, 0, 2])  # (in k k,B,H'W')
        columns = columns.reshape([columns.shape[0], -1])
        ctx.save_for_backward(columns, weight)
        out = paddle.matmul(weight.reshape([outputs, -1]), columns).reshape([outputs, batch, -1])
        return copied_transpose(out, [1, 0, 2]).reshape([batch, outputs, *[(n - kernel) // stride + 1 for n in size]])

    @staticmethod
    def backward(ctx, grad):
        columns, weight = ctx.saved_tensor()
        want_x, want_weight = ctx.wanted
        (batch, outputs), kernel = grad.shape[:2], weight.shape[2]
        grad = copied_transpose(grad.reshape([batch, outputs, -1]), [0, 2, 1]).reshape([-1, outputs])  # (B H'W',out)
        grad_x = grad_weight = None
        if want_weight:
            grad_weight = paddle.matmul(grad, columns, transpose_x=True, transpose_y=True).reshape(weight.shape)
        if want_x:
            back = paddle.matmul(grad, weight.reshape([outputs, -1])).reshape([batch, -1, columns.shape[0]])
            grad_x = F.fold(copied_transpose(back, [0, 2, 1]), ctx.shape[2:], kernel, ctx.stride)
        return grad_x, grad_weight


def unfolded_conv(x, weight, stride):
    """The same for small maps under a large weight: one product for the whole batch.

    Reading and writing the weight is then what takes time; Paddle does it for each image of a batch.
    """
    return _UnfoldedConv.apply(x, weight, stride)
