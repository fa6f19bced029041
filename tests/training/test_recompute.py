"""recompute=true: the same gradients and states, with less memory, and nothing else computed twice."""

import dataclasses
from collections import Counter
from contextlib import ExitStack, nullcontext
from unittest.mock import patch

import numpy as np
import paddle
import pytest

from align.checks.training import SMALL, lockstep
from align.compare.autocast import autocasting_on_cpu
from align.compare.paddle_side import PaddleSide
from paddle_ugatit.layers import recompute
from paddle_ugatit.layers.sequential import Sequential
from paddle_ugatit.layers.spectral_norm import SpectralNorm
from paddle_ugatit.models.ugatit import ResnetAdaILNBlock, ResnetBlock, ResnetGenerator
from paddle_ugatit.training import plan
from paddle_ugatit.training.ugatit import Config, Trainer
from tests.gpu_emulation import device_branch

BRANCHES = {"cpu": nullcontext, "gpu": device_branch}
RECOMPUTING = dataclasses.replace(SMALL, recompute=True)


@pytest.mark.parametrize("light", [True, False])
def test_lockstep(light):
    entries = list(lockstep(dataclasses.replace(RECOMPUTING, light=light), 3))
    assert [entry["verdict"] for entry in entries] == ["aligned"] * 3
    assert max(row["error"] for entry in entries for row in entry["rows"]) < 1e-11


def states(recomputing, **options):
    """Every number after two steps, and how often power iterations were made and blocks were computed."""
    config = dataclasses.replace(SMALL, recompute=recomputing, **options)
    side, rng, calls = PaddleSide("float64"), np.random.default_rng(0), Counter()
    trainer = side.build(lambda _: Trainer(config), 0)

    def counted(kind, name):
        method = getattr(kind, name)

        def call(self, *args):
            calls[kind.__name__] += 1
            return method(self, *args)

        return patch.object(kind, name, call)

    with counted(SpectralNorm, "advance"), counted(Sequential, "_applied"), counted(ResnetAdaILNBlock, "_branch"):
        for _ in range(2):
            shape = config.batch_size, 3, config.img_size, config.img_size
            trainer.step(*[side.tensor(rng.uniform(-1, 1, shape)) for _ in "ab"])
    found = {f"{name}.{key}": value for name, net in trainer.networks.items() for key, value in side.state(net).items()}
    return found, calls


@pytest.mark.parametrize("options", [{}, {"batch_size": 2, "accumulate": 2}], ids=str)
def test_the_same_numbers_and_power_iterations(options):
    """Only the order in which the gradients of the decoder's first input are added is another."""
    (wanted, once), (found, twice) = states(False, **options), states(True, **options)
    for name, value in wanted.items():
        assert np.abs(found[name] - value).max() < 1e-12 * max(1, np.abs(value).max()), name
    assert twice["SpectralNorm"] == once["SpectralNorm"] > 0
    # In parts, those of the translations that the discriminators look at have no backward pass.
    passes, without = (8, 4) if options else (4, 0)  # of the generators in a step
    for kind in ("Sequential", "ResnetAdaILNBlock"):
        assert twice[kind] / once[kind] == (2 * passes + without) / (passes + without)


def through(make, recomputing, amp, branch):
    """The output and all gradients of a block for random inputs; in mixed precision unless `amp` is "off"."""
    side = PaddleSide("float32")
    block = side.build(lambda _: make(), 0)
    for layer in block.sublayers(include_self=True):
        if isinstance(layer, Sequential | ResnetAdaILNBlock):
            layer.recompute = recomputing
    rng = np.random.default_rng(0)
    shapes = [(2, 4, 8, 8)] + [(2, 4)] * 2 * isinstance(block, ResnetAdaILNBlock)
    inputs = [side.tensor(rng.standard_normal(shape), grad=True) for shape in shapes]
    with ExitStack() as stack:
        stack.enter_context(BRANCHES[branch]())
        if amp != "off":
            stack.enter_context(autocasting_on_cpu())
        with paddle.amp.auto_cast(dtype=amp) if amp != "off" else nullcontext():
            out = block(*inputs)
        (out.astype("float32") * side.tensor(rng.standard_normal(out.shape))).sum().backward()
    tensors = [out, *[x.grad for x in inputs], *[parameter.grad for parameter in block.parameters()]]
    return [(str(x.dtype), x.astype("float32").numpy()) for x in tensors]


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("amp", ["off", "bfloat16", "float16"])
@pytest.mark.parametrize("make", [lambda: ResnetBlock(4), lambda: ResnetAdaILNBlock(4)], ids=["encoder", "decoder"])
def test_a_block_has_the_same_bits(make, amp, branch):
    wanted, found = through(make, False, amp, branch), through(make, True, amp, branch)
    assert all(a[0] == b[0] and (a[1] == b[1]).all() for a, b in zip(wanted, found, strict=True))


def test_another_precision_in_the_backward_pass_would_be_seen():
    wanted = through(lambda: ResnetBlock(4), False, "bfloat16", "gpu")
    with patch.object(recompute, "precision_of_now", lambda: lambda: paddle.amp.auto_cast(enable=False)):
        try:
            found = through(lambda: ResnetBlock(4), True, "bfloat16", "gpu")
        except (TypeError, ValueError, OSError):
            return  # dtypes that do not fit one another
    assert any((a[1] != b[1]).any() for a, b in zip(wanted, found, strict=True))


def test_a_step_holds_less():
    config = Config(light=True, ch=8, img_size=64, global_layers=5)
    assert plan.measure(config.replaced(recompute=True)) < 0.65 * plan.measure(config)


def test_nothing_is_kept_where_no_gradient_is_needed():
    network = ResnetGenerator(3, 3, 2, 1, 16, light=True)
    network.recompute_blocks()
    with patch.object(recompute._Recomputed, "apply", side_effect=AssertionError), paddle.no_grad():
        network(paddle.zeros([1, 3, 16, 16]))
    with pytest.raises(AssertionError), patch.object(recompute._Recomputed, "apply", side_effect=AssertionError):
        network(paddle.zeros([1, 3, 16, 16]))


def test_a_run_may_be_resumed_with_the_other_value():
    assert not SMALL.differences(RECOMPUTING)
    assert SMALL.harmless_differences(RECOMPUTING) == {"recompute": (False, True)}
