"""What U-GAT-IT's networks start from and keep: initial values as PyTorch's, precision, the spectral norms' state."""

import math
from functools import lru_cache

import numpy as np
import paddle
import pytest

import paddle_ugatit  # first: it sets the process up before Paddle, and so before PyTorch
from paddle_ugatit.weights import to_paddle, to_torch

torch = pytest.importorskip("torch")
import torch_ref  # noqa: E402  without torch there is nothing to compare with

GENERATOR = ("ResnetGenerator", {"input_nc": 3, "output_nc": 3, "ngf": 4, "n_blocks": 1, "light": True})
DISCRIMINATOR = ("Discriminator", {"input_nc": 3, "ndf": 4, "n_layers": 4})
NETWORKS = [GENERATOR, DISCRIMINATOR]
MODELS = 16  # of each framework, pooled: 256 values for the smallest tensors that are drawn
FALSE_ALARMS = 1e-3  # of all tensors of a network together


# Initial values.


def kolmogorov_smirnov(one, other):
    """Probability that two samples of one distribution lie as far apart as these (asymptotic)."""
    one, other = np.sort(one), np.sort(other)
    at = np.concatenate([one, other])
    shares = [np.searchsorted(sample, at, side="right") / sample.size for sample in (one, other)]
    root = math.sqrt(one.size * other.size / (one.size + other.size))
    distance = (root + 0.12 + 0.11 / root) * np.abs(shares[0] - shares[1]).max()
    if distance < 0.3:
        return 1.0
    return 2 * sum((-1) ** (k - 1) * math.exp(-2 * (k * distance) ** 2) for k in range(1, 101))


@lru_cache
def fresh(room, kind):
    """Key -> values of MODELS fresh networks, one after the other."""
    paddle.seed(1)
    torch.manual_seed(1)
    name, options = NETWORKS[kind]
    models = [getattr(room, name)(**options) for _ in range(MODELS)]
    states = [{key: value.detach().numpy().ravel() for key, value in model.state_dict().items()} for model in models]
    return {key: np.concatenate([state[key] for state in states]) for key in states[0]}


def suspects(ours, theirs):
    """Keys whose two samples come from different distributions; a false alarm in one of 1000 comparisons."""
    limit = FALSE_ALARMS / len(theirs)  # Bonferroni
    return {key for key in theirs if kolmogorov_smirnov(ours[key], theirs[key]) < limit}


@pytest.mark.parametrize("kind", [0, 1])
def test_initial_values_are_distributed_as_pytorchs(kind):
    assert suspects(fresh(paddle_ugatit, kind), fresh(torch_ref, kind)) == set()


@pytest.mark.parametrize("kind", [0, 1])
def test_paddles_own_initial_values_are_told_apart(kind):
    """In every weight and bias that a convolution or a Linear owns."""
    name, options = NETWORKS[kind]
    theirs, ours, keys = fresh(torch_ref, kind), {}, set()
    paddle.seed(2)
    model = getattr(paddle_ugatit, name)(**options)
    for path, layer in model.named_sublayers():
        if isinstance(layer, paddle.nn.Conv2D | paddle.nn.Linear):
            leaf = "weight_orig" if hasattr(layer, "weight_orig") else "weight"
            keys |= {f"{path}.{name}" for name in [leaf] + ["bias"] * (layer.bias is not None)}
    for key in keys:
        shape = model.state_dict()[key].shape
        init = paddle.nn.initializer.Constant(0.0)
        if not key.endswith("bias"):
            init = paddle.nn.initializer.XavierUniform() if len(shape) == 2 else paddle.nn.initializer.KaimingNormal()
        layer = paddle.nn.Layer()
        values = [layer.create_parameter(shape, default_initializer=init).numpy().ravel() for _ in range(MODELS)]
        ours[key] = np.concatenate(values)
    assert suspects(ours, {key: theirs[key] for key in keys}) == keys


def test_no_false_alarms_and_none_missed():
    """Of 200 pairs of one distribution about two are below 0.01; a bound off by a tenth is told in 2000 values."""
    rng = np.random.default_rng(0)
    chances = [kolmogorov_smirnov(rng.uniform(-1, 1, 200), rng.uniform(-1, 1, 300)) for _ in range(200)]
    assert sum(chance < 0.01 for chance in chances) <= 8
    assert 0.3 < np.mean(chances) < 0.7
    assert kolmogorov_smirnov(rng.uniform(-1, 1, 2000), rng.uniform(-1.1, 1.1, 2000)) < 0.05
    assert kolmogorov_smirnov(np.zeros(50), np.zeros(50)) == 1
    assert kolmogorov_smirnov(np.zeros(50), np.ones(50)) < 1e-9


def test_norms_start_at_their_constants():
    state = fresh(paddle_ugatit, 0)
    wanted = {"UpBlock1_1.norm1.rho": 0.9, "UpBlock1_1.norm2.rho": 0.9}
    for norm in ("UpBlock2.3", "UpBlock2.8"):
        wanted |= {f"{norm}.rho": 0.0, f"{norm}.gamma": 1.0, f"{norm}.beta": 0.0}
    for key, value in wanted.items():
        assert (state[key] == np.float32(value)).all()
        assert (fresh(torch_ref, 0)[key] == np.float32(value)).all()


def test_spectral_norm_keeps_the_initial_values_raw():
    """In weight_orig, within PyTorch's bound, and still there after a forward; the derived weight is no state."""
    model = paddle_ugatit.Discriminator(**DISCRIMINATOR[1])
    before = model.model[1].weight_orig.numpy()
    model(paddle.zeros([1, 3, 24, 24]))
    assert np.array_equal(model.model[1].weight_orig.numpy(), before)
    assert 0.9 / math.sqrt(48) < np.abs(before).max() <= 1 / math.sqrt(48)
    derived = (model.model[1].weight_orig / model.model[1].spectral.sigma).numpy()
    assert np.abs(derived).max() > 1.2 * np.abs(before).max()
    assert "model.1.weight" not in model.state_dict()
    for leaf in ("weight_u", "weight_v"):
        assert abs(np.linalg.norm(model.state_dict()[f"model.1.{leaf}"].numpy()) - 1) < 1e-6


# Precision.


def dtypes(model):
    return {str(tensor.dtype).rpartition(".")[2] for tensor in model.state_dict().values()}


def run(model, dtype):
    return {str(out.dtype).rpartition(".")[2] for out in model(paddle.ones([1, 3, 24, 24], dtype))}


@pytest.mark.parametrize("kind", [0, 1])
def test_float64_by_default_dtype(kind):
    name, options = NETWORKS[kind]
    paddle.set_default_dtype("float64")
    try:
        model = getattr(paddle_ugatit, name)(**options)
    finally:
        paddle.set_default_dtype("float32")
    assert dtypes(model) == run(model, "float64") == {"float64"}
    assert dtypes(model) == {"float64"}  # the power iteration has not changed them


@pytest.mark.parametrize("kind", [0, 1])
def test_float64_by_to(kind):
    name, options = NETWORKS[kind]
    model = getattr(paddle_ugatit, name)(**options)
    assert dtypes(model) == run(model, "float32") == {"float32"}
    before = {key: value.numpy() for key, value in model.state_dict().items()}
    model.to(dtype="float64")
    assert all(np.array_equal(value.numpy(), before[key]) for key, value in model.state_dict().items())
    assert dtypes(model) == run(model, "float64") == {"float64"}
    assert dtypes(model) == {"float64"}  # the power iteration has not changed them


# The spectral norms' state.


def twins():
    ours, theirs = (getattr(room, DISCRIMINATOR[0])(**DISCRIMINATOR[1]) for room in (paddle_ugatit, torch_ref))
    ours.to(dtype="float64")
    theirs.double()
    state = {key: value.numpy() for key, value in theirs.state_dict().items()}
    for key, value in to_paddle(state, ours).items():
        ours.state_dict()[key].set_value(np.ascontiguousarray(value))
    return ours, theirs


def image(seed):
    return np.random.default_rng(seed).standard_normal((2, 3, 24, 24))


def buffers(model):
    return {name: np.array(buffer.numpy()) for name, buffer in model.named_buffers()}


def test_power_iterations_run_in_training_only():
    ours, theirs = twins()
    start = buffers(ours)
    ours.eval()
    ours(paddle.to_tensor(image(0)))
    assert all(np.array_equal(value, start[name]) for name, value in buffers(ours).items())
    ours.train()
    for calls in (1, 2):
        ours(paddle.to_tensor(image(0)))
        theirs(torch.tensor(image(0)))
        assert all(not np.array_equal(v, start[name]) for name, v in buffers(ours).items() if name.endswith("_v")), (
            calls
        )
        for name, value in buffers(theirs).items():
            np.testing.assert_allclose(buffers(ours)[name], value, atol=1e-12)


@pytest.mark.parametrize("modes", [(True, True), (False, True), (True, False)])
def test_a_later_forward_leaves_the_graph_of_an_earlier_one(modes):
    """Two forwards, then one backward through both, as a discriminator's step does."""
    ours, theirs = twins()
    total = 0
    for seed, training in enumerate(modes):
        ours.train() if training else ours.eval()
        theirs.train(training)
        total = total + sum((out * out).sum() for out in ours(paddle.to_tensor(image(seed))))
        sum((out * out).sum() for out in theirs(torch.tensor(image(seed)))).backward()  # at once, and accumulated
    total.backward()
    state = buffers(ours) | {name: parameter.grad.numpy() for name, parameter in ours.named_parameters()}
    state = to_torch(state, ours)
    for name, parameter in theirs.named_parameters():
        scale = float(parameter.grad.abs().max())
        np.testing.assert_allclose(state[name], parameter.grad, atol=1e-10 * scale)
