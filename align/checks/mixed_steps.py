"""Steps of training in mixed precision, imitated on a CPU: losses, gradients, the scale, skipped steps, recomputation.

The truth of a step is PyTorch's in float64. Gradients pass through whole networks, in which a rounded value may end on
the other side of a ReLU's zero; what PyTorch's autocast errs, imitated in the same way, is the measure for them.
"""

import dataclasses
import io
import math
import tempfile
import time
from contextlib import contextmanager, nullcontext, redirect_stdout
from functools import lru_cache, partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import paddle
import torch

from align.cases import TRAINING
from align.cases.mixed import HALVES, SYSTEMS
from align.checks.endings import ending_run
from align.compare.autocast import autocasting_on_cpu
from align.compare.mixed_side import UNITS, MixedPaddleSide
from align.compare.paddle_side import PaddleSide
from align.compare.raised import NotComparable, on_side
from align.compare.torch_autocast import TorchAutocast
from align.compare.torch_side import TorchSide
from align.compare.training import first_difference, one_step, paddle_state, started, torch_state
from align.compare.values import same
from align.compare.verdict import FLOOR_FACTOR, Row
from align.report.document import entry
from paddle_ugatit.layers.fast.dispatch import plain
from paddle_ugatit.layers.recompute import recomputed
from paddle_ugatit.models.ugatit import ResnetAdaILNBlock, ResnetBlock, ResnetGenerator, upsampling
from paddle_ugatit.training import precision

LOSS = 8  # UNITS that a loss may err, a mean over many values; measured: 2.7 at most
# Of all gradients of a network together, relative to their norm; measured: 0.15 and 0.025 at most, 1 for a fault.
GRADIENTS = {"bfloat16": 0.3, "float16": 0.1}
SCALE = 4.0  # of the losses of these small networks; with the published one their first gradients overflow
OVERFLOWING = 2.0**60
UPDATES = {"ugatit": 2, "adain": 1, "sagan": 2}  # of optimisers in a step
PRODUCTS = ("conv2d", "matmul")  # in a step all of them are in half precision


def step_rows(system, half):
    """Return the rows of one step in mixed precision."""
    truth, floor = _truth(system), _floor(system, half)
    with _imitated(SCALE) as computed:
        trainer = _trainer(system, half)
        found = _numbers(paddle_state(trainer, one_step(trainer, PaddleSide("float32"), *_given(system))))
        scale = trainer.precision.state()
    dtypes = {dtype for (name, dtype), count in computed.items() if name in PRODUCTS and count}
    rows = [same("dtypes of products", dtypes, {half})]
    for place in truth:
        if place[1] == "loss":
            rows.append(_row(f"loss {place[2]}", _error(found, truth, [place]), LOSS * UNITS[half], half))
    for network in trainer.networks:
        places = [place for place in truth if place[0] == network]
        if any(truth[place].any() for place in places):
            limit = max(FLOOR_FACTOR * _error(floor, truth, places), GRADIENTS[half])
            rows.append(_row(f"gradients of {network}", _error(found, truth, places), limit, half))
    counts = {"amp scale": SCALE, "amp finite steps": float(UPDATES[system]), "amp overflows": 0.0}
    return [*rows, same("scale of the loss", scale, counts if half == "float16" else {})]


def overflow_rows(system):
    """Return the rows of a step in float16 whose gradients overflow: it is left out, and each lowers the scale."""
    with _imitated(OVERFLOWING):
        trainer = _trainer(system, "float16")
        before = _parameters(trainer)
        one_step(trainer, PaddleSide("float32"), *_given(system))
        changed = [name for name, array in _parameters(trainer).items() if (array != before[name]).any()]
        scale = trainer.precision.state()["amp scale"]
    scales = scale, OVERFLOWING / 2 ** UPDATES[system]
    return [same("updates after an overflow", changed, []), same("scale after an overflow", *scales)]


def scaler_rows():
    """Return the rows of the scale of the loss over steps, of which some overflow, and of its restoring."""
    rows, state = [], {"amp scale": 2.0**15, "amp finite steps": 0.0, "amp overflows": 0.0}
    with _quiet(), autocasting_on_cpu():
        tool, weight = precision.Precision("float16"), paddle.create_parameter([1], "float32")
        weight.set_value(paddle.ones([1]))
        descent, value = paddle.optimizer.SGD(0.5, parameters=[weight]), 1.0
        rows.append(same("at first", tool.state(), state))
        for step, gradient in enumerate((0.25, math.inf, math.inf, math.nan, 0.5)):
            weight.clear_gradient(False)
            with tool.forward():
                loss = (weight * gradient).sum()
            tool.backward(loss)
            tool.step(descent)
            if math.isfinite(gradient):
                value -= 0.5 * gradient
                state["amp finite steps"] += 1
            else:
                state |= {"amp scale": state["amp scale"] / 2, "amp finite steps": 0.0}
            rows.append(same(f"state after step {step}", tool.state(), state))
            rows.append(same(f"weight after step {step}", weight.item(), value))
        again = precision.Precision("float16")
        for name in state:
            again.restore({other: number for other, number in state.items() if other != name})
            rows.append(same(f"not restored without {name}", again.state()["amp scale"], 2.0**15))
        again.restore(state)
        rows.append(same("restored", again.state(), state))
        for amp in ("off", "bfloat16"):
            other = precision.Precision(amp)
            other.restore(state)
            rows.append(same(f"{amp} has no state", other.state(), {}))
    return rows


def resumed_rows():
    """Return the rows of a run in float16 that is resumed: it goes on with the scale of its loss."""
    case, rows = TRAINING["adain"], []
    config = dataclasses.replace(case.small, amp="float16", iteration=2, save_freq=1)
    with tempfile.TemporaryDirectory() as folder, _imitated(OVERFLOWING):
        runs = [ending_run(Path(folder), config) for _ in range(2)]
        runs[0].train()
        fresh = runs[1].system.precision.state()
        runs[1].resume()
        states = [run.system.precision.state() for run in runs]
    rows.append(same("scale of the loss", states[1], states[0]))
    return [*rows, same("which is not the first one", fresh["amp scale"] > states[0]["amp scale"], True)]


def recompute_rows():
    """Return the rows of recomputed blocks: the same bits in every precision, and how often each block is computed."""
    rows = []
    blocks = {"encoder": ResnetBlock, "decoder": ResnetAdaILNBlock}
    blocks["upsampling"] = lambda dim: upsampling(dim // 4, 3, "current")
    for name, make in blocks.items():
        for half in ("", *HALVES):
            found = [_through(make, half, recompute) for recompute in (False, True)]
            for place, wanted in found[0].items():
                rows.append(same(f"{name} in {half or 'float32'}: {place}", found[1][place], wanted))
    network = ResnetGenerator(3, 3, 2, 1, 16, light=True)
    network.recompute_blocks()
    found = sorted(key for key, layer in network.named_sublayers() if getattr(layer, "recompute", False))
    rows.append(same("blocks that are recomputed", found, ["DownBlock.12.conv_block", "UpBlock1_1", "UpBlock2"]))
    return rows + _computed()


def _through(make, half, recompute):
    """The output of a block and all gradients, as arrays by name."""
    side = MixedPaddleSide(half or "bfloat16")
    block = side.build(lambda _: make(4), 0)
    for layer in block.sublayers(include_self=True):
        if hasattr(layer, "recompute"):
            layer.recompute = recompute
    rng = np.random.default_rng(0)
    shapes = [(2, 4, 8, 8)] + [(2, 4)] * 2 * isinstance(block, ResnetAdaILNBlock)
    inputs = [side.tensor(rng.standard_normal(shape), grad=True) for shape in shapes]
    with side.in_use():
        out = side.call_model(block, inputs) if half else block(*inputs)
        gradient = side.tensor(rng.standard_normal(out.shape))
        (out.astype("float32") * gradient).sum().backward()
        found = {"output": out, **{f"gradient {i}": x.grad for i, x in enumerate(inputs)}}
        found |= {f"gradient of {key}": parameter.grad for key, parameter in block.named_parameters()}
        return {key: np.array(side.array(tensor)) for key, tensor in found.items()}


def _computed():
    """How often a function is computed: again in the backward pass only if one of its inputs needs a gradient."""
    rows = []
    for wanted in ((True, True), (True, False), (False, True), (False, False)):
        for recording in (True, False):
            calls, weight = [], paddle.to_tensor([3.0], stop_gradient=False)
            inputs = [paddle.to_tensor([2.0 + i], stop_gradient=not each) for i, each in enumerate(wanted)]

            def function(x, y, calls=calls, weight=weight):
                calls.append(None)
                return x * y * weight

            with nullcontext() if recording else paddle.no_grad():
                out = recomputed(function, *inputs)
            if recording:
                out.sum().backward()
            told = f"gradients wanted {wanted}, {'recorded' if recording else 'not recorded'}"
            rows.append(same(f"{told}: calls", len(calls), 2 if recording and any(wanted) else 1))
            grads = [None if x.grad is None else x.grad.item() for x in (*inputs, weight)]
            truth = [9.0 if wanted[0] else None, 6.0 if wanted[1] else None, 6.0] if recording else [None] * 3
            rows.append(same(f"{told}: gradients", grads, truth))
    return rows


def _parameters(trainer):
    nets = trainer.networks.items()
    return {f"{name}.{key}": p.numpy() for name, net in nets for key, p in net.named_parameters()}


@lru_cache
def _given(system):
    case = TRAINING[system]
    return next(iter(case.given(case.small, 0)))


@lru_cache
def _weights(system):
    """Name of a network -> its weights before the step, which depend on the dtype in which they are drawn."""
    case, both = TRAINING[system], (TorchSide("float32"), PaddleSide("float32"))
    trainer, _ = started(case.small, 0, case.trainers, both, case.moved)
    return {name: both[0].state(net) for name, net in trainer.networks.items()}


def _trainer(system, half):
    """Paddle's trainer, in mixed precision."""
    case, side = TRAINING[system], PaddleSide("float32")
    trainer = side.build(lambda _: case.trainers[1](dataclasses.replace(case.small, amp=half)), 0)
    for name, net in trainer.networks.items():
        side.load(net, _weights(system)[name])
    return trainer


def _torch_step(system, dtype, context):
    case, side = TRAINING[system], TorchSide(dtype)
    trainer, _ = started(case.small, 0, case.trainers, (side, PaddleSide(dtype)), case.moved)
    for name, net in trainer.networks.items():
        side.load(net, _weights(system)[name])
    with context:
        losses = one_step(trainer, side, *_given(system))
    return _numbers(torch_state(trainer, {name: loss.to(getattr(torch, dtype)) for name, loss in losses.items()}))


@lru_cache
def _truth(system):
    return _torch_step(system, "float64", nullcontext())


@lru_cache
def _floor(system, half):
    return _torch_step(system, "float32", TorchAutocast(getattr(torch, half)))


def _numbers(state):
    """The losses, and the gradients as Adam's first moments."""
    wanted = {place: array for place, array in state.items() if place[1] in ("loss", "moment1")}
    return {place: np.asarray(array, np.float64) for place, array in wanted.items()}


@contextmanager
def _imitated(scale):
    with patch.object(precision, "INITIAL_SCALE", scale), plain(), _quiet(), autocasting_on_cpu() as computed:
        yield computed


def _quiet():
    """A context in which Paddle does not print that it lowers a scale."""
    return redirect_stdout(io.StringIO())


def _error(found, truth, places):
    squares = sum(float(np.sum((found[place] - truth[place]) ** 2)) for place in places)
    return math.sqrt(squares / sum(float(np.sum(truth[place] ** 2)) for place in places))


def _row(stage, error, limit, half):
    finite = math.isfinite(error)
    verdict, note = "pass" if error <= limit else "fail", "" if finite else "NaN or infinite"
    shown = error if finite else None
    return Row(stage, "", 1, "output", "", "isolated", half, [], shown, None, limit, verdict, note)


PARTS = {  # name -> the file that it is about, its rows
    "the scale of the loss": ("training/precision.py", scaler_rows),
    "a resumed run": ("training/loop.py", resumed_rows),
    "recomputed blocks": ("layers/recompute.py", recompute_rows),
    **{
        f"step of {system} in {half}": (f"training/{system}.py", partial(step_rows, system, half))
        for system in SYSTEMS
        for half in HALVES
    },
    **{f"overflow of {system}": (f"training/{system}.py", partial(overflow_rows, system)) for system in SYSTEMS},
}


def part_entry(name):
    """Return the entry of one of PARTS."""
    start, (file, rows_of) = time.perf_counter(), PARTS[name]
    rows, blamed, note = [], None, ""
    try:
        with on_side("Paddle"):
            rows = rows_of()
            blamed = first_difference(rows, 0)
    except NotComparable as error:
        note = str(error)
    sources = f"paddle_ugatit/{file}", "align/checks/mixed_steps.py"
    found = entry(name, f"Mixed precision: {name}", name, sources, {}, rows, blamed, time.perf_counter() - start)
    return found | {"note": note}
