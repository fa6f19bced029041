"""Networks that a loss passes through without an update of their own."""

from contextlib import contextmanager


@contextmanager
def frozen(parameters):
    """Within the block no gradient is computed for these parameters, only through their layers."""
    for parameter in parameters:
        parameter.stop_gradient = True
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.stop_gradient = False
