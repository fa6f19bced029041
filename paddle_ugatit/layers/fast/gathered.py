"""Gradients of convolutions with few outputs, by products of gathered pixels.

The gradient of a weight is the product of the pixels under the kernel with the gradients of the outputs. Paddle
multiplies the latter by the former, which takes up to 6 times as long where outputs are few, since the larger factor is
then the one that is transposed.
"""

from typing import Any

import paddle
import paddle.nn.functional as F

from paddle_ugatit.backend.compat import copied_transpose


def gathered_conv(x: paddle.Tensor, weight: paddle.Tensor, stride: int = 1) -> paddle.Tensor:
    """Convolve as Paddle does, with a backward pass of its own: (B,in,H,W), (out,in,k,k) -> (B,out,H',W')."""
    return _GatheredConv.apply(x, weight, stride)


class _GatheredConv(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, weight: paddle.Tensor, stride: int) -> paddle.Tensor:
        ctx.wanted, ctx.stride = (not x.stop_gradient, not weight.stop_gradient), stride
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, stride=stride)

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor) -> tuple[paddle.Tensor | None, paddle.Tensor | None]:
        x, weight = ctx.saved_tensor()
        want_x, want_weight = ctx.wanted
        outputs, _, kernel, _ = weight.shape
        grad = grad.reshape([grad.shape[0], outputs, -1])
        grad_x = grad_weight = None
        if want_weight:
            columns = F.unfold(x, kernel, ctx.stride)
            turned = paddle.matmul(columns, grad, transpose_y=True).sum(0)  # (in k k,out)
            grad_weight = copied_transpose(turned, [1, 0]).reshape(weight.shape)
        if want_x:
            back = paddle.matmul(weight.reshape([outputs, -1]), grad, transpose_x=True)
            used = [(n - kernel) // ctx.stride * ctx.stride + kernel for n in x.shape[2:]]
            grad_x = F.fold(back, used, kernel, ctx.stride)
            if used != x.shape[2:]:
                grad_x = F.pad(grad_x, [0, x.shape[3] - used[1], 0, x.shape[2] - used[0]])
        return grad_x, grad_weight
