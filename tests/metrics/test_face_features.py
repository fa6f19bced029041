"""The features of drawn faces: their ranking of good and bad pictures, sizes, files, and that training makes them."""

import json
from pathlib import Path

import cv2
import numpy as np
import paddle
import pytest

from paddle_ugatit import formats
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.cli import eval_kid, train_face_features
from paddle_ugatit.data.faces.draw import draw
from paddle_ugatit.data.faces.folder import is_drawn, make_dataset
from paddle_ugatit.data.transforms import to_input, to_pixels
from paddle_ugatit.inference.translate import generate
from paddle_ugatit.metrics import FeatureExtractor, kid
from paddle_ugatit.metrics.face_features import FaceFeatures, resized
from paddle_ugatit.models.ugatit import ResnetGenerator
from paddle_ugatit.training import start
from paddle_ugatit.weights import load_networks
from paddle_ugatit.weights.pretrained import SIDES, packaged, pretrained

ROOT = Path(__file__).resolve().parents[2]
COUNT, SEED = 200, 41


@pytest.fixture(scope="module")
def extractor():
    return FeatureExtractor("faces")


@pytest.fixture(scope="module")
def real():
    return np.stack([draw("testB", index, 64, SEED) for index in range(COUNT)])


@pytest.fixture(scope="module")
def others():
    """Cartoons of other people."""
    return np.stack([draw("trainB", index, 64, SEED) for index in range(COUNT)])


@pytest.fixture(scope="module")
def photos():
    return np.stack([draw("testA", index, 64, SEED) for index in range(COUNT)])


@pytest.fixture(scope="module")
def shipped():
    """The same people by the model that ships, at the size that it was trained on."""
    network = load_networks(pretrained("faces"), "float32", None, ("genA2B",))["genA2B"]
    return translated(network, [draw("testA", index, SIDES["faces"], SEED) for index in range(COUNT)])


@pytest.fixture(scope="module")
def measure(extractor, real):
    """Pictures -> KID to the real ones."""
    wanted = extractor.extract(real)
    return lambda pictures: kid(extractor.extract(pictures), wanted, subsets=1, bootstrap=200)


def in_order(found):
    """Each estimate lies above the one before, and so does its interval."""
    for (name, low), (other, high) in zip(found.items(), list(found.items())[1:], strict=False):
        assert low.ci95[1] < high.ci95[0], f"{name} {low.all_pairs:.3f} {low.ci95}, {other} {high.ci95}"


def untrained(ch=8):
    paddle.seed(5)
    return ResnetGenerator(3, 3, ch, n_blocks=2, img_size=64, light=True)


def translated(generator, photos):
    return np.stack([to_pixels(generate(generator, to_input(photo)[None])[0][0]) for photo in photos])


def test_real_then_shipped_then_untrained_then_grey_then_photos(measure, others, shipped, photos):
    in_order(
        {
            "real": measure(others),
            "shipped": measure(shipped),
            "untrained": measure(translated(untrained(), photos)),
            "grey": measure(np.full_like(photos, 128)),
            "photos": measure(photos),
        }
    )


@pytest.mark.slow
def test_a_few_hundred_iterations_lie_between_the_shipped_model_and_none(measure, shipped, photos, tmp_path):
    make_dataset(tmp_path / "faces", 200, 2, 64, 6)
    config = start.configuration(ROOT / "work/configs/demo.yaml").replaced(ch=8, iteration=200, workers=1)
    system = start.system_of(config)
    with start.data_of(config, tmp_path / "faces", 0, 1, print) as data:
        for batch in data.iterate(1, config.iteration):
            system.step(*map(paddle.to_tensor, batch))
    in_order(
        {
            "shipped": measure(shipped),
            "a few hundred": measure(translated(system.networks["genA2B"], photos)),
            "untrained": measure(translated(untrained(), photos)),
        }
    )


def blurred(pictures, sigma):
    return np.stack([cv2.GaussianBlur(picture, (0, 0), sigma) for picture in pictures])


def noisy(pictures, deviation):
    noise = np.random.default_rng(0).normal(0, deviation, pictures.shape)
    return (pictures + noise).round().clip(0, 255).astype(np.uint8)


def shifted(pictures, levels):
    return (pictures.astype(int) + [levels, -levels // 2, 0]).clip(0, 255).astype(np.uint8)


def turned(pictures, hue):
    def one(picture):
        hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV).astype(int) + [hue, 0, 0]
        return cv2.cvtColor((hsv % [180, 256, 256]).astype(np.uint8), cv2.COLOR_HSV2RGB)

    return np.stack([one(picture) for picture in pictures])


def collapsed(pictures, modes):
    return pictures[np.arange(len(pictures)) % modes]


def coarse(pictures, side):
    small = [cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA) for picture in pictures]
    return np.stack([cv2.resize(picture, (64, 64), interpolation=cv2.INTER_NEAREST) for picture in small])


def pale(pictures, share):
    grey = pictures.mean(3, keepdims=True)
    return (grey + share * (pictures - grey)).round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("worsen", "amounts"),
    [
        (blurred, (1, 2, 4)),
        (noisy, (20, 40, 80)),
        (shifted, (25, 50, 100)),
        (turned, (15, 30, 60)),  # of 90, which is the opposite hue
        (collapsed, (10, 3, 1)),
        (coarse, (16, 8, 4)),
        (pale, (0.6, 0.3, 0)),
    ],
)
def test_the_worse_the_pictures_the_higher_the_kid(measure, others, worsen, amounts):
    found = [measure(others).all_pairs, *(measure(worsen(others, amount)).all_pairs for amount in amounts)]
    assert found == sorted(found) and found[-1] > found[0] + 0.1, found


def test_random_features_cannot_do_that(real, others, photos):
    """The reason for these features: random ones rank grey pictures nearer to cartoons than photo-like faces are."""
    extractor = FeatureExtractor("random")
    wanted = extractor.extract(real[:40])
    grey, photo = (
        kid(extractor.extract(pictures[:40]), wanted, subsets=1, bootstrap=0).all_pairs
        for pictures in (np.full_like(photos, 128), photos)
    )
    assert grey < photo / 2


def test_images_of_any_size_are_resized_once(extractor, real):
    large = np.stack([cv2.resize(picture, (160, 160), interpolation=cv2.INTER_CUBIC) for picture in real[:4]])
    assert extractor.extract(large).shape == (4, extractor.dimensions)
    assert np.array_equal(resized(real[0]), real[0].astype(np.float32))
    found = extractor.extract(real)
    assert found.dtype == np.float32 and np.isfinite(found).all()
    assert np.abs(extractor.extract(real[:1]) - found[:1]).max() < 1e-3 * np.abs(found).max()


def test_drawn_faces_are_measured_by_them_unless_something_else_is_asked_for(tmp_path, capsys):
    make_dataset(tmp_path / "faces", 1, 6, 64, 0)
    folder = tmp_path / "faces"
    assert is_drawn(folder) and is_drawn(folder / "testB") and not is_drawn(tmp_path)
    sets = ["--fake", str(folder / "testA"), "--real", str(folder / "testB"), "--no-cache", "--permutations", "0"]
    found = tmp_path / "kid.json"
    assert eval_kid.main([*sets, "--source", str(folder / "testA"), "--json", str(found)]) == 0
    report = json.loads(found.read_text())
    assert report["features"]["kind"] == "faces" and not report["features"]["comparable"]
    # Translated by nothing at all, every attribute is kept; the true cartoons are testB of the same data set.
    assert report["attributes"]["mean"] == 1 and 0.5 < report["attributes"]["mean_of_true_images"] < 1
    assert "attributes kept: 100.0 %" in capsys.readouterr().out
    assert eval_kid.main([*sets, "--features", "pixels", "--json", str(found)]) == 0
    assert json.loads(found.read_text())["features"]["kind"] == "pixels"


def test_a_damaged_file_is_one_line(tmp_path, monkeypatch):
    other = tmp_path / "pretrained"
    other.mkdir()
    damaged = bytearray(packaged("face_features").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (other / "face_features.safetensors").write_bytes(damaged)
    monkeypatch.setattr("paddle_ugatit.weights.pretrained._FOLDER", other)
    with pytest.raises(InputError, match="damaged"):
        FeatureExtractor("faces")


def test_the_training_command_teaches_attributes(tmp_path, capsys):
    out = tmp_path / "features.safetensors"
    assert train_face_features.main(["--out", str(out), "--images", "300", "--epochs", "6", "--batch-size", "32"]) == 0
    assert out.stat().st_size < 1_000_000
    rows = {row[:12].strip(): row[12:] for row in capsys.readouterr().out.splitlines()}
    assert float(rows["hair colour"].split()[-2]) > 25  # chance is 17 %
    assert set(formats.read(out).networks[""]) == set(formats.read(packaged("face_features")).networks[""])
    assert FaceFeatures(out).features(np.zeros((2, 64, 64, 3), np.uint8)).shape == (2, FaceFeatures.dimensions)


@pytest.mark.parametrize("wrong", [["--epochs", "0"], ["--images", "1"], ["--batch-size", "-3"]])
def test_training_refuses_senseless_options(tmp_path, capsys, wrong):
    assert train_face_features.main(["--out", str(tmp_path / "x.safetensors"), *wrong]) == 2
    assert capsys.readouterr().err.count("\n") == 1
