"""Losses of a batch that is computed in parts, each of which is sent backward by itself."""

from collections.abc import Callable, Sequence

import paddle

from paddle_ugatit.training.diverged import require_finite


class MeanLosses:
    """The named losses of a batch, `found`, as means over `count` equal parts; one part is the usual case.

    `backward(loss, tensors, gradients)` makes a backward pass; `iteration` is named if a loss is not finite.
    """

    def __init__(self, count: int, iteration: int, backward: Callable[..., None]):
        self.count, self.iteration, self._backward = count, iteration, backward
        self.found: dict[str, paddle.Tensor] = {}

    def backward(
        self,
        losses: dict[str, paddle.Tensor],
        total: str,
        tensors: Sequence[paddle.Tensor] = (),
        gradients: Sequence[paddle.Tensor] = (),
    ) -> None:
        """Send a part's losses[total] backward, and `gradients` into `tensors` with it.

        Raises DivergedError if the total is not finite.
        """
        require_finite(losses, total, self.iteration)
        self._backward(losses[total] / self.count, tensors, gradients)

    def backward_sum(
        self,
        terms: dict[str, paddle.Tensor],
        total: str,
        tensors: Sequence[paddle.Tensor] = (),
        gradients: Sequence[paddle.Tensor] = (),
    ) -> None:
        """As `backward`, of the sum of the terms, which a message names as `total`."""
        self.backward(terms | {total: sum(terms.values())}, total, tensors, gradients)

    def note(self, losses: dict[str, paddle.Tensor]) -> None:
        """Add a part's losses to `found`."""
        for name, loss in losses.items():
            part = loss.detach() / self.count
            self.found[name] = self.found[name] + part if name in self.found else part
