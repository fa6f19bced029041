"""Activations, as functions and as layers."""

import paddle
import paddle.nn.functional as F
from paddle import nn

from align.api.entry import Entry
from align.api.inputs import elementwise, shaped

SECTION = "Activations"
VALUES = elementwise()
LAYER = shaped((4, 6), (2, 3, 5, 7))
GATED = shaped((4, 6), (2, 6, 5, 8))


def slope_at_zero(x, negative_slope=0.01):
    """The derivative at 0 is the slope, as in PyTorch."""
    return paddle.where(x > 0, x, x * paddle.full([], negative_slope, x.dtype))


def threshold(x, threshold, value):
    """By its formula."""
    return paddle.where(x > threshold, x, paddle.full([], value, x.dtype))


def exact_elu(x, alpha=1.0):
    """With alpha in the tensor's dtype."""
    return paddle.where(x > 0, x, paddle.full([], alpha, x.dtype) * paddle.expm1(paddle.clip(x, max=0.0)))


def exact_celu(x, alpha=1.0):
    """With alpha in the tensor's dtype; in PyTorch's own gradient 1/alpha is in float32."""
    alpha = paddle.full([], alpha, x.dtype)
    return paddle.where(x > 0, x, alpha * paddle.expm1(paddle.clip(x, max=0.0) / alpha))


def exact_selu(x):
    """With both constants in the tensor's dtype."""
    alpha, scale = (
        paddle.full([], c, x.dtype) for c in (1.6732632423543772848170429916717, 1.0507009873554804934193349852946)
    )
    return scale * paddle.where(x > 0, x, alpha * paddle.expm1(paddle.clip(x, max=0.0)))


def exact_hardsigmoid(x):
    """With 1/6 in the tensor's dtype; in PyTorch's own gradient it is in float32."""
    return paddle.clip(x * paddle.full([], 1 / 6, x.dtype) + 0.5, 0.0, 1.0)


def exact_softshrink(x, lambd=0.5):
    """With the threshold in the tensor's dtype."""
    t = paddle.full([], lambd, x.dtype)
    return paddle.where(x > t, x - t, paddle.where(x < -t, x + t, x * 0))


def gelu_as_named(x, approximate="none"):
    """Paddle's argument is a boolean."""
    return F.gelu(x, approximate=approximate == "tanh")


def softmin(x, dim=None):
    """The softmax of the negated values."""
    return F.softmax(-x, dim)


class Activation(nn.Layer):
    """One of the functions above as a layer."""

    def __init__(self, function, options) -> None:
        super().__init__()
        self.function, self.options = function, options

    def forward(self, x):
        """Return the function's value."""
        return self.function(x, **self.options)


def as_layer(function):
    """The recipe that makes a layer of a function."""

    def layer(**options):
        """As the function."""
        return Activation(function, options)

    return layer


_OWN = "`layers/leaky_relu.py`: the derivative at 0 is PyTorch's"
_F = "nn.functional."
TABLE = [
    *[
        Entry(_F + name, _F + name, inputs=VALUES)
        for name in ["relu", "relu6", "silu", "mish", "hardswish", "softsign", "tanhshrink"]
    ],
    Entry(_F + "logsigmoid", _F + "log_sigmoid", inputs=VALUES),
    Entry(_F + "sigmoid", _F + "sigmoid", inputs=VALUES),
    Entry(_F + "tanh", _F + "tanh", inputs=VALUES),
    Entry(
        _F + "leaky_relu",
        _F + "leaky_relu",
        inputs=VALUES,
        uses=({}, {"negative_slope": 0.2}),
        recipe=slope_at_zero,
        own=_OWN,
    ),
    Entry(_F + "elu", _F + "elu", inputs=VALUES, uses=({}, {"alpha": 0.7}), recipe=exact_elu),
    Entry(_F + "celu", _F + "celu", inputs=VALUES, uses=({}, {"alpha": 0.7}), recipe=exact_celu),
    Entry(_F + "selu", _F + "selu", inputs=VALUES, recipe=exact_selu),
    Entry(_F + "gelu", _F + "gelu", inputs=VALUES, uses=({}, {"approximate": "tanh"}), recipe=gelu_as_named),
    Entry(_F + "hardtanh", _F + "hardtanh", inputs=VALUES, uses=({}, {"min_val": -0.5, "max_val": 0.5})),
    Entry(_F + "hardsigmoid", _F + "hardsigmoid", inputs=VALUES, recipe=exact_hardsigmoid),
    Entry(_F + "softplus", _F + "softplus", inputs=VALUES, uses=({}, {"beta": 1.3, "threshold": 2.0})),
    Entry(_F + "softshrink", _F + "softshrink", inputs=VALUES, uses=({}, {"lambd": 0.3}), recipe=exact_softshrink),
    Entry(_F + "hardshrink", _F + "hardshrink", inputs=VALUES, uses=({}, {"lambd": 0.3})),
    Entry(
        _F + "threshold",
        _F + "thresholded_relu",
        inputs=VALUES,
        uses=({"threshold": 0.1, "value": 0.0}, {"threshold": 0.1, "value": 0.5}),
        recipe=threshold,
    ),
    Entry(_F + "rrelu", _F + "rrelu", inputs=VALUES, uses=({"training": False},)),
    Entry(_F + "glu", _F + "glu", inputs=GATED, uses=({}, {"dim": 1})),
    Entry(_F + "softmax", _F + "softmax", inputs=LAYER, uses=({"dim": -1}, {"dim": 1})),
    Entry(_F + "log_softmax", _F + "log_softmax", inputs=LAYER, uses=({"dim": -1}, {"dim": 1})),
    Entry(_F + "softmin", "", inputs=LAYER, uses=({"dim": 1},), recipe=softmin),
    Entry(_F + "normalize", _F + "normalize", inputs=LAYER, uses=({}, {"p": 1.0, "dim": 0})),
    *[
        Entry(f"nn.{name}", f"nn.{name}", "layer", LAYER)
        for name in ["ReLU", "ReLU6", "Mish", "Hardswish", "LogSigmoid", "Softsign", "Tanhshrink", "Sigmoid", "Tanh"]
    ],
    Entry("nn.SiLU", "nn.Silu", "layer", LAYER),
    Entry("nn.Identity", "nn.Identity", "layer", LAYER),
    Entry(
        "nn.LeakyReLU",
        "nn.LeakyReLU",
        "layer",
        LAYER,
        ({"negative_slope": 0.2}, {}),
        recipe=as_layer(slope_at_zero),
        own=_OWN,
    ),
    Entry("nn.ELU", "nn.ELU", "layer", LAYER, ({}, {"alpha": 0.7}), recipe=as_layer(exact_elu)),
    Entry("nn.CELU", "nn.CELU", "layer", LAYER, ({}, {"alpha": 0.7}), recipe=as_layer(exact_celu)),
    Entry("nn.SELU", "nn.SELU", "layer", LAYER, recipe=as_layer(exact_selu)),
    Entry("nn.GELU", "nn.GELU", "layer", LAYER, ({}, {"approximate": "tanh"}), recipe=as_layer(gelu_as_named)),
    Entry("nn.Hardtanh", "nn.Hardtanh", "layer", LAYER, ({}, {"min_val": -0.5, "max_val": 0.5})),
    Entry("nn.Hardsigmoid", "nn.Hardsigmoid", "layer", LAYER, recipe=as_layer(exact_hardsigmoid)),
    Entry("nn.Softplus", "nn.Softplus", "layer", LAYER, ({}, {"beta": 1.3, "threshold": 2.0})),
    Entry("nn.Softshrink", "nn.Softshrink", "layer", LAYER, ({}, {"lambd": 0.3}), recipe=as_layer(exact_softshrink)),
    Entry("nn.Hardshrink", "nn.Hardshrink", "layer", LAYER, ({}, {"lambd": 0.3})),
    Entry(
        "nn.Threshold",
        "nn.ThresholdedReLU",
        "layer",
        LAYER,
        ({"threshold": 0.1, "value": 0.0}, {"threshold": 0.1, "value": 0.5}),
        recipe=as_layer(threshold),
    ),
    Entry("nn.RReLU", "nn.RReLU", "layer", LAYER),
    Entry("nn.GLU", "nn.GLU", "layer", GATED, ({}, {"dim": 1})),
    Entry("nn.Softmax", "nn.Softmax", "layer", LAYER, ({"dim": -1}, {"dim": 1})),
    Entry("nn.LogSoftmax", "nn.LogSoftmax", "layer", LAYER, ({"dim": -1}, {"dim": 1})),
    Entry("nn.Softmax2d", "nn.Softmax2D", "layer", shaped((2, 3, 5, 7))),
    Entry("nn.PReLU", "nn.PReLU", "layer", shaped((2, 3, 5, 7)), ({}, {"num_parameters": 3})),
]
