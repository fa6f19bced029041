"""Automatic mixed precision: Paddle's own, on a GPU; on a CPU it changes nothing, and start.choose_device refuses it.

With float16 the loss is scaled up before its backward pass, so that small gradients do not vanish, and the gradients
down again before the step; a step whose gradients overflow is left out. The scale starts anew in a resumed run, which
is then not the unbroken one to the bit. bfloat16 has the range of float32 and needs none of this.
"""

import contextlib

import paddle


class Precision:
    """What a step does differently under `amp`: "off", "bfloat16" or "float16"."""

    def __init__(self, amp):
        self.amp = amp
        self._scaler = paddle.amp.GradScaler(init_loss_scaling=2.0**15) if amp == "float16" else None

    def forward(self):
        """The context that losses are computed in."""
        return contextlib.nullcontext() if self.amp == "off" else paddle.amp.auto_cast(dtype=self.amp)

    def backward(self, loss, tensors=(), gradients=()):
        """The backward pass of a loss, and of `tensors` that earlier ones sent these gradients into."""
        loss = self._scaler.scale(loss) if self._scaler else loss
        paddle.autograd.backward([loss, *tensors], [None, *gradients])

    def step(self, optimizer):
        """The optimiser's step on the gradients there are."""
        if self._scaler:
            self._scaler.step(optimizer)
            self._scaler.update()
        else:
            optimizer.step()
