"""Automatic mixed precision, Paddle's own, on a GPU; it has no effect on a CPU, where start.choose_device refuses it.

With float16, the loss is scaled up before its backward pass, so that small gradients do not vanish, and the gradients
are scaled down again before the step; a step whose gradients overflow is skipped. The scale starts afresh in a resumed
run, which therefore differs from an uninterrupted one. bfloat16 has the range of float32 and needs no scaling.
"""

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager

import paddle


class Precision:
    """The parts of a training step that depend on `amp`, "off", "bfloat16" or "float16"."""

    def __init__(self, amp: str):
        self.amp = amp
        self._scaler = paddle.amp.GradScaler(init_loss_scaling=2.0**15) if amp == "float16" else None

    def forward(self) -> AbstractContextManager:
        """Return the context in which losses are computed."""
        return contextlib.nullcontext() if self.amp == "off" else paddle.amp.auto_cast(dtype=self.amp)

    def backward(
        self, loss: paddle.Tensor, tensors: Sequence[paddle.Tensor] = (), gradients: Sequence[paddle.Tensor] = ()
    ) -> None:
        """Run the backward pass of a loss, together with those of `tensors` from the given gradients."""
        loss = self._scaler.scale(loss) if self._scaler else loss
        paddle.autograd.backward([loss, *tensors], [None, *gradients])

    def step(self, optimizer: paddle.optimizer.Optimizer) -> None:
        """Make the optimiser's step with the gradients of its parameters."""
        if self._scaler:
            self._scaler.step(optimizer)
            self._scaler.update()
        else:
            optimizer.step()
