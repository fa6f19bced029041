"""Losses, as functions and as layers."""

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from align.api.entry import Entry
from align.api.inputs import fixed, several, ties, values

SECTION = "Losses"
_F = "nn.functional."
REDUCED = ({}, {"reduction": "sum"}, {"reduction": "none"})
PAIR = several((4, 6), (4, 6), edges=("ties", "NaN and infinity", "empty"))


def smooth_l1(x, y, reduction="mean", beta=1.0):
    """Huber's loss, which Paddle's is, divided by delta; written out, so that delta is not rounded."""
    return huber(x, y, reduction, beta) / paddle.full([], beta, x.dtype)


def huber(x, y, reduction="mean", delta=1.0):
    """By its formula, with delta in the dtype of x."""
    far, delta = (x - y).abs(), paddle.full([], delta, x.dtype)
    return _reduced(paddle.where(far < delta, 0.5 * far * far, delta * (far - 0.5 * delta)), reduction)


def divergence(x, y, reduction="mean", log_target=False):
    """By its formula, which has a gradient of the target too."""
    if log_target:
        return _reduced(paddle.exp(y) * (y - x), reduction, x.shape[0])
    safe = paddle.where(y > 0, y, paddle.ones_like(y))
    return _reduced(y * (paddle.log(safe) - x), reduction, x.shape[0])


def cross_entropy(x, y, weight=None, reduction="mean", ignore_index=-100, label_smoothing=0.0):
    """Smoothing by the mean of all logarithms; classes on the axis 1."""
    axis = 1 if x.ndim > 1 else 0
    logarithms = F.log_softmax(x, axis)
    if y.dtype == x.dtype:
        target = y * (1 - label_smoothing) + label_smoothing / x.shape[axis]
        return _reduced(-(target * logarithms).sum(axis), reduction)
    kept = (y != ignore_index).astype(x.dtype)
    chosen = paddle.where(y == ignore_index, paddle.zeros_like(y), y)
    hot = paddle.moveaxis(F.one_hot(chosen, x.shape[axis]).astype(x.dtype), -1, axis)
    weights = kept if weight is None else kept * paddle.take(weight, chosen)
    share = paddle.ones([x.shape[axis]], x.dtype) if weight is None else weight
    share = share.reshape([-1] + [1] * (x.ndim - 2)) if x.ndim > 2 else share
    each = -(hot * logarithms).sum(axis) * weights
    smooth = -(share * logarithms).sum(axis) * kept / x.shape[axis]
    each = (1 - label_smoothing) * each + label_smoothing * smooth
    return each.sum() / weights.sum() if reduction == "mean" else _reduced(each, reduction)


def likelihood(x, y, reduction="mean", ignore_index=-100):
    """By its formula: an ignore_index among the classes makes Paddle end its process."""
    kept = (y != ignore_index).astype(x.dtype)
    chosen = paddle.where(y == ignore_index, paddle.zeros_like(y), y)
    each = -paddle.take_along_axis(x, chosen.unsqueeze(1), 1).squeeze(1) * kept
    return each.sum() / kept.sum() if reduction == "mean" else _reduced(each, reduction)


def binary(x, y, weight=None, reduction="mean"):
    """Logarithms of no less than -100, as in PyTorch."""
    floor = paddle.full([], -100.0, x.dtype)
    each = -(y * paddle.maximum(paddle.log(x), floor) + (1 - y) * paddle.maximum(paddle.log(1 - x), floor))
    return _reduced(each if weight is None else each * weight, reduction)


def sums_of_logits(x, y, weight=None, reduction="mean", pos_weight=None):
    """By log_sigmoid, which is written without overflow."""
    positive = 1.0 if pos_weight is None else pos_weight
    each = -(positive * y * F.log_sigmoid(x) + (1 - y) * F.log_sigmoid(-x))
    return _reduced(each if weight is None else each * weight, reduction)


def gaussian(x, y, var, full=False, eps=1e-6, reduction="mean"):
    """By its formula."""
    var = paddle.maximum(var, paddle.full([], eps, var.dtype))
    each = 0.5 * (paddle.log(var) + (x - y) ** 2 / var)
    return _reduced(each + paddle.full([], 0.5 * np.log(2 * np.pi), x.dtype) if full else each, reduction)


def margin_of_classes(x, y, p=1, margin=1.0, reduction="mean"):
    """By its formula."""
    correct = paddle.take_along_axis(x, y.unsqueeze(1), 1)
    each = F.relu(margin - correct + x) ** p
    each = (each * (1 - F.one_hot(y, x.shape[1]).astype(x.dtype))).sum(1) / x.shape[1]
    return _reduced(each, reduction)


def poisson(x, y, log_input=True, full=False, eps=1e-8, reduction="mean"):
    """By its formula, with eps in the dtype of the input."""
    logarithm = x if log_input else paddle.log(x + paddle.full([], eps, x.dtype))
    return _reduced((paddle.exp(x) if log_input else x) - y * logarithm, reduction)


def soft_margin(x, y, reduction="mean"):
    """By softplus."""
    return _reduced(F.softplus(-y * x), reduction)


def _reduced(each, reduction, batch=1):
    return {"mean": each.mean, "sum": each.sum, "none": lambda: each, "batchmean": lambda: each.sum() / batch}[
        reduction
    ]()


class Loss(nn.Layer):
    """One of the functions above as a layer."""

    def __init__(self, function, options) -> None:
        super().__init__()
        self.function, self.options = function, options

    def forward(self, *tensors):
        """Return the loss."""
        return self.function(*tensors, **self.options)


def as_layer(function):
    """The recipe that makes a layer of a function."""

    def layer(**options):
        """As the function."""
        return Loss(function, options)

    return layer


def _probabilities(rng):
    y = np.round(values(rng, (4, 6), "unit"))
    edge = np.array([[0.0, 1.0, 0.5], [1.0, 0.0, 0.5]])
    return [("(4,6)", [values(rng, (4, 6), "unit"), y]), ("exactly 0 and 1", [edge, np.round(edge)], {}, True)]


def _logits(rng):
    far = np.array([[120.0, -120.0, 0.0]])
    return [
        ("(4,6)", [values(rng, (4, 6)), np.round(values(rng, (4, 6), "unit"))]),
        ("far from 0", [far, far * 0 + 1], {}, True),
    ]


def _classes(rng):
    found = [("(5,4)", [values(rng, (5, 4)), rng.integers(0, 4, 5)])]
    found.append(("ignored", [values(rng, (5, 4)), np.array([0, -100, 3, 1, -100])], {}, True))
    return found


def _maps_of_classes(rng):
    return [*_classes(rng), ("(2,4,3,3)", [values(rng, (2, 4, 3, 3)), rng.integers(0, 4, (2, 3, 3))])]


def _logarithms(rng):
    drawn = np.log(values(rng, (5, 4), "unit"))
    return [("(5,4)", [drawn, rng.integers(0, 4, 5)])]


def _distributions(rng):
    x, y = values(rng, (5, 4)), values(rng, (5, 4), "positive")
    return [("(5,4)", [x, y]), ("zeros in the target", [x, np.round(y / 2)], {}, True)]


def _signs(rng):
    return [("(4,6)", [values(rng, (4, 6)), np.sign(values(rng, (4, 6)))])]


def _ranks(rng):
    return [
        ("(6,)", [values(rng, (6,)), values(rng, (6,)), np.sign(values(rng, (6,)))]),
        ("ties", [ties(rng, (6,)), ties(rng, (6,)), np.sign(values(rng, (6,)))], {}, True),
    ]


def _cosines(rng):
    return [("(5,4)", [values(rng, (5, 4)), values(rng, (5, 4)), np.sign(values(rng, (5,)))])]


def _gauss(rng):
    return [("(5,4)", [values(rng, (5, 4)), values(rng, (5, 4)), values(rng, (5, 4), "positive")])]


def _triple(rng):
    return [("(5,4)", [values(rng, (5, 4)) for _ in range(3)])]


def _multi(rng):
    return [("(5,4)", [values(rng, (5, 4)), np.round(values(rng, (5, 4), "unit"))])]


def _counts(rng):
    return [("(5,4)", [values(rng, (5, 4), "positive"), rng.integers(0, 5, (5, 4)).astype(float)])]


_BETA = ({}, {"beta": 0.3}, {"beta": 2.0, "reduction": "sum"})
_ENTROPY = ({}, {"reduction": "sum"}, {"reduction": "none"}, {"label_smoothing": 0.1}, {"ignore_index": 1})
_KL = ({"reduction": "batchmean"}, {}, {"reduction": "sum"}, {"reduction": "batchmean", "log_target": True})
TABLE = [
    Entry(_F + "mse_loss", _F + "mse_loss", inputs=PAIR, uses=REDUCED),
    Entry(
        _F + "l1_loss",
        _F + "l1_loss",
        inputs=PAIR,
        uses=REDUCED,
        own="`losses/distances.py`: a mean with a second derivative",
    ),
    Entry(
        _F + "smooth_l1_loss", _F + "smooth_l1_loss", inputs=PAIR, uses=_BETA, names={"beta": "delta"}, recipe=smooth_l1
    ),
    Entry(_F + "huber_loss", _F + "smooth_l1_loss", inputs=PAIR, uses=({}, {"delta": 0.3}), recipe=huber),
    Entry(_F + "kl_div", _F + "kl_div", inputs=fixed(_distributions), uses=_KL, recipe=divergence),
    Entry(
        _F + "cross_entropy", _F + "cross_entropy", inputs=fixed(_maps_of_classes), uses=_ENTROPY, recipe=cross_entropy
    ),
    Entry(
        _F + "nll_loss",
        _F + "nll_loss",
        inputs=fixed(_logarithms),
        uses=({}, {"reduction": "sum"}, {"ignore_index": 1}),
        recipe=likelihood,
    ),
    Entry(
        _F + "binary_cross_entropy",
        _F + "binary_cross_entropy",
        inputs=fixed(_probabilities),
        uses=REDUCED,
        recipe=binary,
    ),
    Entry(
        _F + "binary_cross_entropy_with_logits",
        _F + "binary_cross_entropy_with_logits",
        inputs=fixed(_logits),
        uses=REDUCED,
        names={"input": "logit"},
        recipe=sums_of_logits,
        own="`losses/ugatit.py`: by softplus",
    ),
    Entry(_F + "soft_margin_loss", _F + "soft_margin_loss", inputs=fixed(_signs), uses=REDUCED, recipe=soft_margin),
    Entry(_F + "hinge_embedding_loss", _F + "hinge_embedding_loss", inputs=fixed(_signs), uses=({}, {"margin": 0.5})),
    Entry(_F + "margin_ranking_loss", _F + "margin_ranking_loss", inputs=fixed(_ranks), uses=({}, {"margin": 0.5})),
    Entry(
        _F + "cosine_embedding_loss", _F + "cosine_embedding_loss", inputs=fixed(_cosines), uses=({}, {"margin": 0.3})
    ),
    Entry(
        _F + "triplet_margin_loss",
        _F + "triplet_margin_loss",
        inputs=fixed(_triple),
        uses=({}, {"margin": 0.5, "swap": True}),
    ),
    Entry(_F + "multilabel_soft_margin_loss", _F + "multi_label_soft_margin_loss", inputs=fixed(_multi)),
    Entry(
        _F + "multi_margin_loss",
        _F + "multi_margin_loss",
        inputs=fixed(lambda rng: _classes(rng)[:1]),
        uses=({}, {"p": 2, "margin": 0.5}),
        recipe=margin_of_classes,
    ),
    Entry(
        _F + "gaussian_nll_loss",
        _F + "gaussian_nll_loss",
        inputs=fixed(_gauss),
        uses=({}, {"full": True}),
        names={"var": "variance", "eps": "epsilon"},
        recipe=gaussian,
    ),
    Entry(
        _F + "poisson_nll_loss",
        _F + "poisson_nll_loss",
        inputs=fixed(_counts),
        uses=({}, {"log_input": False}),
        recipe=poisson,
    ),
    Entry("nn.MSELoss", "nn.MSELoss", "layer", PAIR, REDUCED),
    Entry("nn.L1Loss", "nn.L1Loss", "layer", PAIR, REDUCED),
    Entry("nn.SmoothL1Loss", "nn.SmoothL1Loss", "layer", PAIR, _BETA, {"beta": "delta"}, as_layer(smooth_l1)),
    Entry("nn.HuberLoss", "nn.SmoothL1Loss", "layer", PAIR, ({}, {"delta": 0.3}), recipe=as_layer(huber)),
    Entry("nn.KLDivLoss", "nn.KLDivLoss", "layer", fixed(_distributions), _KL[:3], recipe=as_layer(divergence)),
    Entry(
        "nn.CrossEntropyLoss",
        "nn.CrossEntropyLoss",
        "layer",
        fixed(_maps_of_classes),
        _ENTROPY,
        recipe=as_layer(cross_entropy),
    ),
    Entry(
        "nn.NLLLoss", "nn.NLLLoss", "layer", fixed(_logarithms), ({}, {"reduction": "sum"}), recipe=as_layer(likelihood)
    ),
    Entry("nn.BCELoss", "nn.BCELoss", "layer", fixed(_probabilities), REDUCED, recipe=as_layer(binary)),
    Entry(
        "nn.BCEWithLogitsLoss",
        "nn.BCEWithLogitsLoss",
        "layer",
        fixed(_logits),
        REDUCED,
        recipe=as_layer(sums_of_logits),
    ),
    Entry("nn.SoftMarginLoss", "nn.SoftMarginLoss", "layer", fixed(_signs), recipe=as_layer(soft_margin)),
    Entry("nn.HingeEmbeddingLoss", "nn.HingeEmbeddingLoss", "layer", fixed(_signs)),
    Entry("nn.MarginRankingLoss", "nn.MarginRankingLoss", "layer", fixed(_ranks), ({}, {"margin": 0.5})),
    Entry("nn.CosineEmbeddingLoss", "nn.CosineEmbeddingLoss", "layer", fixed(_cosines)),
    Entry("nn.TripletMarginLoss", "nn.TripletMarginLoss", "layer", fixed(_triple), ({}, {"margin": 0.5})),
    Entry("nn.MultiLabelSoftMarginLoss", "nn.MultiLabelSoftMarginLoss", "layer", fixed(_multi)),
    Entry(
        "nn.MultiMarginLoss",
        "nn.MultiMarginLoss",
        "layer",
        fixed(lambda rng: _classes(rng)[:1]),
        recipe=as_layer(margin_of_classes),
    ),
    Entry(
        "nn.GaussianNLLLoss",
        "nn.GaussianNLLLoss",
        "layer",
        fixed(_gauss),
        ({}, {"full": True}),
        {"eps": "epsilon"},
        recipe=as_layer(gaussian),
    ),
    Entry("nn.PoissonNLLLoss", "nn.PoissonNLLLoss", "layer", fixed(_counts), recipe=as_layer(poisson)),
]
