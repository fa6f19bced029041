"""Adam that, on a GPU, updates all parameters by one call instead of one call for each, which a GPU would wait for.

The result is the same up to rounding error, and so are the names of its state. On a CPU it is Paddle's own, but for the
L2 penalty, which Paddle adds in copies of all gradients: a third of its time.
"""

from typing import Any

import paddle
from paddle import _C_ops
from paddle.base.layer_helper import LayerHelper

from paddle_ugatit.backend import device

_STATE = ("moment1", "moment2", "beta1_pow_acc", "beta2_pow_acc")


class Adam(paddle.optimizer.Adam):
    """Paddle's Adam, whose L2 penalty adds `weight_decay` * parameter to each gradient in place."""

    def __init__(
        self,
        learning_rate: float,
        beta1: float = 0.9,
        beta2: float = 0.999,
        parameters: list[paddle.Tensor] | None = None,
        weight_decay: float | None = None,
    ):
        super().__init__(learning_rate, beta1, beta2, parameters=parameters)
        self._decay = weight_decay

    @paddle.no_grad()
    def step(self) -> None:
        """Update all parameters that have a gradient."""
        parameters = [p for p in self._parameter_list if not p.stop_gradient and p.grad is not None]
        plain = [p for p in parameters if p.regularizer is None]  # the others have a penalty of their own
        self._add_penalty(plain, [p.grad for p in plain])
        if len(plain) < len(parameters) or not parameters or any(map(device.on_cpu, parameters)):
            super().step()
        elif not self._overflowed():
            self._update(parameters, [p.grad for p in parameters])

    def _add_penalty(self, parameters: list[paddle.Tensor], gradients: list[paddle.Tensor]) -> None:
        if self._decay and parameters:
            rate = paddle.full([1], -self._decay, parameters[0].dtype)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                _C_ops.sgd_(gradient, rate, parameter, None, False)  # gradient - rate * parameter, in place

    def _overflowed(self) -> bool:
        """Return whether a scaler of losses has found infinite gradients, and let it know that this was looked at."""
        found = self._get_auxiliary_var("found_inf")
        if found is None:
            return False
        overflowed = bool(found)
        self._set_auxiliary_var("found_inf", overflowed)
        return overflowed

    def _update(self, parameters: list[paddle.Tensor], gradients: list[paddle.Tensor]) -> None:
        # As Paddle's own step does, of which the first must be no other: a resumed run would differ.
        self.helper = LayerHelper(type(self).__name__)
        self._create_global_learning_rate()
        self._create_accumulators(paddle.static.default_main_program().global_block(), parameters)
        moment1, moment2, *powers = ([self._get_accumulator(name, p) for p in parameters] for name in _STATE)
        rates = [self._create_param_lr(pair) for pair in zip(parameters, gradients, strict=True)]
        # Paddle 3.3 has AMSGrad's largest moments too, and whether to use them.
        recent = not paddle.__version__.startswith("2.")
        largest: list[Any] = [None] if recent else []
        rest: list[Any] = [None, self._beta1, self._beta2, self._epsilon, False, False, *([False] if recent else [])]
        _C_ops.merged_adam_(parameters, gradients, rates, moment1, moment2, *largest, *powers, *rest)
