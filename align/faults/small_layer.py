"""What the small twins are made of: `twin` (a case's build), Layer (Paddle's side), `rules` (of its weights)."""

from contextlib import contextmanager
from unittest.mock import patch

import paddle

from paddle_ugatit import weights


def twin(of_torch, of_paddle):
    """A case's `build` from two functions without arguments."""
    return lambda layers: of_torch() if layers.framework == "torch" else of_paddle()


class SmallLayer(paddle.nn.Layer):
    """A Paddle layer whose parameters have PyTorch's names and layout."""

    def parameter(self, *shape, value=None):
        """A parameter of these sizes."""
        initial = paddle.nn.initializer.Normal(0, 0.3) if value is None else paddle.nn.initializer.Constant(value)
        return self.create_parameter(list(shape), default_initializer=initial)


@contextmanager
def rules():
    """Within the block the weights of these layers can be converted: everything stays as it is."""
    leaves = dict.fromkeys(("weight", "bias", "running_mean", "running_var", "strength"), False)
    with patch.dict(weights.RULES, {SmallLayer: leaves}):
        yield
