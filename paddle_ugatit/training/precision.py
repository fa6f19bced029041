"""Automatic mixed precision, Paddle's own, on a GPU; it has no effect on a CPU, where start.choose_device refuses it.

With float16, the loss is scaled up before its backward pass, so that small gradients do not vanish, and the gradients
are scaled down again before the step; a step whose gradients overflow is skipped, and the scale is then lowered. A
checkpoint holds the scale. bfloat16 has the range of float32 and needs no scaling. Functions that must compute in
float32 say so themselves, see backend/mixed.py.
"""

import contextlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np
import paddle

from paddle_ugatit.backend.compat import flatten_scale, loss_scaler

INITIAL_SCALE = 2.0**15  # of the loss; the largest power of 2 that float16 has
# The numbers of a GradScaler that change, by their names in its state and in a checkpoint.
_KEPT = {"scale": "amp scale", "incr_count": "amp finite steps", "decr_count": "amp overflows"}


class Precision:
    """The parts of a training step that depend on `amp`, "off", "bfloat16" or "float16"."""

    def __init__(self, amp: str):
        self.amp = amp
        self._scaler = loss_scaler(INITIAL_SCALE) if amp == "float16" else None

    @property
    def scaled(self) -> bool:
        """Whether losses are scaled."""
        return self._scaler is not None

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

    def state(self) -> dict[str, float]:
        """Return the scale of the loss, and the counts by which it changes, by name; nothing without float16."""
        found = self._scaler.state_dict() if self._scaler else {}
        return {name: float(np.asarray(found[key]).item()) for key, name in _KEPT.items() if key in found}

    def restore(self, numbers: Mapping[str, float]) -> None:
        """Set the scaler to the numbers that `state` returned; nothing is changed if they are not all there."""
        if self._scaler is None:
            return
        found = self._scaler.state_dict()
        if not found or any(name not in numbers for name in _KEPT.values()):
            return
        counts = {key: int(numbers[name]) for key, name in _KEPT.items() if key != "scale"}
        scale = np.array([numbers[_KEPT["scale"]]], np.float32)
        self._scaler.load_state_dict({**found, **counts, "scale": scale})
        flatten_scale(self._scaler)
