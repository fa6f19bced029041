"""Optimisers and schedules of the learning rate."""

import math

from paddle import optimizer
from paddle.optimizer import lr

from align.api.entry import Entry

SECTION = "Optimisers, schedules"
RATE = 0.1  # the learning rate that each schedule begins with


def adam(parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    """Decay as a number is L2, as in PyTorch's Adam; betas apart."""
    return optimizer.Adam(lr, *betas, eps, parameters, weight_decay or None)


def adamw(parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
    """Decoupled decay; betas apart."""
    return optimizer.AdamW(lr, *betas, eps, parameters, weight_decay)


def adamax(parameters, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    """Betas apart."""
    return optimizer.Adamax(lr, *betas, eps, parameters, weight_decay or None)


def sgd(parameters, lr=1e-3, momentum=0.0, nesterov=False, weight_decay=0.0):
    """With momentum another class."""
    if momentum:
        return optimizer.Momentum(lr, momentum, parameters, nesterov, weight_decay or None)
    return optimizer.SGD(lr, parameters, weight_decay or None)


def adagrad(parameters, lr=1e-2, lr_decay=0.0, eps=1e-10, initial_accumulator_value=0.0):
    """eps is an argument."""
    return optimizer.Adagrad(lr, eps, parameters, initial_accumulator_value=initial_accumulator_value)


def adadelta(parameters, lr=1.0, rho=0.9, eps=1e-6):
    """Other defaults."""
    return optimizer.Adadelta(lr, eps, rho, parameters)


def rmsprop(parameters, lr=1e-2, alpha=0.99, eps=1e-8, momentum=0.0, centered=False):
    """Paddle adds eps inside the root, PyTorch outside: with eps squared they differ where gradients are small only."""
    return optimizer.RMSProp(lr, alpha, eps**2, momentum, centered, parameters)


def step(step_size, gamma=0.1):
    """gamma is the same."""
    return lr.StepDecay(RATE, step_size, gamma)


def several_steps(milestones, gamma=0.1):
    """gamma is the same."""
    return lr.MultiStepDecay(RATE, milestones, gamma)


def exponential(gamma):
    """The same."""
    return lr.ExponentialDecay(RATE, gamma)


def cosine(T_max, eta_min=0.0):  # noqa: N803
    """The closed form."""
    return lr.LambdaDecay(RATE, lambda t: (eta_min + (RATE - eta_min) * (1 + math.cos(math.pi * t / T_max)) / 2) / RATE)


def polynomial(total_iters=5, power=1.0):
    """The decay ends at 0, and is longer than PyTorch's by default."""
    return lr.PolynomialDecay(RATE, total_iters, 0.0, power)


def warm(start_factor=1 / 3, end_factor=1.0, total_iters=5):
    """A warm-up between the two rates."""
    return lr.LinearWarmup(end_factor * RATE, total_iters, start_factor * RATE, end_factor * RATE)


def one_cycle(max_lr, total_steps, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    """The final rate is PyTorch's initial rate divided."""
    start = max_lr / div_factor
    return lr.OneCycleLR(max_lr, total_steps, div_factor, start / final_div_factor, pct_start)


def constant_for_long(factor=1 / 3, total_iters=5):
    """Pieces of constant rates."""
    return lr.PiecewiseDecay([total_iters], [RATE * factor, RATE])


def by_function(lr_lambda):
    """The same."""
    return lr.LambdaDecay(RATE, lr_lambda)


def multiplied(lr_lambda):
    """The same."""
    return lr.MultiplicativeDecay(RATE, lr_lambda)


def restarts(T_0, T_mult=1, eta_min=0.0):  # noqa: N803
    """The same."""
    return lr.CosineAnnealingWarmRestarts(RATE, T_0, T_mult, eta_min)


def cyclic(base_lr, max_lr, step_size_up=2000):
    """The same with other names."""
    return lr.CyclicLR(base_lr, max_lr, step_size_up)


def tenth_off(epoch):
    """The factor of an epoch."""
    return 0.9**epoch


def a_tenth_off(_epoch):
    """The factor between two epochs."""
    return 0.9


_O = "optim."
_S = "optim.lr_scheduler."
_P = "optimizer."
_L = "optimizer.lr."
BETAS = {"betas": ""}
TABLE = [
    Entry(
        _O + "SGD",
        _P + "SGD",
        "optimiser",
        uses=(
            {"lr": 0.1},
            {"lr": 0.1, "momentum": 0.9},
            {"lr": 0.1, "momentum": 0.9, "nesterov": True},
            {"lr": 0.1, "weight_decay": 0.1},
        ),
        recipe=sgd,
    ),
    Entry(
        _O + "Adam",
        _P + "Adam",
        "optimiser",
        uses=({}, {"lr": 0.01, "betas": (0.5, 0.999)}, {"lr": 0.01, "weight_decay": 0.1}),
        names=BETAS,
        recipe=adam,
        own="`training`: Paddle's Adam with L2 decay, as a number",
    ),
    Entry(
        _O + "AdamW", _P + "AdamW", "optimiser", uses=({}, {"lr": 0.01, "weight_decay": 0.1}), names=BETAS, recipe=adamw
    ),
    Entry(_O + "Adamax", _P + "Adamax", "optimiser", uses=({}, {"lr": 0.01}), names=BETAS, recipe=adamax),
    Entry(_O + "NAdam", _P + "NAdam", "optimiser", uses=({}, {"lr": 0.01}), names=BETAS),
    Entry(_O + "RAdam", _P + "RAdam", "optimiser", uses=({}, {"lr": 0.01}), names=BETAS),
    Entry(_O + "Adagrad", _P + "Adagrad", "optimiser", uses=({}, {"lr": 0.1}), recipe=adagrad),
    Entry(_O + "Adadelta", _P + "Adadelta", "optimiser", uses=({}, {"lr": 0.5}), recipe=adadelta),
    Entry(
        _O + "RMSprop",
        _P + "RMSProp",
        "optimiser",
        uses=({}, {"lr": 0.01, "alpha": 0.9}, {"lr": 0.01, "momentum": 0.9}),
        names={"alpha": "rho"},
        recipe=rmsprop,
        own="`training`: no system uses it",
    ),
    Entry(_O + "Rprop", _P + "Rprop", "optimiser", uses=({"lr": 0.01},)),
    Entry(_O + "ASGD", _P + "ASGD", "optimiser", uses=({"lr": 0.01},)),
    Entry(
        _S + "StepLR",
        _L + "StepDecay",
        "schedule",
        uses=({"step_size": 7}, {"step_size": 7, "gamma": 0.5}),
        recipe=step,
    ),
    Entry(
        _S + "MultiStepLR",
        _L + "MultiStepDecay",
        "schedule",
        uses=({"milestones": [5, 20]}, {"milestones": [5, 20], "gamma": 0.5}),
        recipe=several_steps,
    ),
    Entry(_S + "ExponentialLR", _L + "ExponentialDecay", "schedule", uses=({"gamma": 0.9},), recipe=exponential),
    Entry(
        _S + "CosineAnnealingLR",
        _L + "CosineAnnealingDecay",
        "schedule",
        uses=({"T_max": 10}, {"T_max": 50, "eta_min": 0.01}),
        recipe=cosine,
    ),
    Entry(
        _S + "PolynomialLR",
        _L + "PolynomialDecay",
        "schedule",
        uses=({"total_iters": 20, "power": 2.0}, {}),
        names={"total_iters": "decay_steps"},
        recipe=polynomial,
    ),
    Entry(
        _S + "LinearLR",
        _L + "LinearLR",
        "schedule",
        uses=({}, {"start_factor": 0.5, "total_iters": 10}),
        names={"total_iters": "total_steps"},
        recipe=warm,
    ),
    Entry(_S + "ConstantLR", "", "schedule", uses=({}, {"factor": 0.5, "total_iters": 10}), recipe=constant_for_long),
    Entry(
        _S + "OneCycleLR",
        _L + "OneCycleLR",
        "schedule",
        uses=({"max_lr": 0.1, "total_steps": 60},),
        names={"max_lr": "max_learning_rate", "pct_start": "phase_pct", "div_factor": "divide_factor"},
        recipe=one_cycle,
    ),
    Entry(
        _S + "LambdaLR",
        _L + "LambdaDecay",
        "schedule",
        uses=({"lr_lambda": tenth_off},),
        recipe=by_function,
        own="`training`: the linear decay of each step is computed, with no schedule",
    ),
    Entry(
        _S + "MultiplicativeLR",
        _L + "MultiplicativeDecay",
        "schedule",
        uses=({"lr_lambda": a_tenth_off},),
        recipe=multiplied,
    ),
    Entry(
        _S + "CosineAnnealingWarmRestarts",
        _L + "CosineAnnealingWarmRestarts",
        "schedule",
        uses=({"T_0": 10}, {"T_0": 5, "T_mult": 2}),
        recipe=restarts,
    ),
    Entry(
        _S + "CyclicLR",
        _L + "CyclicLR",
        "schedule",
        uses=({"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 5},),
        names={"base_lr": "base_learning_rate", "max_lr": "max_learning_rate"},
        recipe=cyclic,
    ),
]
