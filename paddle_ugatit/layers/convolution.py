"""Which way to compute a convolution: Paddle's own, or on a CPU one of three that are faster for its shape.

Contents: conv2d; scattered_conv, unfolded_conv (the third is in winograd.py). All give the same sums; they differ in
the order of additions.
"""

import paddle
import paddle.nn.functional as F

from paddle_ugatit.compat import copied_transpose
from paddle_ugatit.layers import winograd

MANY, FEW = 64, 4  # channels
SMALL = 128  # pixels of a batch


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
    height, width = ((size - kernel) // stride + 1 for size in x.shape[2:])
    if x.shape[0] * height * width <= SMALL and min(inputs, outputs) >= MANY:
        return unfolded_conv(x, weight, stride)
    return F.conv2d(x, weight, stride=stride)


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
        batch, outputs, kernel = *grad.shape[:2], weight.shape[2]
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
