"""The losses of a batch that is computed in parts, each with a backward pass of its own."""

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from operator import add

import paddle

from paddle_ugatit.training.diverged import require_finite


def added(losses: Iterable[paddle.Tensor]) -> paddle.Tensor:
    """Return the sum of losses, () each, without beginning at 0 as Python's sum does, which is one operation more."""
    return reduce(add, losses)


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
        self._backward(self._share(losses[total]), tensors, gradients)

    def backward_sum(
        self,
        terms: dict[str, paddle.Tensor],
        total: str,
        tensors: Sequence[paddle.Tensor] = (),
        gradients: Sequence[paddle.Tensor] = (),
    ) -> None:
        """Run the backward pass of the sum of the terms, which is named `total` in a message; see `backward`."""
        self.backward(terms | {total: added(terms.values())}, total, tensors, gradients)

    def _share(self, loss: paddle.Tensor) -> paddle.Tensor:
        return loss if self.count == 1 else loss / self.count

    def note(self, losses: dict[str, paddle.Tensor]) -> None:
        """Add the losses of a part to `found`."""
        for name, loss in losses.items():
            part = self._share(loss.detach())
            self.found[name] = self.found[name] + part if name in self.found else part
