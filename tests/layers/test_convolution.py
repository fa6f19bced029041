"""The faster ways to a convolution: the framework's result and gradients, in float64 to the last digits."""

from unittest.mock import patch

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from align.cases import Case
from align.checks.layers import check_case
from align.compare.reference import measure
from align.compare.torch_side import TorchSide
from paddle_ugatit.backend.compat import copied_transpose
from paddle_ugatit.layers.convolution import Conv2D, convolve
from paddle_ugatit.layers.fast import dispatch, winograd
from paddle_ugatit.layers.fast.gathered import gathered_conv
from paddle_ugatit.layers.fast.scattered import scattered_conv
from paddle_ugatit.layers.fast.unfolded import unfolded_conv


def normal(*shape, seed=0):
    return paddle.to_tensor(np.random.default_rng(seed).standard_normal(shape))


def results(function, x, weight, frozen=()):
    """Output and gradients as arrays, None for what takes none."""
    x, weight = x.clone().detach(), weight.clone().detach()
    x.stop_gradient, weight.stop_gradient = "x" in frozen, "weight" in frozen
    out = function(x, weight)
    if not out.stop_gradient:
        out.backward(normal(*out.shape, seed=2))
    return [out.numpy()] + [None if t.grad is None else t.grad.numpy() for t in (x, weight)]


def tiled_conv(x, weight):
    return winograd.winograd_conv(x, weight, 1)


def assert_close(found, wanted, tolerance=1e-13):
    for one, other in zip(found, wanted, strict=True):
        assert (one is None) == (other is None)
        if other is not None:
            assert one.shape == other.shape and one.dtype == other.dtype
            assert np.abs(one - other).max() <= tolerance * np.abs(other).max()


@pytest.mark.parametrize("dense", [0, 64], ids=["cut by unfolding", "cut by matrices"])
@pytest.mark.parametrize("frozen", [(), ("x",), ("weight",), ("x", "weight")], ids=str)
@pytest.mark.parametrize("shape", [(1, 5, 6, 6), (3, 130, 10, 18)], ids=str)  # one tile, and several runs of channels
def test_winograd(shape, frozen, dense, monkeypatch):
    monkeypatch.setattr(winograd, "DENSE", dense)
    x, weight = normal(*shape), normal(7, shape[1], 3, 3, seed=1)
    assert_close(results(tiled_conv, x, weight, frozen), results(F.conv2d, x, weight, frozen))


@pytest.mark.parametrize("frozen", [(), ("x",), ("weight",), ("x", "weight")], ids=str)
@pytest.mark.parametrize("size", [(6, 6), (4, 5), (9, 12), (11, 13)], ids=str)  # of a tile, less, more, and a part more
def test_winograd_of_four_taps(size, frozen):
    x, weight = normal(2, 130, *size), normal(7, 130, 4, 4, seed=1)
    assert_close(results(tiled_conv, x, weight, frozen), results(F.conv2d, x, weight, frozen))


@pytest.mark.parametrize("dense", [0, 64], ids=["cut by unfolding", "cut by matrices"])
@pytest.mark.parametrize("kept", [0, 1 << 20])
@pytest.mark.parametrize("frozen", [(), ("x",), ("weight",)], ids=str)
@pytest.mark.parametrize("border", winograd.BORDERS)
@pytest.mark.parametrize("shape", [(1, 5, 4, 4), (3, 130, 8, 16)], ids=str)
def test_winograd_with_a_border(shape, border, frozen, kept, dense, monkeypatch):
    monkeypatch.setattr(winograd, "KEPT", kept)
    monkeypatch.setattr(winograd, "DENSE", dense)
    x, weight = normal(*shape), normal(7, shape[1], 3, 3, seed=1)
    wanted = results(lambda x, weight: F.conv2d(F.pad(x, [1] * 4, border), weight), x, weight, frozen)
    assert_close(results(lambda x, w: winograd.bordered_winograd_conv(x, w, border), x, weight, frozen), wanted)


@pytest.mark.parametrize("kernel", [3, 4])
def test_winograd_transforms_multiply_polynomials(kernel):
    """Lavin and Gray's identity in one dimension: A^T [(G w) * (B^T x)] is the correlation."""
    b, g, a = winograd.transforms(kernel)
    x, weight = np.arange(6.0) ** 2, np.array([2.0, -1, 3, 5])[:kernel]
    np.testing.assert_allclose(a @ ((g @ weight) * (b @ x)), np.correlate(x, weight, "valid"), rtol=1e-14)


@pytest.mark.parametrize("frozen", [(), ("x",), ("weight",)], ids=str)
def test_scattered(frozen):
    x, weight = normal(2, 8, 11, 9), normal(3, 8, 7, 7, seed=1)
    assert_close(results(scattered_conv, x, weight, frozen), results(F.conv2d, x, weight, frozen))


@pytest.mark.parametrize("frozen", [(), ("x",), ("weight",)], ids=str)
@pytest.mark.parametrize(("kernel", "stride"), [(4, 1), (4, 2), (3, 3)])
@pytest.mark.parametrize("batch", [1, 2])
def test_gathered(batch, kernel, stride, frozen):
    x, weight = normal(batch, 5, 11, 9), normal(3, 5, kernel, kernel, seed=1)
    wanted = results(lambda x, weight: F.conv2d(x, weight, stride=stride), x, weight, frozen)
    assert_close(results(lambda x, weight: gathered_conv(x, weight, stride), x, weight, frozen), wanted)


@pytest.mark.parametrize("frozen", [(), ("x",), ("weight",)], ids=str)
@pytest.mark.parametrize(("kernel", "stride"), [(4, 1), (4, 2), (1, 1)])
def test_unfolded(kernel, stride, frozen):
    x, weight = normal(2, 5, 8, 6), normal(3, 5, kernel, kernel, seed=1)
    wanted = results(lambda x, weight: F.conv2d(x, weight, stride=stride), x, weight, frozen)
    assert_close(results(lambda x, weight: unfolded_conv(x, weight, stride), x, weight, frozen), wanted)


@pytest.mark.cpu_path
@pytest.mark.parametrize(
    ("shape", "weight_shape", "stride", "way"),
    [
        ((1, 64, 34, 34), (64, 64, 3, 3), 1, "winograd"),
        ((4, 32, 34, 34), (16, 32, 3, 3), 1, "winograd"),
        ((1, 64, 34, 32), (64, 64, 3, 3), 1, None),  # 4 does not divide the output
        ((1, 256, 18, 18), (256, 256, 3, 3), 1, None),  # the weight is too large for so few pixels
        ((1, 128, 34, 34), (64, 128, 3, 3), 2, None),
        ((1, 256, 18, 18), (512, 256, 4, 4), 1, "winograd"),
        ((1, 64, 64, 8), (64, 64, 4, 4), 1, "winograd"),
        ((1, 64, 65, 8), (64, 64, 4, 4), 1, None),  # too large to be cut by matrices
        ((1, 63, 64, 8), (64, 63, 4, 4), 1, None),
        ((1, 64, 34, 34), (64, 64, 4, 4), 2, None),
        ((1, 512, 18, 18), (1024, 512, 4, 4), 1, None),  # the weight is too large for so few pixels
        ((1, 128, 10, 14), (64, 128, 3, 3), 2, "unfolded"),
        ((2, 128, 10, 10), (64, 128, 3, 3), 2, "unfolded"),
        ((1, 64, 18, 14), (64, 64, 3, 3), 1, None),
        ((1, 128, 10, 14), (64, 128, 1, 1), 1, None),
        ((1, 128, 10, 12), (64, 128, 1, 1), 1, "unfolded"),
        ((1, 16, 10, 14), (3, 16, 7, 7), 1, "scattered"),
        ((1, 3, 10, 14), (3, 3, 7, 7), 1, None),
    ],
)
def test_the_way_taken(shape, weight_shape, stride, way):
    x, weight = normal(*shape), normal(*weight_shape, seed=1)
    with (
        patch.object(winograd, "winograd_conv", wraps=winograd.winograd_conv) as by_winograd,
        patch.object(dispatch, "scattered_conv", wraps=dispatch.scattered_conv) as by_scattering,
        patch.object(dispatch, "unfolded_conv", wraps=dispatch.unfolded_conv) as by_unfolding,
    ):
        out = convolve(x, weight, stride)
    called = {"winograd": by_winograd.called, "scattered": by_scattering.called, "unfolded": by_unfolding.called}
    assert [name for name in called if called[name]] == ([way] if way else [])
    assert_close([out.numpy()], [F.conv2d(x, weight, stride=stride).numpy()])


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda L: L.Conv2D(256, 256, 3, bias=False), (1, 256, 34, 34)),
        (lambda L: L.Conv2D(128, 64, 3, bias=False), (2, 128, 34, 34)),
        (lambda L: L.Conv2D(64, 64, 3, bias=False), (1, 64, 34, 34)),
        (lambda L: L.Chain(L.Upsample(), L.ReflectionPad2D(1), L.Conv2D(16, 16, 3, bias=False)), (1, 16, 32, 32)),
        (lambda L: L.Conv2D(256, 512, 4, bias=False), (2, 256, 18, 18)),
        (lambda L: L.Conv2D(64, 3, 7, bias=False), (1, 64, 38, 38)),
        (lambda L: L.Conv2D(256, 512, 4), (2, 256, 6, 6)),
    ],
    ids=[
        "winograd",
        "winograd, fewer channels",
        "winograd, 64 channels",
        "winograd, 16 channels",
        "winograd, 4x4 taps",
        "scattered",
        "unfolded",
    ],
)
def test_float32_keeps_to_the_floor(build, shape):
    """Of the harness, at real widths: as accurate as a sum of that many terms in any other order."""
    case = Case("conv", build, [shape], "W * x", "layers/convolution.py", "Conv2D")
    reference = measure(case, TorchSide)
    for check in ("forward", "backward"):
        entry = check_case(case, reference, check)
        assert entry["verdict"] == "aligned", entry["blamed"]


@pytest.mark.cpu_path
def test_the_layer_takes_it():
    layer = Conv2D(64, 64, 3)
    with patch.object(winograd, "winograd_conv", wraps=winograd.winograd_conv) as by_winograd:
        layer(paddle.rand([1, 64, 34, 34]))
    assert by_winograd.called


def test_copied_transpose():
    x = normal(2, 3, 4, 5)
    out = copied_transpose(x, [3, 1, 0, 2])
    assert out.is_contiguous() and paddle.get_flags("FLAGS_use_stride_kernel")["FLAGS_use_stride_kernel"]
    np.testing.assert_array_equal(out.numpy(), x.numpy().transpose(3, 1, 0, 2))
