"""Parameters for which no gradient is computed, although the loss passes through their layers."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import paddle


@contextmanager
def frozen(parameters: Collection[paddle.Tensor]) -> Iterator[None]:
    """Within the block, compute no gradients for these parameters, but still through their layers."""
    for parameter in parameters:
        parameter.stop_gradient = True
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.stop_gradient = False
