"""Convolutions of small maps with a large weight, unfolded into one product."""

from typing import Any

import paddle
import paddle.nn.functional as F

from paddle_ugatit.backend.compat import copied_transpose


class _UnfoldedConv(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, weight: paddle.Tensor, stride: int) -> paddle.Tensor:
        (batch, _, *size), (outputs, _, kernel, _) = x.shape, weight.shape
        ctx.wanted = not x.stop_gradient, not weight.stop_gradient
        ctx.stride, ctx.shape = stride, x.shape
        columns = copied_transpose(F.unfold(x, kernel, stride), [1, 0, 2])  # (in k k,B,H'W')
        columns = columns.reshape([columns.shape[0], -1])
        ctx.save_for_backward(columns, weight)
        out = paddle.matmul(weight.reshape([outputs, -1]), columns).reshape([outputs, batch, -1])
        return copied_transpose(out, [1, 0, 2]).reshape([batch, outputs, *[(n - kernel) // stride + 1 for n in size]])

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor) -> tuple[paddle.Tensor | None, paddle.Tensor | None]:
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


def unfolded_conv(x: paddle.Tensor, weight: paddle.Tensor, stride: int = 1) -> paddle.Tensor:
    """Convolve by one product for the whole batch: (B,in,H,W), (out,in,k,k) -> (B,out,H',W').

    With small maps and a large weight, reading and writing the weight takes most of the time, and Paddle does so for
    each image of a batch.
    """
    return _UnfoldedConv.apply(x, weight, stride)
