"""StyleGAN2 learns: on tiny cartoons the KID of its samples falls, and does not where the generator stands still."""

from pathlib import Path

import paddle
import pytest

from paddle_ugatit.cli import make_dataset
from paddle_ugatit.training import start

TINY = dict(img_size=16, load_size=16, network_capacity=4, fmap_max=32, latent_dim=64, style_depth=4)


@pytest.fixture(scope="module")
def cartoons(tmp_path_factory):
    """The procedural faces, tiny."""
    folder = tmp_path_factory.mktemp("cartoons") / "faces"
    assert make_dataset.main(["--out", str(folder), "--train", "200", "--test", "100", "--size", "16"]) == 0
    return folder


def distances(folder, iterations, **changes):
    """KID on pixels of the samples to the test pictures, untrained and after some iterations; the demo's options."""
    path = Path(__file__).resolve().parents[2] / "work/configs/stylegan2_demo.yaml"
    config = start.configuration(path).replaced(**TINY, iteration=iterations, eval_features="pixels", **changes)
    system, evaluation = start.system_of(config), start.evaluation_of(config, folder, print)
    found = [evaluation.measure(system, system.networks)["mean"]]
    with start.data_of(config, folder, 0, 1, print) as data:
        for (batch,) in data.iterate(1, iterations):
            system.step(paddle.to_tensor(batch))
    return [*found, evaluation.measure(system, system.networks)["mean"]]


def test_samples_come_nearer_to_the_data(cartoons):
    before, after = distances(cartoons, 150)
    assert after < before / 4


def test_samples_of_a_generator_that_does_not_learn_come_no_nearer(cartoons):
    before, after = distances(cartoons, 30, lr=0)
    assert after > before / 2
