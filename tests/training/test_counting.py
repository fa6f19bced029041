"""How many kernels an iteration launches on a GPU, and how often it waits for one, counted without one."""

from contextlib import nullcontext
from unittest.mock import patch

import numpy as np
import paddle
import pytest

from align.bench import counting, powers
from align.cases import TRAINING
from align.compare.paddle_side import PaddleSide
from paddle_ugatit.backend import adam, compat
from paddle_ugatit.training import Config, plan
from paddle_ugatit.training.diverged import DivergedError, finite_values, require_finite
from paddle_ugatit.training.ugatit import Trainer
from tests.gpu_emulation import device_branch

# The layers of a light model at 256 pixels, but narrow, and on images that are as small as they can be.
LIGHT = Config(light=True, ch=2, img_size=96)
KERNELS, SYNCHRONISATIONS = 6000, 1  # counted: 5861 with both versions of Paddle; plain layers before: 8344


@pytest.fixture(scope="module")
def counts():
    return counting.iteration(LIGHT, "gpu")[0]


def test_an_iteration_is_few_kernels(counts):
    assert 3000 < counts.kernels.total() <= KERNELS
    assert counts.kernels["conv2d"] == 148  # so every one is seen
    assert counts.kernels["conv2d_grad"] == 148


def test_an_iteration_waits_once(counts):
    assert counts.synchronisations.total() == SYNCHRONISATIONS
    assert counts.bytes < 100  # the losses


@pytest.mark.parametrize(
    "system, changes",
    [
        ("adain", {}),
        ("sagan", {}),
        ("sagan", {"adv_loss": "wgan-gp"}),
        ("stylegan2", {"augment": 0.5, "mixing": 0.5, "penalty_every": 2, "path_every": 2, "path_after": 0}),
    ],
)
def test_every_step_of_the_siblings_waits_once(system, changes):
    """Also where penalties and path lengths are made, and whatever is drawn."""
    config = TRAINING[system].small.replaced(**changes)
    trainer = PaddleSide("float32").build(lambda _: TRAINING[system].trainers[1](config), 0)
    batch, waited = plan.random_batch(config), []
    with device_branch():
        for _ in range(6):
            with counting.counting() as counts:
                losses = finite_values(trainer.step(*batch), trainer.iteration)
            waited.append(counts.synchronisations.total())
    assert waited == [1] * 6 and losses


def test_what_waits_is_seen():
    """As an earlier version did: values by way of NumPy, and a look at each loss."""
    buffer = paddle.zeros([3])
    with counting.counting() as counts:
        buffer.set_value(buffer.numpy())
        float(buffer.sum())
        bool((buffer > 1).any())
        buffer.max().item()
        paddle.to_tensor(np.zeros(2, np.float32))
    assert counts.synchronisations.total() == 4
    assert counts.kernels["sum"] == 1


def test_a_look_at_every_loss_would_be_noticed():
    with patch("paddle_ugatit.training.accumulation.require_finite", lambda losses, total, step: losses[total].item()):
        assert counting.iteration(LIGHT.replaced(img_size=48, global_layers=5), "gpu")[0].synchronisations.total() > 1


def test_power_iterations_by_shape_are_the_same_but_save_no_time(capsys):
    """Why layers of one shape are not iterated together."""
    assert powers.main(["--ch", "2", "--turns", "1"]) == 0
    assert "32 layers" in capsys.readouterr().out
    with patch.object(powers, "together", lambda given, passes: powers.one_by_one(given, passes + 1)):
        assert powers.main(["--ch", "2", "--turns", "1"]) == 1


def test_time_is_that_of_kernels_and_of_the_host(counts):
    assert counts.seconds > 0
    assert 0 < counting.chain(200, 1) < 1


def states(dtype, branch, steps=3):
    """Every parameter after some steps, in the branch of a GPU or with Paddle's own Adam."""
    config = Config(light=True, ch=2, n_res=1, img_size=24, global_layers=4, local_layers=3, weight_decay=0.1)
    side, rng = PaddleSide(dtype), np.random.default_rng(0)
    trainer = side.build(lambda _: Trainer(config), 0)
    with branch():
        for _ in range(steps):
            trainer.step(*[side.tensor(rng.uniform(-1, 1, (1, 3, 24, 24))) for _ in "ab"])
    return {f"{name}.{key}": value for name, net in trainer.networks.items() for key, value in side.state(net).items()}


def test_all_parameters_at_once_are_one_after_the_other():
    ours, wanted = states("float64", device_branch), states("float64", nullcontext)
    for name, value in wanted.items():
        assert np.abs(ours[name] - value).max() < 1e-11, name
    with patch.object(adam.Adam, "_update", lambda self, parameters, gradients: None):
        stopped = states("float64", device_branch)
    assert any(np.abs(stopped[name] - value).max() > 1e-5 for name, value in wanted.items())


def test_a_step_whose_gradients_overflow_is_left_out():
    parameter = paddle.create_parameter([2], "float32")
    optimizer = adam.Adam(0.1, parameters=[parameter], weight_decay=0.1)
    with device_branch():
        for factor in (1.0, 1.0):
            (parameter * factor).sum().backward()
            optimizer.step()
            optimizer.clear_grad(set_to_zero=False)
        before = parameter.numpy()
        for found, moves in ((True, False), (False, True)):
            (parameter * 1.0).sum().backward()
            optimizer._set_auxiliary_var("found_inf", paddle.to_tensor([found]))
            optimizer.step()
            optimizer.clear_grad(set_to_zero=False)
            assert bool((parameter.numpy() != before).all()) == moves
            assert optimizer._get_auxiliary_var("found_inf") is found


@pytest.mark.parametrize("eps", [1e-12])
def test_the_length_of_a_vector(eps):
    for size in (1e3, 1.0, 1e-3):
        x = paddle.to_tensor(np.random.default_rng(0).standard_normal(50) * size)
        wanted = x.numpy() / max(np.linalg.norm(x.numpy()), eps)
        assert np.abs(compat.unit_vector(x, eps).numpy() - wanted).max() < 1e-15
    assert not compat.unit_vector(x * 0, eps).numpy().any()


def test_a_loss_that_is_no_number_ends_the_iteration_on_a_gpu():
    losses = {"g_adv": paddle.to_tensor(1.0), "g_loss": paddle.to_tensor(float("nan"))}
    with device_branch():
        require_finite(losses, "g_loss", 7)
    with pytest.raises(DivergedError, match="iteration 7: g_loss is nan"):
        finite_values(losses, 7)
    assert finite_values({"g_adv": paddle.to_tensor(0.1)}, 7) == {"g_adv": float(np.float32(0.1))}
