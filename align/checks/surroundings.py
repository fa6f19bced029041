"""What surrounds a run, against plain statements: options, initial weights, other processes, mixed precision."""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock, patch

import numpy as np
import paddle
import paddle.distributed
from paddle import nn
from paddle.distributed.fleet.utils import hybrid_parallel_util

from align.cases import TRAINING
from align.checks.endings import ending_rows
from align.checks.parts import augmentation_rows, loss_rows, vector_rows, way_rows
from align.compare import surroundings as plain
from align.compare.paddle_side import PaddleSide
from align.compare.training import first_difference, one_step
from align.compare.values import same, told
from align.compare.verdict import Row
from align.report.document import entry
from paddle_ugatit.backend.compat import default_dtype
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data.faces.folder import make_dataset
from paddle_ugatit.systems import trained
from paddle_ugatit.training import adain, distributed, frozen, options, precision, start
from paddle_ugatit.training.options import RunOptions


def surrounding_entry(name: str) -> dict:
    """Return the entry of one part."""
    begun, (file, rows_of) = time.perf_counter(), PARTS[name]
    with default_dtype("float64"):
        rows = rows_of()
    sources = f"paddle_ugatit/{file}.py", "align/compare/surroundings.py"
    blamed = first_difference(rows, 0)
    return entry(name, f"Training: {name}", name, sources, {}, rows, blamed, time.perf_counter() - begun)


def _options() -> list[Row]:
    """Files and assignments, whole configurations, and what may change when a run is resumed."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "options.yaml")
        for name, (text, assignments, wanted) in plain.OPTIONS.items():
            path.write_text(text, encoding="utf-8")
            rows.append(same(name, options.read_options(path, assignments), wanted))
        for name, text in plain.BAD.items():
            path.write_text(text, encoding="utf-8")
            rows.append(_refused(name, lambda: options.read_options(path)))  # noqa: B023  called at once
        for system in trained():
            path.write_text("" if system == "ugatit" else f"system: {system}", encoding="utf-8")
            path.write_text(path.read_text(encoding="utf-8") + "\nworkers: 3.0\nstrict: 1\n", encoding="utf-8")
            found = start.configuration(path, ["keep=4"])
            wanted = type(TRAINING[system].small)(workers=3, strict=True, keep=4)
            rows.append(same(f"configuration of {system}", (type(found), found), (type(wanted), wanted)))
    return rows + _differences()


def _differences() -> list[Row]:
    """What affects an update and what does not."""
    one = TRAINING["ugatit"].small
    other = one.replaced(ch=one.ch + 1, lr=0.5, keep=9, workers=7, strict=True, eval_every=3, save_freq=2)
    wanted = {"ch": (one.ch, one.ch + 1), "lr": (one.lr, 0.5)}
    free = {"workers": (2, 7), "strict": (False, True), "save_freq": (5000, 2), "keep": (2, 9), "eval_every": (0, 3)}
    rows = [same("differences", one.differences(other), wanted), same("no difference", one.differences(one), {})]
    rows.append(same("harmless differences", one.harmless_differences(other), free))
    names = ["workers", "cache", "log_freq", "print_freq", "save_freq", "keep", "keep_every", "eval_every"]
    names += ["eval_features", "eval_weights", "strict"]
    rows.append(same("options that are free", sorted(type(one).FREE), sorted([*names, "recompute"])))
    defaults = {field.name: field.default for field in fields(RunOptions) if field.name in plain.DEFAULTS}
    rows.append(same("defaults of a run", defaults, plain.DEFAULTS))
    style = type(TRAINING["stylegan2"].small).FREE
    return [*rows, same("those of StyleGAN2", sorted(style), sorted([*names, "truncation"]))]


def _refused(name: str, call: Callable[[], object]) -> Row:
    try:
        call()
    except InputError:
        return told(f"{name} is refused", "")
    return told(f"{name} is refused", "it is taken")


def _weights() -> list[Row]:
    """Initial weights: the same for the same seed, of the dtype that is asked for, AdaIN's by their formulas."""
    rows, own = [], paddle.get_default_dtype()
    for system, case in TRAINING.items():
        made = []
        for seed, dtype in ((1, "float64"), (1, "float64"), (2, "float64"), (1, "float32")):
            paddle.rand([3])  # what was drawn before must not matter
            trainer = start.system_of(case.small.replaced(seed=seed), dtype)
            made.append([p.numpy() for net in trainer.networks.values() for p in net.parameters()])
        paddle.set_default_dtype(own)
        kinds = [arrays[0].dtype.name for arrays in made]
        rows.append(same(f"{system}: dtypes", kinds, ["float64"] * 3 + ["float32"]))
        equal = [all(np.array_equal(a, b) for a, b in zip(made[0], arrays, strict=True)) for arrays in made[1:3]]
        rows.append(same(f"{system}: seeds", equal, [True, False]))
    usual = start.system_of(TRAINING["adain"].small).networks["decoder"].parameters()[0].dtype
    paddle.set_default_dtype(own)
    rows.append(same("the usual dtype", usual, paddle.float32))
    return [*rows, *_notes()]


def _filters() -> list[Row]:
    """AdaIN's encoder and decoder by their formulas."""
    rows = []
    for seed, ch in ((0, 3), (5, 4)):
        config = TRAINING["adain"].small.replaced(seed=seed, ch=ch, he=True)
        nets = adain.Trainer(config).networks
        for name, filters in (("encoder", plain.random_filters), ("decoder", plain.he_filters)):
            layers = [layer for layer in nets[name].children() if isinstance(layer, nn.Conv2D)]
            for place, (layer, (weight, bias)) in enumerate(
                zip(layers, filters([tuple(x.weight.shape) for x in layers], seed), strict=True)
            ):
                rows.append(_close(f"{name}, convolution {place}", layer.weight.numpy(), weight))
                rows.append(same(f"{name}, bias {place}", layer.bias.numpy(), np.full(len(weight), bias)))
    return rows


def _close(stage: str, found: np.ndarray, wanted: np.ndarray) -> Row:
    error = np.abs(found - wanted).max() if found.shape == wanted.shape else np.inf
    return told(stage, "" if error < 1e-14 else f"differs by {error:.1e}")


def _notes() -> list[Row]:
    """Only AdaIN says something of its initial weights; its encoder is not trained."""
    made = {system: case.trainers[1](case.small) for system, case in TRAINING.items()}
    rows = [
        same(
            "lines on initial weights", {s: len(t.notes) for s, t in made.items()}, {s: int(s == "adain") for s in made}
        )
    ]
    rows.append(same("other state", {s: t.scalars for s, t in made.items()}, {s: {} for s in made}))
    still = [parameter.stop_gradient for parameter in made["adain"].networks["encoder"].parameters()]
    return [*rows, same("the encoder is frozen", set(still), {True})]


def _evaluations() -> list[Row]:
    """What measures the KID of a run: none unless asked for, by what features, on which images."""
    config, rows = TRAINING["ugatit"].small.replaced(eval_every=1), []
    with tempfile.TemporaryDirectory() as folder:
        make_dataset(folder, train=1, test=2, size=32, seed=0)
        missing = str(Path(folder, "weights.pth"))
        rows.append(same("never", start.evaluation_of(config.replaced(eval_every=0), folder, list), None))
        for kind, wanted in (("auto", "faces"), ("pixels", "pixels")):
            found = start.evaluation_of(config.replaced(eval_features=kind), folder, list)
            rows.append(same(f"features: {kind}", found.extractor.kind, wanted))
            shapes = {domain: images.shape for domain, images in found.tests.items()}
            size = (2, 3, config.img_size, config.img_size)
            rows.append(same(f"images: {kind}", shapes, {"A": size, "B": size}))
        with patch.object(start, "FeatureExtractor") as made, patch.object(start, "default_kind") as chosen:
            start.evaluation_of(config.replaced(eval_weights=missing), folder, list)
        rows.append(same("features are chosen by", chosen.call_args.args, (folder, missing)))
        rows.append(same("features are made from", made.call_args.args, (chosen.return_value, missing)))
        given = config.replaced(eval_weights=missing)  # Inception's, as weights of others are named
        rows.append(_refused("weights that are not there", lambda: start.evaluation_of(given, folder, list)))
    return rows


def _processes() -> list[Row]:
    """Two processes, of which the other one is simulated: its values are 10 more than ours."""
    world = SimpleNamespace(joined=0, sent=[], reduced=[])
    net = nn.Linear(2, 3)

    def all_reduce(tensor):
        tensor.set_value(2 * tensor + 10)

    fakes = {
        "is_initialized": lambda: True,
        "get_world_size": lambda: 2,
        "get_rank": lambda: 1,
        "init_parallel_env": lambda: setattr(world, "joined", world.joined + 1),
        "all_reduce": all_reduce,
        "broadcast": lambda tensor, source: world.sent.append((tensor.shape, source)),
    }
    fused = patch.object(hybrid_parallel_util, "fused_allreduce_gradients", lambda *given: world.reduced.append(given))
    rows = [same("alone", (distributed.world_size(), distributed.mean([1, 2]).tolist()), (1, [1.0, 2.0]))]
    rows.append(same("any, alone", (distributed.any_process(True), distributed.any_process(False)), (True, False)))
    with patch.dict(os.environ):
        os.environ.pop("PADDLE_TRAINERS_NUM", None)
        rows.append(same("start alone", distributed.start(), (0, 1)))
    distributed.average_gradients(net.parameters())
    distributed.share_networks({"net": net})
    with contextlib.ExitStack() as stack:
        for name, fake in fakes.items():
            stack.enter_context(patch.object(paddle.distributed, name, fake))
        stack.enter_context(fused)
        rows.append(same("nothing is sent alone", (world.sent, world.reduced), ([], [])))
        for count, wanted in (("1", (0, 1)), ("2", (1, 2)), ("3", (1, 2))):
            with patch.dict(os.environ, PADDLE_TRAINERS_NUM=count):
                rows.append(same(f"start of {count}", distributed.start(), wanted))
        rows.append(same("joined", world.joined, 2))
        rows.append(same("two", distributed.world_size(), 2))
        rows.append(same("mean", distributed.mean([1, 3]), np.array([6.0, 8.0])))
        rows.append(same("any of both", (distributed.any_process(False), distributed.any_process(True)), (True, True)))
        distributed.average_gradients(iter(net.parameters()))
        turned = paddle.ones([2, 3])
        turned.stop_gradient = False
        (turned.t() * paddle.to_tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])).sum().backward()
        distributed.average_gradients([turned])
        rows.append(same("a gradient with strides", turned.grad.is_contiguous(), True))
        rows.append(same("its values", turned.grad.numpy(), np.array([[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]])))
        distributed.share_networks({"net": net})
    rows.append(same("averaged gradients", [len(given[0]) for given in world.reduced], [2, 1]))
    return [*rows, same("shared", world.sent, [([2, 3], 0), ([3], 0)])]


def _precision() -> list[Row]:
    """Mixed precision, with Paddle's own tools replaced, since a CPU has none: which are called, and in which order."""
    calls, optimizer = MagicMock(), MagicMock()
    rows, x = [], paddle.to_tensor([3.0], stop_gradient=False)
    with patch.object(paddle.amp, "GradScaler", calls.made), patch.object(paddle.amp, "auto_cast", calls.cast):
        calls.made.return_value.scale = lambda loss: loss * 4
        calls.made.return_value.is_enable = lambda: False  # so that nothing of its own is looked at
        for amp in ("off", "bfloat16", "float16"):
            calls.reset_mock()
            optimizer.reset_mock()
            x.clear_grad()
            tool = precision.Precision(amp)
            with tool.forward():
                y = x * x
            tool.backward(y.sum(), [x], [paddle.to_tensor([5.0])])
            tool.step(optimizer)
            scaled = amp == "float16"
            rows.append(same(f"{amp}: gradient", x.grad.item(), (24.0 if scaled else 6.0) + 5.0))
            rows.append(
                same(
                    f"{amp}: cast",
                    [call.kwargs for call in calls.cast.call_args_list],
                    [] if amp == "off" else [{"dtype": amp}],
                )
            )
            made = [call.kwargs for call in calls.made.call_args_list]
            rows.append(same(f"{amp}: scale", made, [{"init_loss_scaling": 32768.0}] if scaled else []))
            rows.append(same(f"{amp}: plain steps", optimizer.step.call_count, int(not scaled)))
            done = [name for name, *_ in calls.made.return_value.method_calls]
            rows.append(same(f"{amp}: scaled steps", done, ["step", "update"] if scaled else []))
    with frozen.frozen([x]):
        rows.append(same("frozen", x.stop_gradient, True))
    return [*rows, same("no longer frozen", x.stop_gradient, False)]


def _devices() -> list[Row]:
    """The device, and what only a GPU may do."""
    config = TRAINING["ugatit"].small
    rows = []
    start.choose_device("cpu", config.replaced(deterministic=True))
    rows.append(same("on a CPU", paddle.device.get_device(), "cpu"))
    rows.append(
        _refused("mixed precision on a CPU", lambda: start.choose_device("cpu", config.replaced(amp="bfloat16")))
    )
    gpu = {"choose": lambda name: "gpu:0", "on_gpu": lambda: True}
    with patch.multiple(start.device, **gpu), patch.object(paddle, "set_flags") as flags:
        start.choose_device(None, config.replaced(amp="float16"))
        rows.append(same("a GPU that need not repeat", flags.call_args_list, []))
        start.choose_device(None, config.replaced(deterministic=True))
        given = [dict(call.args[0]) for call in flags.call_args_list]
    return [*rows, same("a GPU that must repeat", given, [{"FLAGS_cudnn_deterministic": True}])]


# The calls of a step, by system and options: how often losses are computed in the context of mixed precision, and of
# which optimisers the gradients are averaged over processes: those of U-GAT-IT's discriminators for each domain. An
# `accumulate` doubles the former alone.
CALLS = {
    "ugatit": [({}, 5, ["dis", "dis", "gen"]), ({"batch_size": 2, "accumulate": 2}, 12, ["dis", "dis", "gen"])],
    "adain": [({"batch_size": 2}, 1, ["decoder"]), ({"batch_size": 2, "accumulate": 2}, 2, ["decoder"])],
    "sagan": [({}, 2, ["D", "G"]), ({"adv_loss": "wgan-gp"}, 2, ["D", "D", "G"])],
    "stylegan2": [({"batch_size": 2, "accumulate": 2}, 0, ["dis", "gen"])],
}


def _calls(system: str) -> list[Row]:
    """What a step calls for mixed precision and for other processes, which alone and in float32 changes nothing."""
    rows, case = [], TRAINING[system]
    module = sys.modules[case.trainers[1].__module__]
    holder = module if hasattr(module, "average_gradients") else distributed
    for given, forwards, kinds in CALLS[system]:
        trainer = case.trainers[1](case.small.replaced(**given))
        sizes = {kind: len(trainer.named_parameters(kind)) for kind in trainer.optimizers}
        averaged: list[int] = []
        note = lambda parameters, averaged=averaged: averaged.append(len(list(parameters)))  # noqa: E731
        cast = MagicMock(side_effect=contextlib.nullcontext)
        trainer.precision.forward = cast
        side = PaddleSide("float64")
        with patch.object(holder, "average_gradients", note):
            one_step(trainer, side, *next(iter(case.given(trainer.config, 0))))
        rows.append(same(f"{given}: losses in mixed precision", cast.call_count, forwards))
        rows.append(same(f"{given}: averaged gradients", averaged, [sizes[kind] for kind in kinds]))
    return rows


PARTS: dict[str, tuple[str, Callable[[], list[Row]]]] = {  # name -> the file that it is about, its rows
    "options": ("training/options", _options),
    "initial weights": ("training/start", _weights),
    "evaluations": ("training/start", _evaluations),
    "filters of AdaIN": ("training/adain", _filters),
    **{f"calls of a step, {system}": (f"training/{system}", partial(_calls, system)) for system in CALLS},
    "endings": ("training/loop", ending_rows),
    "two processes": ("training/distributed", _processes),
    "mixed precision": ("training/precision", _precision),
    "device": ("training/start", _devices),
    "vectors of spectral norms": ("layers/spectral_norm", vector_rows),
    "faster ways": ("layers/fast/dispatch", way_rows),
    "losses of large logits": ("losses/hinge", loss_rows),
    "augmentation": ("training/augment", augmentation_rows),
}
