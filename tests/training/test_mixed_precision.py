"""Mixed precision as a GPU computes it, imitated on the CPU (align/compare/autocast.py): networks, steps, faults.

The floor of an error is what PyTorch's autocast errs on the twin, imitated in the same way, both against float64.
"""

import dataclasses
import math
from contextlib import ExitStack, nullcontext
from functools import lru_cache
from unittest.mock import patch

import numpy as np
import paddle
import pytest
import torch

from align.cases import CASES, TRAINING
from align.compare.autocast import autocasting_on_cpu, nearest
from align.compare.paddle_side import PaddleSide
from align.compare.torch_autocast import TorchAutocast
from align.compare.torch_side import TorchSide
from align.compare.training import one_step, paddle_state, started, torch_state
from paddle_ugatit.data import transforms
from paddle_ugatit.data.faces import draw as faces
from paddle_ugatit.layers import channels
from paddle_ugatit.layers.fast import channels as fast_channels
from paddle_ugatit.layers.fast import dispatch
from paddle_ugatit.layers.spectral_norm import SpectralNorm
from paddle_ugatit.models.ugatit import Discriminator, ResnetGenerator
from paddle_ugatit.training import precision
from paddle_ugatit.training.precision import Precision
from paddle_ugatit.weights import load_networks
from paddle_ugatit.weights.pretrained import pretrained
from tests.gpu_emulation import device_branch
from tests.training.mixed_numbers import errors, numbers, ratio, sides, weights_of

DTYPES = ("bfloat16", "float16")
BRANCHES = {"cpu": nullcontext, "gpu": device_branch}
NETWORKS = [
    *("generator-light", "generator-full", "generator-light-initial", "generator-full-tensorflow"),
    *("generator-light-older", "discriminator-local-two", "discriminator-global", "discriminator-tensorflow"),
    *("encoder", "decoder-odd", "sagan-generator", "sagan-generator-eval", "sagan-discriminator"),
    *("stylegan2-generator", "stylegan2-discriminator", "generator-light-wide"),
]
# Both round in the same places but a few, at random: measured 0.06 to 1.7, the last for a network of few tensors.
FACTOR = 2.5
SYSTEMS = ("ugatit", "adain", "sagan")


@lru_cache
def reference(name, dtype):
    """The weights of a case, what it computes in float64, and the errors of PyTorch's mixed precision."""
    case, (double, single, _) = CASES[name], sides()
    state = weights_of(case)
    truth = numbers(double, case, state)
    found = numbers(single, case, state, lambda: TorchAutocast(getattr(torch, dtype)))
    return state, truth, errors(found, truth)


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_errs_no_more_than_pytorchs(name, dtype, branch):
    state, truth, floor = reference(name, dtype)
    with BRANCHES[branch](), autocasting_on_cpu() as computed:
        found = numbers(sides()[2], CASES[name], state, lambda: paddle.amp.auto_cast(dtype=dtype))
    ours = errors(found, truth)
    assert computed["conv2d", dtype] > 0
    assert max(ours.values()) > 1e-4, "nothing was computed in half precision"
    assert all(map(math.isfinite, ours.values()))
    assert ratio(ours, floor) < FACTOR


@lru_cache
def first_step(system, dtype, framework, amp="off", branch="cpu"):
    """The losses and the gradients, as Adam's first moments, of one step; from the same weights for all."""
    case, side = TRAINING[system], {"torch": TorchSide, "paddle": PaddleSide}[framework](dtype)
    both = (side, PaddleSide(dtype)) if framework == "torch" else (TorchSide(dtype), side)
    with ExitStack() as stack:
        stack.enter_context(BRANCHES[branch]())
        if amp != "off" and framework == "paddle":
            stack.enter_context(autocasting_on_cpu())
        # A larger one overflows at first, and the step is skipped.
        stack.enter_context(patch.object(precision, "INITIAL_SCALE", 4.0))
        trainers = started(dataclasses.replace(case.small, amp=amp), 0, case.trainers, both, case.moved)
        for name, net in trainers[0].networks.items():  # which depend on the dtype in which they are drawn
            both[0].load(net, initial_weights(system)[name])
            both[1].load(trainers[1].networks[name], initial_weights(system)[name])
        given = next(iter(case.given(case.small, 0)))
        if framework == "paddle":
            return _numbers(paddle_state(trainers[1], one_step(trainers[1], side, *given)))
        if amp != "off":
            stack.enter_context(TorchAutocast(getattr(torch, amp)))
        losses = one_step(trainers[0], side, *given)
    return _numbers(torch_state(trainers[0], {name: loss.to(getattr(torch, dtype)) for name, loss in losses.items()}))


@lru_cache
def initial_weights(system):
    """Name of a network -> its weights before the first step."""
    case, both = TRAINING[system], (TorchSide("float32"), PaddleSide("float32"))
    trainer, _ = started(case.small, 0, case.trainers, both, case.moved)
    return {name: both[0].state(net) for name, net in trainer.networks.items()}


def _numbers(state):
    return {place: np.float64(array) for place, array in state.items() if place[1] in ("loss", "moment1")}


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_step_errs_no_more_than_pytorchs(system, dtype, branch):
    truth = first_step(system, "float64", "torch")
    ours = errors(first_step(system, "float32", "paddle", dtype, branch), truth)
    theirs = errors(first_step(system, "float32", "torch", dtype), truth)
    assert all(map(math.isfinite, ours.values()))
    assert max(ours.values()) > 1e-3, "nothing was computed in half precision"
    assert ratio(ours, theirs) < FACTOR


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("gain", [1, 3, 10])
def test_no_activation_overflows_at_256_pixels(dtype, gain):
    def outputs(precision, network, autocast):
        side = PaddleSide(precision)
        model = side.build(lambda _: network(), 0)
        for key, parameter in model.named_parameters():
            if not key.endswith("rho"):
                parameter.set_value(parameter * gain)
        image = side.tensor(np.random.default_rng(0).uniform(-1, 1, (1, 3, 256, 256)).astype("float32"))
        with paddle.no_grad(), autocast():
            return [output.numpy().astype("float64") for output in model(image)]

    for network in (lambda: ResnetGenerator(3, 3, 4, 4, 256, light=True), lambda: Discriminator(3, 4, 7)):
        truth = outputs("float64", network, nullcontext)
        with device_branch(), autocasting_on_cpu():
            found = outputs("float32", network, lambda: paddle.amp.auto_cast(dtype=dtype))
        for ours, wanted in zip(found, truth, strict=True):
            error = np.linalg.norm(ours - wanted) / np.linalg.norm(wanted)
            assert error < 0.25  # measured: 0.1 at most, and 1.0 for one that overflows


def in_float16(network, image):
    """The largest value that each layer of a network returns in float16: name -> value."""
    largest = {}

    def look(name, output):
        for each in output if isinstance(output, tuple) else (output,):
            largest[name] = max(largest.get(name, 0.0), each.astype("float32").abs().max().item())

    hooks = [
        layer.register_forward_post_hook(lambda _layer, _inputs, output, name=name: look(name, output))
        for name, layer in network.named_sublayers()
    ]
    with paddle.no_grad(), device_branch(), autocasting_on_cpu(), paddle.amp.auto_cast(dtype="float16"):
        network(paddle.to_tensor(image))
    for hook in hooks:
        hook.remove()
    return largest


def test_what_training_reaches_is_far_from_overflowing():
    """The weights that ship are 2 to 3 times as large as fresh ones; measured at 256 pixels: 345 at most."""
    network = load_networks(pretrained("faces"), "float32", None, ("genB2A",))["genB2A"]
    fresh = ResnetGenerator(3, 3, 24, 2, 64, light=True)
    image = transforms.to_input(np.asarray(faces.draw("testB", 0, 256, 5)))[None]
    assert 10 < max(in_float16(network, image).values()) < 65504 / 64
    sizes = [
        (trained * trained).mean().item() / (first * first).mean().item()
        for (name, trained), first in zip(network.named_parameters(), fresh.parameters(), strict=True)
        if name.endswith("weight") and "gap_fc" not in name  # which computes in float32
    ]
    assert math.sqrt(float(np.median(sizes))) > 2 and math.sqrt(max(sizes)) < 4


def test_the_styles_do_not_overflow_before_the_maps_do():
    paddle.seed(0)
    network = ResnetGenerator(3, 3, 4, 4, 64, light=True)
    for name, parameter in network.named_parameters():
        if not name.endswith("rho"):
            parameter.set_value(parameter * 30)
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, 64, 64)).astype("float32")
    assert math.isfinite(in_float16(network, image)["gamma"])
    with patch.object(ResnetGenerator, "_styles", ResnetGenerator._styles.__wrapped__):
        assert not math.isfinite(in_float16(network, image)["gamma"])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("branch", BRANCHES)
def test_layers_return_what_they_were_given(branch, dtype):
    scale = paddle.to_tensor([[[[2.0]], [[3.0]]]], stop_gradient=False)
    with BRANCHES[branch](), autocasting_on_cpu():
        x = paddle.randn([2, 2, 5, 5]).astype(dtype)
        x.stop_gradient = False
        for function in (channels.channel_scale, channels.channel_shift):
            out = function(x, scale)
            out.sum().backward()
            assert out.dtype == x.dtype == x.grad.dtype and scale.grad.dtype == scale.dtype
        assert channels.spatial_sum(x).dtype == paddle.float32


# --- the faults of an earlier version, planted again --------------------------------------------------------


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_power_iteration_in_half_precision_fails(branch):
    with (
        patch.object(SpectralNorm, "advance", SpectralNorm.advance.__wrapped__),
        pytest.raises((ValueError, TypeError), match="assign a tensor of another kind|several dtypes"),
    ):
        first_step.__wrapped__("ugatit", "float32", "paddle", "float16", branch)


def test_a_gradient_in_another_dtype_fails():
    scale = paddle.to_tensor([[[[2.0]], [[3.0]]]], stop_gradient=False)
    with (
        autocasting_on_cpu(),
        patch.object(dispatch, "taken", lambda way, x: True),
        pytest.raises((ValueError, TypeError, OSError), match="type|gradient"),
    ):
        x = paddle.randn([2, 2, 5, 5]).astype("bfloat16")
        x.stop_gradient = False
        channels.channel_scale.__wrapped__(x, scale).sum().backward()


def test_a_sum_in_float16_overflows():
    x = paddle.ones([1, 1, 256, 256]).astype("float16")
    with autocasting_on_cpu(), paddle.amp.auto_cast(dtype="float16"):
        assert channels.spatial_sum(x).item() == 65536
        assert math.isinf(fast_channels.spatial_sum(x).item())


def test_a_raw_weight_in_float16_overflows():
    def logits(network):
        with device_branch(), autocasting_on_cpu(), paddle.no_grad(), paddle.amp.auto_cast(dtype="float16"):
            return network(paddle.ones([1, 3, 48, 48]))[0]

    paddle.seed(0)
    network = Discriminator(3, 4, 5)
    for key, parameter in network.named_parameters():
        if key.startswith("model.") and key.endswith("weight_orig"):  # the attended maps take the others raw
            parameter.set_value(parameter * 1e6)
    assert bool(paddle.isfinite(logits(network)).all())
    with patch("paddle_ugatit.layers.spectral_norm.autocasting", lambda: False):
        assert not bool(paddle.isfinite(logits(network)).all())


# --- the rest of a step -------------------------------------------------------------------------------------


def test_the_scale_of_the_loss_is_restored():
    with autocasting_on_cpu():
        first, parameter = Precision("float16"), paddle.create_parameter([1], "float32")
        optimizer = paddle.optimizer.SGD(0.0, parameters=[parameter])
        for gradient in (1.0, float("inf"), float("inf"), 1.0):
            parameter.clear_gradient(False)
            first.backward((parameter * gradient).sum())
            first.step(optimizer)
        second = Precision("float16")
        assert second.state() != first.state()
        assert first.state()["amp scale"] < 2.0**15
        second.restore(first.state())
        assert second.state() == first.state()
    assert Precision("bfloat16").state() == Precision("off").state() == {}


def test_rounding_is_to_nearest():
    values = np.array([1 + 2**-9, 1 + 3 * 2**-9, 1 + 2**-8, 3.4e38, -np.inf, np.nan, 1e-40], np.float32)
    wanted = torch.from_numpy(values).to(torch.bfloat16).to(torch.float32).numpy()
    np.testing.assert_array_equal(nearest(values, paddle.bfloat16), wanted)
    values = np.array([1 + 2**-11, 1 + 3 * 2**-11, 65520, 65519, 1e-8], np.float32)
    wanted = torch.from_numpy(values).to(torch.float16).to(torch.float32).numpy()
    np.testing.assert_array_equal(nearest(values, paddle.float16), wanted)
