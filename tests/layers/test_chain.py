"""Layers that run as one: what they give one by one, and the harness sees where they do not."""

import dataclasses
from unittest.mock import patch

import numpy as np
import paddle
import pytest
import torch
from paddle import nn

from align.cases import Case
from align.cases.ugatit import generator_case
from align.checks.layers import check_case
from align.checks.training import SMALL, lockstep
from align.compare.reference import measure
from align.compare.torch_side import TorchSide
from paddle_ugatit.backend.compat import default_dtype
from paddle_ugatit.layers import sequential
from paddle_ugatit.layers.convolution import Conv2D
from paddle_ugatit.layers.fast import winograd
from paddle_ugatit.layers.reflection_pad import ReflectionPad2D
from paddle_ugatit.layers.sequential import Sequential
from paddle_ugatit.layers.spectral_norm import spectral_norm
from paddle_ugatit.layers.upsample import Upsample
from tests import tiles

pytestmark = pytest.mark.cpu_path

DOUBLE = ("float64",)  # so narrow that in float32 the tiles' rounding stands out
NARROW = generator_case("narrow", (2, 3, 16, 32), light=True, ngf=4, n_blocks=1, img_size=32)


def layers(*before, outputs=5, bias=False, **options):
    with default_dtype("float64"):
        return [*before, Conv2D(8, outputs, 3, bias=bias, **options)]


def results(run, given, shape=(2, 8, 8, 12)):
    """Output and gradients as arrays."""
    x = paddle.to_tensor(np.random.default_rng(0).standard_normal(shape), stop_gradient=False)
    out = run(x)
    out.backward(paddle.to_tensor(np.random.default_rng(1).standard_normal(out.shape)))
    found = [out.numpy(), x.grad.numpy(), *(each.grad.numpy() for layer in given for each in layer.parameters())]
    for layer in given:
        layer.clear_gradients()
    return found


@pytest.mark.parametrize("before", [[ReflectionPad2D(1)], [Upsample(), ReflectionPad2D(1)]], ids=["pad", "upsample"])
@pytest.mark.parametrize("bias", [False, True], ids=["plain", "bias"])
def test_as_one_is_one_by_one(before, bias):
    given = layers(*before, bias=bias)
    wanted = results(nn.Sequential(*given), given)
    with tiles.everywhere(), patch.object(sequential, "bordered_conv", wraps=sequential.bordered_conv) as as_one:
        found = results(Sequential(*given), given)
    as_one.assert_called_once()
    for one, other in zip(wanted, found, strict=True):
        assert one.shape == other.shape and np.abs(one - other).max() < 1e-14 * np.abs(one).max()


def forward_of_its_own(layer):
    layer.forward = layer.forward


WATCHES = {
    "before": lambda layer: layer.register_forward_pre_hook(lambda *_: None),
    "after": lambda layer: layer.register_forward_post_hook(lambda *_: None),
    "forward": forward_of_its_own,
}


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("watch", WATCHES)
def test_watched_layers_run_by_themselves(watch, place):
    given = layers(Upsample(), ReflectionPad2D(1))
    WATCHES[watch](given[place])
    with tiles.everywhere(), patch.object(sequential, "bordered_conv", wraps=sequential.bordered_conv) as as_one:
        results(Sequential(*given), given)
    # Of a watched enlargement, border and convolution are one still.
    assert [call.kwargs["twice"] for call in as_one.call_args_list] == [False] * (place == 0)


@pytest.mark.parametrize(
    "given",
    [
        layers(ReflectionPad2D(3)),
        layers(ReflectionPad2D(1), padding=1),
        layers(ReflectionPad2D(1), stride=2),
        layers(ReflectionPad2D(1), outputs=3),
        layers(ReflectionPad2D(1, 2)),
        [ReflectionPad2D(1), Conv2D(8, 5, 5, bias=False)],
        [ReflectionPad2D(1), spectral_norm(Conv2D(8, 5, 3, bias=False))],
        [Conv2D(8, 5, 3, bias=False)],
        [nn.ReLU(), Upsample()],
    ],
    ids=[
        "border of 3",
        "zeros",
        "stride",
        "few outputs",
        "uneven border",
        "5x5",
        "spectral norm",
        "alone",
        "other layers",
    ],
)
def test_others_run_one_by_one(given):
    x = paddle.rand([1, 8, 8, 12]).astype(given[-1].parameters()[0].dtype if given[-1].parameters() else "float32")
    for layer in given:
        layer.eval()
    with tiles.everywhere(), patch.object(sequential, "bordered_conv") as as_one:
        assert np.array_equal(Sequential(*given)(x).numpy(), nn.Sequential(*given)(x).numpy())
    as_one.assert_not_called()


@pytest.mark.parametrize("size", [(8, 10), (7, 8)])
def test_maps_that_no_tile_fits_run_one_by_one(size):
    with tiles.everywhere(), patch.object(sequential, "bordered_conv") as as_one:
        Sequential(*layers(ReflectionPad2D(1)))(paddle.rand([1, 8, *size], "float64"))
    as_one.assert_not_called()


def test_too_small_a_map_is_refused():
    with tiles.everywhere(), pytest.raises(ValueError, match="cannot reflect"):
        Sequential(*layers(ReflectionPad2D(1)))(paddle.rand([1, 8, 1, 4], "float64"))


_untiled = winograd._untiled


def without_border(tiles, b, shape, cut):
    """_untiled that drops what arrives at the border."""
    plain = cut._replace(border=None)
    if cut.border is None:
        return _untiled(tiles, b, shape, plain)
    larger = [*shape[:2], shape[2] + 2, shape[3] + 2]
    return _untiled(tiles, b, larger, plain)[:, :, 1:-1, 1:-1].contiguous()


FAULTS = {  # name -> (what is patched, where it shows)
    "border repeated instead of reflected": (patch.dict(winograd.BORDERS, reflect=1), "forward"),
    "border reflected instead of repeated": (patch.dict(winograd.BORDERS, replicate=2), "forward"),
    "border's gradient lost": (patch.object(winograd, "_untiled", without_border), "backward"),
    "border's gradient lost, large maps": (
        patch.multiple(winograd, DENSE=0, _take_borders=lambda *_: None),
        "backward",
    ),
    "border never filled, large maps": (patch.multiple(winograd, DENSE=0, _fill_borders=lambda *_: None), "forward"),
}


@pytest.fixture(scope="module")
def reference():
    return measure(NARROW, TorchSide)


@pytest.mark.parametrize("check", ["forward", "backward"])
def test_the_harness_compares_the_whole(reference, check):
    with tiles.everywhere():
        entry = check_case(NARROW, reference, check, DOUBLE)
    assert entry["verdict"] == "aligned"
    rows = [row for row in entry["rows"] if row["view"] == "whole"]
    parameters = sum(key.what == "grad_param" for key in reference.tensors)
    assert len(rows) == (3 if check == "forward" else 1 + parameters)
    assert 0 < max(row["error"] for row in rows) < 1e-12


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_whole_alone_is_found(reference, name):
    plant, check = FAULTS[name]
    with tiles.everywhere(), plant:
        entry = check_case(NARROW, reference, check, DOUBLE, causes=True)
    assert entry["verdict"] == "diverged" and entry["blamed"]["view"] == "whole"
    assert ", run as a whole" in entry["blamed"]["message"]


def test_a_model_that_does_not_repeat_itself_is_still_no_answer(reference):
    forward, times = Conv2D.forward, iter(range(1000))

    def drifting(self, x):
        return forward(self, x) * (1 + 1e-3 * next(times))

    with tiles.everywhere(), patch.object(Conv2D, "forward", drifting):
        entry = check_case(NARROW, reference, "forward", DOUBLE)
    assert entry["verdict"] == "not comparable" and "does not repeat itself" in entry["note"]


def test_lockstep():
    config = dataclasses.replace(SMALL, ch=4, light=True)
    with tiles.everywhere(), patch.object(sequential, "bordered_conv", wraps=sequential.bordered_conv) as as_one:
        entries = list(lockstep(config, 4))
        assert as_one.called
    assert [entry["verdict"] for entry in entries] == ["aligned"] * 4
    for plant, _ in FAULTS.values():
        with tiles.everywhere(), plant:
            *_, last = lockstep(config, 2)
        assert last["verdict"] == "diverged"


def test_alone_it_is_the_plain_case():
    """A pad and a convolution at real width: the rounding of float32 stays within the harness's floor."""
    case = Case("up", _block, [(1, 128, 16, 16)], "W * x", "layers/sequential.py", "Sequential")
    reference = measure(case, TorchSide)
    for check in ("forward", "backward"):
        entry = check_case(case, reference, check)
        assert entry["verdict"] == "aligned", entry["blamed"]


def _block(library):
    sequential = Sequential if library.Conv2D is Conv2D else torch.nn.Sequential
    return sequential(library.Upsample(), library.ReflectionPad2D(1), library.Conv2D(128, 64, 3, bias=False))
