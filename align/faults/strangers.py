"""Bugs planted in models of other people: how many are located, how many named, is any named wrongly? `check`.

Each trial is a model of strange_models.py with fresh weights and one bug: in a layer of the port, planted in memory, or
in the code between layers. The check that anyone runs, check_forward.py and then check_backward.py, must call it
DIVERGED. It is located if the layer is blamed, or the code before the layer that first receives a wrong value; named if
the cause says what was planted.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from tqdm import tqdm

from align.cases.pair import Pair
from align.checks.layers import check_case
from align.compare.narrowing import narrowed
from align.compare.reference import loaded, measure, set_mode
from align.compare.sides import paddle_side_of, torch_side_of
from align.compare.verdict import UNKNOWN
from align.faults import other_tools
from align.faults.strange_models import MODELS, PADDLE, TORCH
from paddle_ugatit.cli import command

LOCATED, NAMED = 0.95, 0.7  # what is required, and that none is named wrongly


@dataclass(frozen=True)
class Bug:
    """A bug: `plant(model)` puts it into Paddle's model, `flaw` into its code; `words`: one is in the right cause."""

    model: str
    name: str
    layer: str
    words: tuple[str, ...]
    plant: Callable[[Any], None] | None = None
    flaw: str = ""


@dataclass
class Found:
    """What the checks say of a bug."""

    bug: Bug
    seed: int
    check: str = ""
    layer: str | None = None
    what: str = ""
    cause: str = UNKNOWN

    @property
    def located(self) -> bool:
        """Whether the right place is blamed."""
        code = bool(self.bug.flaw) and self.check == "forward"
        return self.layer == self.bug.layer and (self.what == "input" or not code or not self.bug.layer)

    @property
    def named(self) -> bool:
        """Whether the cause says what was planted."""
        return any(word in self.cause for word in self.bug.words)

    @property
    def misnamed(self) -> bool:
        """Whether a cause is named that is not the one planted."""
        return self.layer is not None and self.cause != UNKNOWN and not self.named and bool(self.bug.words)


def bugs() -> Iterator[Bug]:
    """Yield every bug: each that fits each layer of each model, then the flaws of the models' code."""
    for name, stranger in MODELS.items():
        layers = [
            (path, layer) for path, layer in stranger.build(PADDLE).named_sublayers() if not list(layer.children())
        ]
        for path, layer in layers:
            for told, words, plant in _of_layer(layer):
                yield Bug(name, told, path, words, _at(path, plant))
            yield from _exchanges(name, path, layer, layers)
        for flaw, (place, words) in stranger.flaws.items():
            yield Bug(name, flaw, place, words, flaw=flaw)


def _at(path, plant):
    return lambda model: plant(dict(model.named_sublayers())[path])


def _exchanges(name, path, layer, layers):
    """The weight of the next layer of the same shape instead of its own."""
    for other, twin in layers[layers.index((path, layer)) + 1 :]:
        alike = type(twin) is type(layer) and hasattr(layer, "weight") and layer.weight.ndim > 1
        if alike and twin.weight.shape == layer.weight.shape:

            def plant(model, path=path, other=other):
                found = dict(model.named_sublayers())
                found[path].weight.set_value(found[other].weight.clone())

            yield Bug(name, f"weight of {other}", path, (f"{other}.weight",), plant)
            return


def _of_layer(layer):
    """Yield (name, words of the cause, plant) for each bug that fits a layer of Paddle."""
    kind = type(layer).__name__
    if hasattr(layer, "_epsilon"):
        for eps in (1e-3, 1e-6):
            yield f"eps {eps:g}", (f"eps {eps:g}",), _put(_epsilon=eps)
    if kind.startswith("BatchNorm"):
        yield "statistics not loaded", ("never loaded", "0 throughout"), _reset
    if kind == "GroupNorm":
        groups = layer._num_groups // 2
        yield f"{groups} groups", (f"{groups} groups",), _put(_num_groups=groups)
    if kind == "LeakyReLU":
        yield "slope 0.01", ("slope 0.01",), _put(_negative_slope=0.01)
    if kind == "ELU":
        yield "alpha 0.5", ("alpha 0.5",), _put(_alpha=0.5)
    if kind == "GELU":
        yield "by tanh", ("GELU by tanh",), _put(_approximate=True)
    if kind in _ACTIVATIONS:
        for name, function in _ACTIVATIONS.values():
            if function is not _ACTIVATIONS[kind][1]:
                yield f"{name} instead", (f"activation: {name}",), _forward(function)
        yield "left out", ("activation: none", "left out"), _forward(lambda x: x * 1)
    if kind == "AvgPool2D":
        yield "border not counted", ("count_include_pad False",), _put(exclusive=True)
    if kind == "Upsample":
        yield "align_corners False", ("align_corners False",), _put(align_corners=False)
        yield "nearest", ("resize nearest",), _put(mode="nearest", align_corners=False)
    if kind == "Pad2D":
        yield "replicated", ("replicate pad",), _put(_mode="replicate")
        yield "zeros", ("zero pad",), _put(_mode="constant")
    if kind == "Softmax":
        yield "axis 0", ("softmax over axis -2", "softmax over axis 0"), _put(_axis=0)
    if kind == "Conv2D" and layer.weight.shape[2] > 1:
        yield "mirrored kernel", ("mirrored",), _weight(lambda w: w.flip([2, 3]))
    if kind in ("Conv2D", "Conv1D") and layer.weight.shape[2] > 1 and layer._padding == 1:
        yield "replicated border", ("padding mode replicate",), _border(kind)
    if kind == "Linear" and layer.weight.shape[0] == layer.weight.shape[1]:
        yield "transposed", ("transposed",), _weight(lambda w: w.t())
    if getattr(layer, "bias", None) is not None and kind not in ("LSTM",):
        yield "bias not loaded", ("never loaded", "0 throughout"), _zero_bias


def _put(**values):
    def plant(layer):
        for name, value in values.items():
            if not hasattr(layer, name):
                raise AttributeError(f"{type(layer).__name__} has no {name}")
            setattr(layer, name, value)

    return plant


def _forward(function):
    def plant(layer):
        layer.forward = function

    return plant


def _weight(change):
    return lambda layer: layer.weight.set_value(change(layer.weight).clone())


def _zero_bias(layer):
    layer.bias.set_value(paddle.zeros_like(layer.bias))


def _reset(layer):
    layer._mean.set_value(paddle.zeros_like(layer._mean))
    layer._variance.set_value(paddle.ones_like(layer._variance))


def _border(kind):
    def plant(layer):
        axes = 2 if kind == "Conv2D" else 1
        _put(_padding_mode="replicate")(layer)
        layer._updated_padding = layer._padding = [0] * axes
        layer._reversed_padding_repeated_twice = [1, 1] * axes

    return plant


_ACTIVATIONS = {
    "ReLU": ("ReLU", F.relu),
    "Silu": ("SiLU", F.silu),
    "Tanh": ("tanh", paddle.tanh),
    "Sigmoid": ("sigmoid", F.sigmoid),
    "GELU": ("GELU", F.gelu),
}


def pair_of(bug: Bug, seed: int) -> Pair:
    """Return the model of a bug as a pair, whose port has the flaw of the bug, if it is one of its code."""
    stranger = MODELS[bug.model]

    def build(layers: Any) -> Any:
        if layers.framework == "torch":
            return stranger.build(TORCH)
        return stranger.build(SimpleNamespace(**{**vars(PADDLE), "flaw": bug.flaw}))

    return Pair(
        bug.model,
        build,
        stranger.shapes,
        "",
        "align/faults/strange_models.py",
        bug.model,
        training=False,
        draw=stranger.draw,
    )


def tried(bug: Bug, seed: int) -> Found:
    """Run both checks on a bug until one calls the pair diverged."""
    found = Found(bug, seed)
    for check in ("forward", "backward"):
        case = pair_of(bug, seed)
        reference = measure(case, torch_side_of(case), seed, backward=check == "backward", float32=False)
        entry = check_case(case, reference, check, ["float64"], tamper=bug.plant, causes=True)
        if entry["verdict"] == "diverged":
            blamed = entry["blamed"]
            found.check, found.layer, found.what = check, blamed["layer"], blamed["what"]
            found.cause = (blamed.get("cause") or {}).get("name", UNKNOWN)
            break
        found.cause = entry["note"] if entry["verdict"] == "not comparable" else found.cause
    return found


def chosen(count: int | None, seed: int) -> list[tuple[Bug, int]]:
    """Return bugs with seeds for their weights: all of them for None, else as many, drawn at random."""
    every = [bug for bug in bugs() if bug.plant or bug.flaw]
    rng = random.Random(seed)
    drawn = every if count is None else rng.sample(every, min(count, len(every)))
    return [(bug, rng.randrange(1000)) for bug in drawn]


def models_of(bug: Bug, seed: int) -> tuple[Pair, Any, Any]:
    """Return the pair, PyTorch's model and Paddle's with the bug, in float32 with the same weights."""
    case = pair_of(bug, seed)
    reference = measure(case, torch_side_of(case), seed, backward=False, float32=False)
    case, reference, _ = narrowed(case, reference, lambda case: paddle_side_of(case)("float32"))
    twin = loaded(torch_side_of(case)("float32"), case, seed, reference.weights)
    side = paddle_side_of(case)("float32")
    model = side.build(case.build, seed)
    side.load(model, reference.weights)
    if bug.plant:
        bug.plant(model)
    set_mode(model, case.training)
    return case, twin, model


def by_others(trials: list[tuple[Bug, int]]) -> Iterator[str]:
    """Yield a line for each other tool: how many of the bugs it catches, in models where it is silent without one."""
    for name, tool in other_tools.tools().items():
        if isinstance(tool, str):
            yield f"{name}: {tool}"
            continue
        silent = {}
        for model in MODELS:
            right = Bug(model, "nothing", "", ())
            silent[model] = other_tools.told(tool, *models_of(right, 0)) == "passed"
        asked = [(bug, seed) for bug, seed in trials if silent[bug.model]]
        # A tool that raises is noticed by its user, whatever the reason.
        caught = sum(other_tools.told(tool, *models_of(bug, seed)) != "passed" for bug, seed in asked)
        unfit = [model for model, fits in silent.items() if not fits]
        more = f"; cannot be used, or fires without a bug: {', '.join(unfit)}" if unfit else ""
        yield f"{name}: {caught} of {len(asked)} caught{more}"


def check(count: int | None, seed: int, others: bool = False) -> int:
    """Try bugs, print those that are not located or not named, and the rates; return 0 if they are reached, else 1.

    With `others`, print also how other tools fare on the same bugs.
    """
    trials, start, found = chosen(count, seed), time.perf_counter(), []
    for bug, number in tqdm(trials, unit="bug", leave=False, disable=None):
        one = tried(bug, number)
        found.append(one)
        if not (one.located and one.named) or one.misnamed:
            marks = ", ".join(
                word for word, yes in (("located", one.located), ("named", one.named), ("WRONG", one.misnamed)) if yes
            )
            place = "nothing" if one.layer is None else one.layer or "the model"
            said = f"{bug.model} {bug.layer or 'output'}: {bug.name}: {marks or 'missed'}"
            print(f"{said}; blamed {place}, cause: {one.cause}", flush=True)
    caught, located, named = (np.mean([value(one) for one in found]) for value in _MARKS)
    wrong = sum(one.misnamed for one in found)
    models = len({one.bug.model for one in found})
    print(
        f"{len(found)} bugs in {models} models, seed {seed}: caught {caught:.1%}, located {located:.1%}, named "
        f"{named:.1%}, named wrongly {wrong}; {time.perf_counter() - start:.0f} s"
    )
    for line in by_others(trials) if others else ():
        print(line, flush=True)
    if caught < 1 or located < LOCATED or named < NAMED or wrong:
        return command.failed(
            "check_faults", "the rates are not reached: 100 % caught, 95 % located, 70 % named, none wrong", 1
        )
    return 0


_MARKS = (lambda one: one.layer is not None, lambda one: one.located, lambda one: one.named)
