"""SAGAN's training: in lockstep with its twin, faults that must show there, and a run from its file to its samples."""

import dataclasses
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import paddle
import pytest

from align.cases import TRAINING
from align.checks.training import lockstep, main
from paddle_ugatit import formats
from paddle_ugatit.cli import make_dataset, sample, train
from paddle_ugatit.data.images import write_image
from paddle_ugatit.layers.fast import dispatch
from paddle_ugatit.training import sagan, start

SMALL = TRAINING["sagan"].small


def verdict(steps=3, tamper=None, **options):
    """(verdict, blamed entry) of the last step that was run."""
    *_, last = lockstep(dataclasses.replace(SMALL, **options), steps, tamper=tamper, system="sagan")
    return last["verdict"], last["blamed"]


@pytest.mark.parametrize("options", [{}, {"img_size": 16, "load_size": 16}, {"batch_size": 5, "beta1": 0.5}], ids=str)
def test_lockstep(options):
    assert verdict(6, **options) == ("aligned", None)


@pytest.fixture(scope="module")
def penalised():
    """Entries of steps by the public default: the discriminator makes a second one, for the penalty, after the first
    has changed it.
    """
    return list(lockstep(dataclasses.replace(SMALL, adv_loss="wgan-gp"), 4, system="sagan"))


@pytest.mark.cpu_path  # the bound is that of the sums on a CPU: 9.1e-11; those of the plain formulas come to 1.003e-10
def test_wgan_gp_differs_by_rounding_alone(penalised):
    rows = [row for entry in penalised for row in entry["rows"]]
    # The gradient of a key's bias is zero but for decay and rounding: a moment of it is held to a share of its layer's.
    assert max(row["error"] for row in rows if not row["layer"].endswith("key_conv")) < 1e-10


def test_wgan_gp_in_lockstep(penalised):
    assert [entry["verdict"] for entry in penalised] == ["aligned"] * 4
    rows = [row for entry in penalised for row in entry["rows"]]
    assert sum(row["slot"] == "d_penalty" for row in rows) == 4
    planted = lambda gradients: (gradients * gradients).sum([1, 2, 3]).mean()  # noqa: E731
    with patch.object(sagan, "unit_gradient_penalty", planted):
        assert verdict(1, adv_loss="wgan-gp")[0] == "diverged"


@pytest.mark.cpu_path
def test_the_penalty_leaves_the_faster_ways_as_they_were():
    assert not dispatch.is_twice_differentiable()
    trainer = start.system_of(SMALL.replaced(adv_loss="wgan-gp"))
    trainer.step(paddle.rand([4, 3, 32, 32]) * 2 - 1)
    x = paddle.rand([1, 1, 2, 2])
    assert not dispatch.is_twice_differentiable() and dispatch.taken("leaky", x)


def test_other_seeds_stay_aligned():
    for seed in (1, 2):
        entries = list(lockstep(SMALL, 3, seed, system="sagan"))
        assert [entry["verdict"] for entry in entries] == ["aligned"] * 3
        assert all(entry["counts"]["compared"] == 181 for entry in entries)


def test_the_corners_of_the_hinge_are_seen():
    """In the first step already some logits are beyond their corner, and some are not."""
    entry = next(lockstep(SMALL, 1, system="sagan"))
    assert entry["verdict"] == "aligned"

    def linear(logit, side):
        return (1 - side * logit).mean()

    with patch.object(sagan, "hinge", linear):
        assert verdict(1)[0] == "diverged"


@contextmanager
def one_pass(_network, _count):
    """Real and generated images as one pass, with one power iteration and one sigma."""
    yield


def _other_order(self, real, fake):
    discriminator = self.networks["D"]
    on_fake, on_real = discriminator(fake)[0], discriminator(real)[0]
    losses = {"d_real": sagan.hinge(on_real, 1), "d_fake": sagan.hinge(on_fake, -1)}
    return losses | {"d_loss": losses["d_real"] + losses["d_fake"]}


def _generated_in_evaluation(self, z):
    self.networks["G"].eval()
    fake = _generated(self, z)
    self.networks["G"].train()
    return fake


def _same_rate(trainer):
    trainer.optimizers["D"].set_lr(trainer.config.lr_g)


def _one_latent(self, real, random=None):
    return _step(self, real, {"D": random["D"], "G": random["D"]})


_generated, _step = sagan.Trainer._generated, sagan.Trainer.step
PLANTED = {
    "the signs of StyleGAN2": (sagan, "hinge", lambda logit, side: paddle.nn.functional.relu(1 + side * logit).mean()),
    "real and generated images in one pass": (sagan, "passes_in_one", one_pass),
    "generated images first": (sagan.Trainer, "_discriminator_losses", _other_order),
    "samples for the discriminator in evaluation mode": (
        *(sagan.Trainer, "_generated"),
        _generated_in_evaluation,
    ),
    "one latent for both steps": (sagan.Trainer, "step", _one_latent),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_fault_in_the_iteration_is_found(name):
    with patch.object(*PLANTED[name]):
        found, blamed = verdict()
    assert found == "diverged" and blamed["call"] == 1


def test_wrong_rates_and_momenta_are_found():
    assert verdict(1, tamper=_same_rate)[1]["what"] == "learning rate"

    def public_default(trainer):
        for kind, optimizer in trainer.optimizers.items():
            parameters = trainer.networks[kind].parameters()
            trainer.optimizers[kind] = paddle.optimizer.Adam(optimizer.get_lr(), 0.5, 0.9, parameters=parameters)

    found, blamed = verdict(1, tamper=public_default)
    assert found == "diverged" and blamed["what"] == "moment1"


def test_the_command_names_the_system(capsys):
    assert main(["--system", "sagan", "--steps", "1", "--lockstep"]) == 0
    assert "sagan step 1" in capsys.readouterr().out


# --- a run ------------------------------------------------------------------------------------------------------------

OPTIONS = dict(system="sagan", img_size=16, load_size=16, conv_dim=8, z_dim=6, batch_size=4, iteration=4, ema=0.9)
OPTIONS |= dict(log_freq=1, print_freq=4, save_freq=2, eval_every=4, eval_features="pixels", workers=1)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A data set of one domain: the other folders are not there at all."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for domain in ("trainB", "testB"):
        (folder / domain).mkdir()
        for number in range(6):
            write_image(folder / domain / f"{number}.png", rng.integers(0, 256, (20, 20, 3), dtype=np.uint8))
    return folder


def run(folder, faces, *arguments, **changes):
    folder.mkdir(exist_ok=True)
    (folder / "options.yaml").write_text("".join(f"{k}: {v}\n" for k, v in {**OPTIONS, **changes}.items()))
    command = ["--config", str(folder / "options.yaml"), "--data", str(faces), "--out", str(folder / "run")]
    return train.main([*command, *arguments]), folder / "run"


@pytest.fixture(scope="module")
def finished(faces, tmp_path_factory):
    code, folder = run(tmp_path_factory.mktemp("whole"), faces)
    assert code == 0
    return folder


def test_a_run_leaves_samples_attention_gammas_and_a_kid(finished):
    samples = sorted(path.name for path in (finished / "samples").iterdir())
    assert samples == [f"{step:07}_{name}.png" for step in (0, 4) for name in ("attention", "samples")]
    header = (finished / "losses.csv").read_text().splitlines()[0].split(",")
    assert header[1:5] == ["d_real", "d_fake", "d_loss", "g_loss"]
    assert header[5:] == ["g_gamma1", "g_gamma2", "d_gamma1", "d_gamma2", "lr_G", "lr_D"]
    assert "KID after iteration 4, pixels" in (finished / "log.txt").read_text()


def test_a_resumed_run_is_the_unbroken_one(finished, faces, tmp_path):
    """Bit for bit, counts of batches and running mean included."""
    code, folder = run(tmp_path, faces, "--resume")
    assert code == 1  # nothing to resume from
    code, folder = run(tmp_path, faces, iteration=4, save_freq=2)
    (folder / "checkpoints" / "0000004").rename(tmp_path / "put away")
    code, _ = run(tmp_path, faces, "--resume")
    assert code == 0
    for name in ("weights.pdparams", "ema.pdparams", "state.safetensors"):
        one, other = (formats.read(place / "checkpoints/0000004" / name) for place in (finished, folder))
        pairs = list(zip(one.tensors(), other.tensors(), strict=True))
        assert len(pairs) > 20
        assert all(a[:2] == b[:2] and a[2].tobytes() == b[2].tobytes() for a, b in pairs)


def test_the_generator_alone_can_be_exported_and_drawn_from(finished, tmp_path, capsys):
    weights = finished / "checkpoints/latest/ema.pdparams"
    assert sample.main(["--weights", str(weights), "--out", str(tmp_path / "grid.png"), "--count", "5"]) == 0
    assert "5 images, 16x16 pixels each" in capsys.readouterr().out


@pytest.fixture(scope="module")
def cartoons(tmp_path_factory):
    """The procedural faces, tiny."""
    folder = tmp_path_factory.mktemp("cartoons") / "faces"
    assert make_dataset.main(["--out", str(folder), "--train", "200", "--test", "100", "--size", "16"]) == 0
    return folder


def distances(folder, iterations, **changes):
    """KID on pixels of the samples to the test pictures, untrained and after some iterations; the demo's options."""
    small = dict(img_size=16, load_size=16, conv_dim=8, z_dim=16, iteration=iterations, ema=0, eval_every=1)
    path = Path(__file__).resolve().parents[2] / "work/configs/sagan_demo.yaml"
    config = start.configuration(path).replaced(**small, eval_features="pixels", **changes)
    system, evaluation = start.system_of(config), start.evaluation_of(config, folder, print)
    found = [evaluation.measure(system, system.networks)["samples"]]
    with start.data_of(config, folder, 0, 1, print) as data:
        for (batch,) in data.iterate(1, iterations):
            system.step(paddle.to_tensor(batch))
    return [*found, evaluation.measure(system, system.networks)["samples"]]


def test_samples_come_nearer_to_the_data(cartoons):
    before, after = distances(cartoons, 120)
    assert after < before / 2


def test_samples_of_a_generator_that_does_not_learn_come_no_nearer(cartoons):
    before, after = distances(cartoons, 20, lr_g=0)
    assert after > before / 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"accumulate": 2}, "batch norm needs the whole batch"),
        ({"adv_loss": "wgan"}, "adv_loss must be one of hinge, wgan-gp"),
        ({"adv_loss": "wgan-gp", "amp": "bfloat16"}, "amp must be off with wgan-gp"),
        ({"domain": "A"}, "testA"),
        ({"img_size": 24, "load_size": 24}, "16, 32, 64"),
        ({"light": True}, "unknown option light"),
    ],
)
def test_what_cannot_be_is_one_line(changes, message, faces, tmp_path, capsys):
    code, _ = run(tmp_path, faces, **changes)
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert code == (2 if "amp" in changes else 1) and last.startswith("train: ") and message in last
