"""Training of AdaIN: in lockstep with PyTorch, the faults that must show there, what it learns, how a run goes."""

import csv
import dataclasses
import shutil
from pathlib import Path
from unittest.mock import patch

import numpy as np
import paddle
import pytest
from PIL import Image

from align.cases import TRAINING
from align.checks import training as check_training
from paddle_ugatit import formats
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.cli import train
from paddle_ugatit.data import transforms
from paddle_ugatit.data.folders import Stream, TrainingData
from paddle_ugatit.data.images import image_files, read_image, write_image
from paddle_ugatit.losses import style_loss
from paddle_ugatit.models.adain import Decoder, Encoder
from paddle_ugatit.training import adain, start
from paddle_ugatit.training.adain import Config, Trainer

SMALL = dataclasses.replace(TRAINING["adain"].small, batch_size=2)
TINY = dict(system="adain", ch=4, he="true", load_size=28, img_size=24, batch_size=2, lr=0.002, log_freq=1)


def verdict(tamper=None):
    """(verdict, what is blamed first) after three steps."""
    *_, last = check_training.lockstep(SMALL, 3, tamper=tamper, system="adain")
    return last["verdict"], last["blamed"] and last["blamed"]["what"]


@pytest.mark.parametrize("batch", [1, 3])
def test_lockstep(batch):
    config = dataclasses.replace(SMALL, batch_size=batch)
    entries = list(check_training.lockstep(config, 4, system="adain"))
    assert [entry["verdict"] for entry in entries] == ["aligned"] * 4
    assert all(entry["counts"]["compared"] > 100 for entry in entries)
    assert max(row["error"] for entry in entries for row in entry["rows"]) < 1e-11


def test_command():
    assert check_training.main(["--system", "adain", "--steps", "2", "--lockstep"]) == 0


def _rate_early(trainer):
    class Early(Config):
        def lr_at(self, step):
            return super().lr_at(step + 1)

    trainer.config = Early(**dataclasses.asdict(trainer.config))


def _beta(trainer):
    parameters = trainer.networks["decoder"].parameters()
    trainer.optimizers["decoder"] = paddle.optimizer.Adam(1e-4, 0.5, 0.999, parameters=parameters)


def _trained_encoder(trainer):
    parameters = trainer.networks["encoder"].parameters()
    for parameter in parameters:
        parameter.stop_gradient = False
    own = trainer.networks["decoder"].parameters()
    trainer.optimizers["decoder"] = paddle.optimizer.Adam(1e-4, parameters=[*own, *parameters])
    trainer._parameters = lambda: [*own, *parameters]


def _losses_of(change):
    """Plant: `_losses` of changed arguments."""

    def plant(trainer):
        right = trainer._losses
        trainer._losses = lambda content, style: right(*change(content, style))

    return plant


def _style_loss_of(change):
    """Plant: the style loss of changed moments."""

    def loss(found, wanted):
        return style_loss(change(found), change(wanted))

    def plant(trainer):
        right = trainer._losses

        def losses(content, style):
            with patch.object(adain, "style_loss", loss):
                return right(content, style)

        trainer._losses = losses

    return plant


FAULTS = {  # name -> (plant, what is blamed first)
    "learning rate a step early": (_rate_early, "learning rate"),
    "beta1 0.5": (_beta, "moment1"),
    "encoder trained too": (_trained_encoder, "moment1"),
    "content and style swapped": (_losses_of(lambda content, style: (style, content)), "loss"),
    "images left in [-1,1]": (_losses_of(lambda content, style: (2 * content - 1, 2 * style - 1)), "loss"),
    "style loss of relu4_1 only": (_style_loss_of(lambda taps: taps[-1:]), "loss"),
    "style loss without deviations": (_style_loss_of(lambda taps: [moments[:1] for moments in taps]), "loss"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_in_the_iteration_is_found(name):
    plant, blamed = FAULTS[name]
    assert verdict(plant) == ("diverged", blamed)


def test_parts_of_a_batch_make_the_same_update():
    paddle.set_default_dtype("float64")
    try:
        states = []
        for parts in (1, 2):
            paddle.seed(0)
            trainer = Trainer(dataclasses.replace(SMALL, accumulate=parts))
            rng = np.random.default_rng(0)
            for _ in range(2):
                losses = trainer.step(*(paddle.to_tensor(rng.uniform(-1, 1, (2, 3, 24, 24))) for _ in range(2)))
            states.append([p.numpy() for p in trainer.networks["decoder"].parameters()] + [losses["loss"].numpy()])
        for one, other in zip(*states, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-13)
    finally:
        paddle.set_default_dtype("float32")


def test_rate_and_options():
    assert Config().lr_at(1) == 1e-4 and Config().lr_at(160_000) == pytest.approx(1e-4 / (1 + 5e-5 * 159_999))
    with pytest.raises(ValueError, match="load_size 100 is less than img_size 256"):
        Config(load_size=100)
    with pytest.raises(ValueError, match="9x9"):
        Config(img_size=8, load_size=8)
    with pytest.raises(ValueError, match="ch must be 1 or more"):
        Config(ch=0)


def test_the_published_configuration_is_the_default():
    folder = Path(__file__).resolve().parents[2] / "work/configs"
    published, demo = (start.configuration(folder / f"{name}.yaml") for name in ("adain", "adain_demo"))
    assert published == Config(print_freq=published.print_freq, save_freq=published.save_freq)
    assert (demo.encoder, demo.he) == ("", True)


# Pictures.


def test_pictures_are_resized_and_cropped_not_mirrored(tmp_path):
    pixels = np.add.outer(np.arange(40) * 3, np.arange(30) * 4).astype(np.uint8)[..., None].repeat(3, 2)
    write_image(tmp_path / "ramp.png", pixels)
    whole = np.asarray(Image.fromarray(pixels).resize((36, 36), Image.Resampling.BILINEAR))
    stream = Stream(image_files(tmp_path), 32, 1, 0, 0, load_size=36)
    crops = {
        (top, left): transforms.to_input(whole[top : top + 32, left : left + 32])
        for top in range(5)
        for left in range(5)
    }
    seen = set()
    for number in range(150):
        found = stream.sample(number)
        seen |= {corner for corner, crop in crops.items() if np.array_equal(crop, found)}
    assert seen == set(crops)


def test_data_of_a_system_with_a_load_size(faces):
    config = Config(load_size=28, img_size=24, batch_size=2)
    with start.data_of(config, faces, 0, 1, lambda line: None) as data:
        assert [stream.load_size for stream in data.streams] == [28, 28]
        assert [batch.shape for batch in data.batch(1)] == [(2, 3, 24, 24)] * 2
    with TrainingData(faces, 24, 2, 0, say=lambda line: None) as data:
        assert [stream.load_size for stream in data.streams] == [None, None]


# The encoder.


def encoder_file(path, ch=4):
    state = {key: value.numpy() for key, value in Encoder(ch).state_dict().items()}
    formats.write(path, formats.Checkpoint({"": state}, "torch", {}))
    return state


def test_the_encoder_is_a_files_or_random(tmp_path):
    state = encoder_file(tmp_path / "vgg.pth")
    trainer = Trainer(dataclasses.replace(SMALL, encoder=str(tmp_path / "vgg.pth")))
    assert trainer.notes == []
    assert all(
        np.array_equal(value.numpy(), state[key]) for key, value in trainer.networks["encoder"].state_dict().items()
    )
    assert "the encoder's filters are random" in Trainer(SMALL).notes[0]


def test_files_that_hold_no_such_encoder(tmp_path):
    encoder_file(tmp_path / "wide.pth", 8)
    with pytest.raises(InputError, match="has the shape"):
        Trainer(dataclasses.replace(SMALL, encoder=str(tmp_path / "wide.pth")))
    state = {key: value.numpy() for key, value in Decoder(4).state_dict().items()}
    formats.write(tmp_path / "decoder.pth", formats.Checkpoint({"": state}, "torch", {}))
    with pytest.raises(InputError, match="holds decoder, no encoder"):
        Trainer(dataclasses.replace(SMALL, encoder=str(tmp_path / "decoder.pth")))


# Runs.


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Smooth contents, striped styles."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for domain in ("trainA", "trainB", "testA", "testB"):
        (folder / domain).mkdir()
        for number in range(4):
            coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            pixels = np.array(Image.fromarray(coarse).resize((40, 40), Image.Resampling.BICUBIC))
            if domain.endswith("B"):
                pixels[:, ::4] = rng.integers(0, 256, 3)
            write_image(folder / domain / f"{number}.png", pixels)
    return folder


def command(folder, faces, out, *more, **options):
    path = folder / "options.yaml"
    path.write_text("".join(f"{name}: {value}\n" for name, value in {**TINY, **options}.items()))
    return train.main(["--config", str(path), "--data", str(faces), "--out", str(folder / out), *more])


def losses(folder):
    with open(folder / "losses.csv", newline="") as file:
        return {name: [float(row[name]) for row in rows] for rows in [list(csv.DictReader(file))] for name in rows[0]}


def weights_in(folder):
    return {key: array for _, key, array in formats.read(folder / "weights.pdparams").tensors()}


def test_the_style_loss_falls_by_half(faces, tmp_path):
    """From the mean of the first ten iterations to that of the last ten; the pictures differ with the style."""
    assert command(tmp_path, faces, "run", iteration=120, print_freq=120, save_freq=120) == 0
    found = losses(tmp_path / "run")
    for name in ("style", "loss"):
        assert np.mean(found[name][-10:]) < np.mean(found[name][:10]) / 2, name
    assert "the encoder's filters are random" in (tmp_path / "run/log.txt").read_text()
    sheet = read_image(tmp_path / "run/samples/0000120_stylised.png")
    assert sheet.shape == (5 * 24, 5 * 24, 3)  # four contents above, four styles on the left
    cells = sheet[24:, 24:].astype(int)
    assert cells.std() > 10 and np.abs(cells[:24] - cells[24:48]).max() > 10


def test_a_resumed_run_is_the_unbroken_one(faces, tmp_path):
    options = dict(iteration=4, save_freq=2, print_freq=9, keep=9)
    for out in ("whole", "parts"):
        assert command(tmp_path, faces, out, **options) == 0
    shutil.rmtree(tmp_path / "parts/checkpoints/0000004")
    assert command(tmp_path, faces, "parts", "--resume", **options) == 0
    one, other = (weights_in(tmp_path / out / "checkpoints/0000004") for out in ("whole", "parts"))
    assert one.keys() == other.keys() and all(one[key].tobytes() == other[key].tobytes() for key in one)


def test_the_encoder_stays_and_the_decoder_moves(faces, tmp_path):
    assert command(tmp_path, faces, "run", iteration=2, save_freq=1, print_freq=9) == 0
    one, other = (formats.read(tmp_path / f"run/checkpoints/{step:07}/weights.pdparams").networks for step in (1, 2))
    assert all(np.array_equal(one["encoder"][key], other["encoder"][key]) for key in one["encoder"])
    assert not any(np.array_equal(one["decoder"][key], other["decoder"][key]) for key in one["decoder"])


def test_starting_from_a_decoder_alone(faces, tmp_path):
    state = {key: value.numpy() for key, value in Decoder(4).state_dict().items()}
    formats.write(tmp_path / "decoder.pth", formats.Checkpoint({"": state}, "torch", {}))
    start_from = "--init", str(tmp_path / "decoder.pth")
    assert command(tmp_path, faces, "run", *start_from, iteration=1, print_freq=9, lr=0.0) == 0
    found = formats.read(tmp_path / "run/checkpoints/0000001/weights.pdparams").networks["decoder"]
    assert all(np.array_equal(found[key], state[key]) for key in state)
    assert "decoder.pth has no encoder" in (tmp_path / "run/log.txt").read_text()


def test_what_is_evaluated(faces):
    config = Config(ch=4, load_size=28, img_size=24)
    tests = start.tests_of(config, faces, lambda line: None)
    trainer = Trainer(config)
    [(name, images, domain)] = trainer.generated(trainer.networks, tests)
    assert (name, domain, [image.shape for image in images]) == ("A2B", "B", [(3, 24, 24)] * 4)
