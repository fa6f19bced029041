"""Each layer against torch's own function in float64, forward and gradients, and its behaviour at the edges."""

import math

import numpy as np
import paddle
import pytest

import paddle_ugatit  # noqa: F401  first: it sets the process up before Paddle, and so before PyTorch
from paddle_ugatit.layers import channels, norm
from paddle_ugatit.layers.convolution import Conv2D
from paddle_ugatit.layers.fast import dispatch, folded
from paddle_ugatit.layers.leaky_relu import LeakyReLU
from paddle_ugatit.layers.linear import Linear
from paddle_ugatit.layers.reflection_pad import ReflectionPad2D
from paddle_ugatit.layers.spectral_norm import passes_in_one, spectral_norm
from paddle_ugatit.layers.upsample import Upsample
from paddle_ugatit.models.ugatit import Discriminator

torch = pytest.importorskip("torch")
MAPS = (3, 4, 7, 6)
TOLERANCE = 1e-13  # float64, of values around 1


@pytest.fixture(autouse=True)
def double():
    paddle.set_default_dtype("float64")
    yield
    paddle.set_default_dtype("float32")


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def paddle_run(function, arrays, cotangent):
    """Output and the gradient of every argument, as arrays."""
    tensors = [paddle.to_tensor(array, stop_gradient=False) for array in arrays]
    out = function(*tensors)
    (out * paddle.to_tensor(cotangent)).sum().backward()
    return [out.numpy()] + [tensor.grad.numpy() for tensor in tensors]


def torch_run(function, arrays, cotangent):
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    out = function(*tensors)
    out.backward(torch.tensor(cotangent))
    return [out.detach().numpy()] + [tensor.grad.numpy() for tensor in tensors]


def assert_same(in_paddle, in_torch, *arrays, tolerance=TOLERANCE):
    with torch.no_grad():
        shape = in_torch(*map(torch.tensor, arrays)).shape
    cotangent = normal(*shape, seed=99)
    for ours, theirs in zip(
        paddle_run(in_paddle, arrays, cotangent), torch_run(in_torch, arrays, cotangent), strict=True
    ):
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * max(1, np.abs(theirs).max()))


def test_spatial_sum_and_mean():
    assert_same(channels.spatial_sum, lambda x: x.sum((2, 3)), normal(*MAPS), tolerance=1e-13)
    assert_same(channels.spatial_mean, lambda x: x.mean((2, 3)), normal(*MAPS))


@pytest.mark.parametrize("batch", [1, 3])
def test_channel_scale_and_shift(batch):
    """The factor or term may belong to each image, or be shared by the batch."""
    per_channel = normal(batch, 4, 1, 1, seed=1)
    assert_same(channels.channel_scale, lambda x, scale: x * scale, normal(*MAPS), per_channel)
    assert_same(channels.channel_shift, lambda x, shift: x + shift, normal(*MAPS), per_channel)


@pytest.mark.parametrize("function", [channels.channel_scale, channels.channel_shift])
@pytest.mark.parametrize("frozen", [0, 1])
def test_a_frozen_argument_takes_no_gradient(function, frozen):
    tensors = [paddle.to_tensor(normal(*shape)) for shape in (MAPS, (1, 4, 1, 1))]
    tensors[1 - frozen].stop_gradient = False
    out = function(*tensors)
    assert not out.stop_gradient
    out.sum().backward()
    assert tensors[frozen].grad is None
    wanted = [np.broadcast_to(tensors[1].numpy(), MAPS), tensors[0].numpy().sum((0, 2, 3)).reshape(1, 4, 1, 1)]
    if function is channels.channel_shift:
        wanted = [np.ones(MAPS), np.full((1, 4, 1, 1), 3 * 7 * 6)]
    np.testing.assert_allclose(tensors[1 - frozen].grad.numpy(), wanted[1 - frozen], atol=1e-12)


@pytest.mark.parametrize("function", [channels.channel_scale, channels.channel_shift])
def test_frozen_altogether_stays_frozen(function):
    out = function(paddle.to_tensor(normal(*MAPS)), paddle.to_tensor(normal(1, 4, 1, 1)))
    assert out.stop_gradient


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (4, 2), (1, 1)])
def test_conv(kernel, stride, bias):
    layer = Conv2D(4, 5, kernel, stride, bias=bias)
    weights = [parameter.numpy() for parameter in layer.parameters()]
    cotangent = normal(*layer(paddle.to_tensor(normal(*MAPS))).shape, seed=1)
    out, *gradients = torch_run(
        lambda x, *weights: torch.nn.functional.conv2d(x, *weights, stride=stride), [normal(*MAPS), *weights], cotangent
    )
    ours = paddle_run(layer, [normal(*MAPS)], cotangent)
    ours += [parameter.grad.numpy() for parameter in layer.parameters()]
    for got, wanted in zip(ours, [out, *gradients], strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-12)


def test_linear():
    layer = Linear(4, 5)
    weight, bias = torch.tensor(layer.weight.numpy().T), torch.tensor(layer.bias.numpy())
    assert_same(layer, lambda x: torch.nn.functional.linear(x, weight, bias), normal(3, 4))


def test_initial_weights_keep_the_bound():
    for layer, fan_in in ((Conv2D(4, 300, 3), 36), (Linear(25, 300), 25)):
        for parameter in layer.parameters():
            largest = np.abs(parameter.numpy()).max()
            assert 0.97 / math.sqrt(fan_in) < largest <= 1 / math.sqrt(fan_in)


@pytest.mark.parametrize("small", [0, 4, 16], ids=["slices", "matrix backward", "matrix"])
@pytest.mark.parametrize("padding", [1, 3])
@pytest.mark.parametrize("shape", [MAPS, (1, 2, 4, 9), (2, 1, 5, 4), (1, 2, 5, 8)])
def test_reflection_pad(padding, shape, small, monkeypatch):
    monkeypatch.setattr(dispatch, "SMALL_MAP", small)
    assert_same(ReflectionPad2D(padding), torch.nn.ReflectionPad2d(padding), normal(*shape))


@pytest.mark.parametrize(("padding", "height", "width"), [(1, 1, 5), (1, 5, 1), (3, 3, 8), (3, 8, 2)])
def test_reflection_pad_of_a_map_too_small(padding, height, width):
    with pytest.raises(ValueError, match=f"cannot reflect {padding} pixels of a {height}x{width} map"):
        ReflectionPad2D(padding)(paddle.to_tensor(normal(1, 2, height, width)))
    ReflectionPad2D(padding)(paddle.to_tensor(normal(1, 2, padding + 1, padding + 1)))


@pytest.mark.parametrize("shape", [MAPS, (1, 1, 1, 1), (2, 3, 1, 5)])
def test_upsample(shape):
    assert_same(Upsample(), torch.nn.Upsample(scale_factor=2, mode="nearest"), normal(*shape))


@pytest.mark.parametrize("slope", [0.2, 0.01])
def test_leaky_relu(slope):
    x = normal(*MAPS)
    x.flat[::5] = 0  # exactly
    x.flat[1::5] = -0.0
    assert_same(LeakyReLU(slope), torch.nn.LeakyReLU(slope), x, tolerance=1e-16)


def test_leaky_relu_has_its_slope_at_zero():
    x = paddle.zeros([4])
    x.stop_gradient = False
    LeakyReLU(0.2)(x).sum().backward()
    assert x.grad.numpy().tolist() == [0.2] * 4


def test_leaky_relu_hands_on_what_is_not_a_number():
    x = paddle.to_tensor([float("nan"), float("inf"), -float("inf")])
    np.testing.assert_array_equal(LeakyReLU(0.2)(x).numpy(), [np.nan, np.inf, -np.inf])


def test_instance_stats():
    x = normal(*MAPS)
    centred, mean, var = (tensor.numpy() for tensor in norm.instance_stats(paddle.to_tensor(x)))
    np.testing.assert_allclose(mean, x.mean((2, 3), keepdims=True), atol=1e-15)
    np.testing.assert_allclose(var, x.var((2, 3), keepdims=True, ddof=1), atol=1e-14)
    np.testing.assert_allclose(centred, x - mean, atol=1e-15)


def test_layer_variance_follows_from_the_channels():
    x = normal(*MAPS) + np.arange(4).reshape(1, 4, 1, 1)
    _, mean, var = norm.instance_stats(paddle.to_tensor(x))
    got = folded.layer_variance(mean - mean.mean(1, keepdim=True), var, 42).numpy()
    np.testing.assert_allclose(got, x.var((1, 2, 3), keepdims=True, ddof=1), rtol=1e-14)


def test_nested_variance():
    x = torch.tensor(normal(*MAPS))
    got = norm.nested_variance(paddle.to_tensor(x.numpy()), (1, 2, 3)).numpy()
    np.testing.assert_allclose(got, x.var(1, keepdim=True).var(2, keepdim=True).var(3, keepdim=True), rtol=1e-13)


@pytest.mark.cpu_path
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_float32_statistics_of_a_large_map(offset):
    """Where paddle.var over (C,H,W) is wrong by up to 3.6e-3."""
    x = np.random.default_rng(0).standard_normal((1, 64, 256, 256), dtype="float32") + np.float32(offset)
    _, mean, var = norm.instance_stats(paddle.to_tensor(x))
    layer = folded.layer_variance(mean - mean.mean(1, keepdim=True), var, 256 * 256).numpy()
    assert mean.dtype == var.dtype == paddle.float32
    assert np.abs(mean.numpy() - x.mean((2, 3), dtype="float64", keepdims=True)).max() < 1e-5
    truth = x.astype("float64").var((2, 3), keepdims=True, ddof=1)
    assert np.abs(var.numpy() / truth - 1).max() < 1e-5
    assert np.abs(layer / x.astype("float64").var(ddof=1) - 1).max() < 1e-5


def _eq1(x, rho, gamma, beta):
    def normalised(dims):
        return (x - x.mean(dims, keepdim=True)) / torch.sqrt(x.var(dims, keepdim=True) + 1e-5)

    return (rho * normalised((2, 3)) + (1 - rho) * normalised((1, 2, 3))) * gamma + beta


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("scale", [1.0, 1e-3])  # 1e-3: where eps counts
def test_layer_instance_norm(shared, scale):
    """Equation 1, and its gradient to all of x, rho, gamma and beta."""
    style = (1 if shared else 3, 4, 1, 1)
    arrays = [scale * normal(*MAPS), np.full((1, 4, 1, 1), 0.3), normal(*style, seed=1), normal(*style, seed=2)]
    assert_same(
        lambda *arguments: norm.layer_instance_norm(*arguments, 1e-5, "current"), _eq1, *arrays, tolerance=1e-12
    )


def test_instance_norm():
    assert_same(norm.InstanceNorm2D(4), torch.nn.InstanceNorm2d(4), normal(*MAPS))
    assert_same(norm.InstanceNorm2D(4), torch.nn.InstanceNorm2d(4), 1e-3 * normal(*MAPS), tolerance=1e-12)


def test_instance_norm_of_a_constant_map_is_zero():
    out = norm.InstanceNorm2D(4)(paddle.full([2, 4, 5, 6], 3.0)).numpy()
    np.testing.assert_allclose(out, np.zeros((2, 4, 5, 6)), atol=1e-12)


@pytest.mark.parametrize("make", [norm.AdaILN, norm.ILN])
def test_unknown_revision(make):
    with pytest.raises(ValueError, match="revision must be one of current, initial, tensorflow, got 'newest'"):
        make(4, revision="newest")


def spectral_twins(kind):
    layer = spectral_norm(Conv2D(4, 5, 3) if kind == "conv" else Linear(4, 5))
    twin = torch.nn.Conv2d(4, 5, 3) if kind == "conv" else torch.nn.Linear(4, 5)
    twin = torch.nn.utils.spectral_norm(twin.double())
    state = {key: value.numpy() for key, value in layer.state_dict().items()}
    if kind == "linear":
        state["weight_orig"] = state["weight_orig"].T
    twin.load_state_dict({key: torch.tensor(value.copy()) for key, value in state.items()})
    return layer, twin


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", ["conv", "linear"])
def test_spectral_norm(kind, training):
    """Output, gradients and state over three forwards, against torch's hook started from the same state."""
    layer, twin = spectral_twins(kind)
    layer.train() if training else layer.eval()
    twin.train(training)
    start = layer.weight_u.numpy()
    shape, out_shape = (MAPS, (3, 5, 5, 4)) if kind == "conv" else ((3, 4), (3, 5))
    for seed in range(3):
        arguments = [normal(*shape, seed=seed)], normal(*out_shape, seed=seed + 3)
        for ours, theirs in zip(paddle_run(layer, *arguments), torch_run(twin, *arguments), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-12)
    gradient = layer.weight_orig.grad.numpy()
    np.testing.assert_allclose(gradient.T if kind == "linear" else gradient, twin.weight_orig.grad, atol=1e-12)
    np.testing.assert_allclose(layer.weight_u.numpy(), twin.weight_u, atol=1e-13)
    np.testing.assert_allclose(layer.weight_v.numpy(), twin.weight_v, atol=1e-13)
    assert np.array_equal(layer.weight_u.numpy(), start) is not training


@pytest.mark.parametrize("training", [True, False])
def test_two_passes_in_one_batch_are_two_passes(training):
    """Outputs, gradients and the spectral norms' state, as if real and translated images came one after the other."""
    paddle.seed(0)
    one, two = Discriminator(3, 4, 4), Discriminator(3, 4, 4)
    two.set_state_dict(one.state_dict())
    for net in (one, two):
        net.train() if training else net.eval()
    real, fake = (paddle.to_tensor(normal(1, 3, 24, 24, seed=seed)) for seed in range(2))
    with passes_in_one(one, 2):
        batched = one(paddle.concat([real, fake]))
    in_turn = [two(real), two(fake)]
    for found, *wanted in zip(batched, *in_turn, strict=True):
        np.testing.assert_allclose(found.numpy(), paddle.concat(wanted).numpy(), atol=1e-12)
    sum((out * out).sum() for out in batched).backward()
    sum((out * out).sum() for outs in in_turn for out in outs).backward()
    for (name, mine), other in zip(one.named_parameters(), two.parameters(), strict=True):
        np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), atol=1e-10, err_msg=name)
    for (name, mine), other in zip(one.named_buffers(), two.buffers(), strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), atol=1e-13, err_msg=name)
    one(real)  # one pass again
    assert one.conv.spectral.sigma.shape == [1]
