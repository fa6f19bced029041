"""Recomputation: the activations of a block are not kept for its backward pass, but computed again there.

Contents: recomputed. That costs a second forward pass of the block and saves the memory of all its maps but its inputs
(Chen et al., 2016, arXiv 1604.06174). The gradients are the same bits, since the same operations are made.
Twin: torch.utils.checkpoint.checkpoint.
"""

from collections.abc import Callable
from typing import Any

import paddle

from paddle_ugatit.backend.mixed import precision_of_now


def recomputed(function: Callable[..., paddle.Tensor], *inputs: paddle.Tensor) -> paddle.Tensor:
    """Return function(*inputs), of which only the inputs are kept for the backward pass; any shapes.

    The function is called once more in the backward pass, with the same parameters and in the same mixed precision, so
    it must draw no random numbers and change no buffers. It is called as usual where no gradient of an input is needed.
    """
    wanted = paddle.in_dynamic_mode() and paddle.is_grad_enabled() and not all(x.stop_gradient for x in inputs)
    return _Recomputed.apply(function, *inputs) if wanted else function(*inputs)


class _Recomputed(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx: Any, function: Callable[..., paddle.Tensor], *inputs: paddle.Tensor) -> paddle.Tensor:
        ctx.function, ctx.precision = function, precision_of_now()
        ctx.wanted = [not x.stop_gradient for x in inputs]
        ctx.save_for_backward(*inputs)
        return function(*inputs)  # no graph is recorded here

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor) -> Any:
        leaves = [x.detach() for x in ctx.saved_tensor()]
        for leaf, wanted in zip(leaves, ctx.wanted, strict=True):
            leaf.stop_gradient = not wanted
        with paddle.enable_grad(), ctx.precision():
            out = ctx.function(*leaves)
        paddle.autograd.backward([out], [grad])  # parameters get their gradients here
        found = tuple(leaf.grad if wanted else None for leaf, wanted in zip(leaves, ctx.wanted, strict=True))
        return found if len(found) > 1 else found[0]
