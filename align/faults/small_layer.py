"""Building blocks of small twins: `twin` (a case's build), SmallLayer (Paddle's side), `rules` (for its weights)."""

from contextlib import contextmanager
from unittest.mock import patch

import paddle

from paddle_ugatit import weights


def twin(of_torch, of_paddle):
    """Return a case's `build` from two functions without arguments, one for each framework."""
    return lambda layers: of_torch() if layers.framework == "torch" else of_paddle()


class SmallLayer(paddle.nn.Layer):
    """A Paddle layer whose parameters have PyTorch's names and layout."""

    def parameter(self, *shape, value=None):
        """Create a parameter of this shape."""
        initial = paddle.nn.initializer.Normal(0, 0.3) if value is None else paddle.nn.initializer.Constant(value)
        return self.create_parameter(list(shape), default_initializer=initial)


@contextmanager
def rules():
    """Within the block, weights of SmallLayer can be converted; they keep their names and layout."""
    leaves = dict.fromkeys(("weight", "bias", "running_mean", "running_var", "strength"), False)
    with patch.dict(weights.RULES, {SmallLayer: leaves}):
        yield
