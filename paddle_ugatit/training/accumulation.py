"""The losses of a batch that is computed in parts, each with a backward pass of its own."""

from collections.abc import Callable, Sequence

import paddle

from paddle_ugatit.training.diverged import require_finite


class MeanLosses:
    """The named losses of a batch, in `found`, as means over `count` equal parts; usually there is one part.

    `backward(loss, tensors, gradients)` runs a backward pass. `iteration` appears in the message if a loss is not
    finite.
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
        """Run the backward pass of a part's losses[total], together with those of `tensors` from the given gradients.

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
        """Run the backward pass of the sum of the terms, which is named `total` in a message; see `backward`."""
        self.backward(terms | {total: sum(terms.values())}, total, tensors, gradients)

    def note(self, losses: dict[str, paddle.Tensor]) -> None:
        """Add the losses of a part to `found`."""
        for name, loss in losses.items():
            part = loss.detach() / self.count
            self.found[name] = self.found[name] + part if name in self.found else part
