"""The faster ways: each can be switched off, and every network gives the same numbers by its plain formulas."""

from contextlib import ExitStack
from unittest.mock import patch

import numpy as np
import paddle
import pytest

from paddle_ugatit import layers
from paddle_ugatit.backend.compat import default_dtype
from paddle_ugatit.layers import sequential
from paddle_ugatit.layers.batch_norm import BatchNorm2D
from paddle_ugatit.layers.fast import channels, dispatch, leaky_relu, reflection, statistics, unfolded, winograd
from paddle_ugatit.models.sagan import SAGANDiscriminator
from paddle_ugatit.models.ugatit import Discriminator, ResnetGenerator
from tests import tiles

pytestmark = pytest.mark.cpu_path

# Where each way does its work: (module, class or function) that must run with it, and must not without it.
WHERE = {
    "sums": [(channels._ChannelScale, "apply"), (channels._ChannelShift, "apply"), (channels, "spatial_sum")],
    "statistics": [(statistics._InstanceStats, "apply"), (statistics._BatchStats, "apply")],
    "folded": [(layers.norm.folded, "folded_scale_shift")],
    "reflection": [(reflection._ReflectionPad, "apply")],
    "leaky": [(leaky_relu._LeakyReLU, "apply")],
    "tiles": [(winograd._WinogradConv, "apply")],
    "scattered": [(dispatch, "scattered_conv")],
    "unfolded": [(unfolded._UnfoldedConv, "apply")],
    "gathered": [(dispatch, "gathered_conv")],
    "partial sums": [(dispatch, "partial_sums_conv")],
    "fused": [(sequential, "bordered_conv")],
}
LIGHT = {"ngf": 8, "n_blocks": 1, "img_size": 32, "light": True}


def networks():
    """Small networks in float64 whose layers take every way, and the shape of their input."""
    paddle.seed(0)
    with default_dtype("float64"):
        yield ResnetGenerator(3, 3, **LIGHT), (2, 3, 32, 32)
        yield ResnetGenerator(3, 3, **LIGHT, revision="initial"), (1, 3, 36, 40)
        yield Discriminator(3, 4, 5), (2, 3, 40, 36)
        yield SAGANDiscriminator(16, 8), (2, 3, 16, 16)
        yield BatchNorm2D(6), (2, 6, 5, 4)


def numbers(ways=None):
    """Outputs, gradients and state of all networks after a pass, with these ways switched off; None: with all on."""
    found = []
    with ExitStack() as stack:
        stack.enter_context(tiles.everywhere())
        for name, value in (("MANY", 4), ("SMALL_BATCH", 64), ("LARGE_MAP", 65)):
            stack.enter_context(patch.object(dispatch, name, value))
        if ways is not None:
            stack.enter_context(layers.plain(*ways))
        for number, (network, shape) in enumerate(networks()):
            x = paddle.to_tensor(np.random.default_rng(number).standard_normal(shape), stop_gradient=False)
            outputs = network(x)
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            paddle.add_n([(out * out).sum() for out in outputs]).backward()
            found += [*outputs, x.grad, *(p.grad for p in network.parameters() if p.grad is not None)]
            found += network.buffers()
    return [tensor.numpy() for tensor in found]


@pytest.fixture(scope="module")
def wanted():
    return numbers()


def assert_same(found, wanted):
    assert len(found) == len(wanted)
    # Against the largest value of all: what is analytically zero is rounding on both sides.
    for one, other in zip(found, wanted, strict=True):
        assert np.abs(one - other).max() < 1e-11 * max(np.abs(other).max(), 1)


@pytest.mark.parametrize("way", dispatch.WAYS)
def test_a_way_can_be_switched_off_and_changes_nothing(way, wanted):
    def called(ways):
        with ExitStack() as stack:
            spies = [
                stack.enter_context(patch.object(owner, name, wraps=getattr(owner, name))) for owner, name in WHERE[way]
            ]
            found = numbers(ways)
        return found, [spy.called for spy in spies]

    assert all(called(None)[1])
    found, taken = called([way])
    if way != "sums":  # its sum over a map serves other ways too
        assert not any(taken)
    assert_same(found, wanted)


def test_the_plain_formulas_give_the_same(wanted):
    spies = [(owner, name) for places in WHERE.values() for owner, name in places]
    with ExitStack() as stack:
        mocks = [stack.enter_context(patch.object(owner, name)) for owner, name in spies]
        found = numbers([])
        assert not any(mock.called for mock in mocks)
    assert_same(found, wanted)


def test_a_fault_in_a_way_is_seen_against_the_plain_formulas(wanted):
    with patch.object(layers.norm.folded, "layer_variance", lambda offset, var, pixels: var.mean(1, keepdim=True)):
        found = numbers()
    with pytest.raises(AssertionError):
        assert_same(found, wanted)


def test_switches_end_with_their_block_and_nest():
    x = paddle.zeros([1])
    with layers.plain("tiles"):
        with layers.plain("sums"):
            assert not dispatch.taken("tiles", x) and not dispatch.taken("sums", x)
        assert not dispatch.taken("tiles", x) and dispatch.taken("sums", x)
        with layers.plain():
            assert not any(dispatch.taken(way, x) for way in dispatch.WAYS)
    assert all(dispatch.taken(way, x) for way in dispatch.WAYS)


def test_other_dtypes_take_no_faster_way():
    assert not any(dispatch.taken(way, paddle.zeros([1], "float16")) for way in dispatch.WAYS)


def test_an_unknown_way_is_named():
    with pytest.raises(ValueError, match="unknown way 'tile': choose from sums, statistics"), layers.plain("tile"):
        pass


def strided(how, shape):
    """A tensor of this shape that is a view with strides, and its values as an array."""
    b, c, h, w = shape
    if how == "transposed":
        base, view = (b, h, w, c), lambda x: x.transpose([0, 3, 1, 2])
    elif how == "cropped":
        base, view = (b, c, h + 5, w + 3), lambda x: x[:, :, 2 : 2 + h, 1 : 1 + w]
    else:
        base, view = (b, c, 2 * h, 2 * w), lambda x: x[:, :, ::2, ::2]
    tensor = view(paddle.to_tensor(np.random.default_rng(5).standard_normal(base)))
    return tensor, tensor.numpy()


@pytest.mark.parametrize("how", ["transposed", "cropped", "every second pixel"])
@pytest.mark.parametrize("ways", [None, ()], ids=["fast", "plain"])
def test_views_with_strides_are_taken(how, ways):
    """As inputs, and as the gradients that come back, through every network and both kinds of layers."""

    def outputs_and_gradient(network, x, cotangent):
        x.stop_gradient = False
        image = network(x)
        image = image[0] if isinstance(image, tuple) else image
        paddle.autograd.backward([image], [cotangent])
        for parameter in network.parameters():
            parameter.clear_gradient(False)
        return image.numpy(), x.grad.numpy()

    with ExitStack() as stack:
        stack.enter_context(tiles.everywhere())
        stack.enter_context(patch.object(dispatch, "MANY", 4))
        if ways is not None:
            stack.enter_context(layers.plain(*ways))
        for network, shape in networks():
            network.eval()
            x, values = strided(how, shape)
            assert not x.is_contiguous()
            shown = network(paddle.to_tensor(values))
            shown = shown[0] if isinstance(shown, tuple) else shown
            ones = paddle.ones_like(shown)
            cotangent, back = strided(how, shown.shape) if shown.ndim == 4 else (ones, ones.numpy())
            found = outputs_and_gradient(network, x.detach(), cotangent)
            assert not x.is_contiguous()  # it is left the view that it was
            wanted = outputs_and_gradient(network, paddle.to_tensor(values), paddle.to_tensor(back))
            assert_same(found, wanted)
