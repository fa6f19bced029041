"""tools/sample.py: grids, folders, lines, attention; the same picture for a seed; bad input in one line."""

import numpy as np
import paddle
import pytest

from paddle_ugatit import formats
from paddle_ugatit.cli import sample
from paddle_ugatit.data.images import read_image
from paddle_ugatit.data.transforms import random_normal
from paddle_ugatit.inference import sample as sampling
from paddle_ugatit.models.sagan import Discriminator, Generator
from paddle_ugatit.training.state import weights_checkpoint


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A SAGAN of 16 pixels whose attention counts."""
    folder = tmp_path_factory.mktemp("weights")
    paddle.seed(0)
    networks = {"G": Generator(16, 6, 8), "D": Discriminator(16, 8)}
    for layer in (networks["G"].attn1, networks["G"].attn2):
        layer.gamma.set_value(paddle.to_tensor([1.0]))
    formats.write(folder / "both.pdparams", weights_checkpoint(networks, "sagan", "x"))
    formats.write(folder / "alone.pdparams", weights_checkpoint({"D": networks["D"]}, "sagan", "x"))
    return folder


def draw(weights, out, *arguments, name="both"):
    return sample.main(["--weights", str(weights / f"{name}.pdparams"), "--out", str(out), *arguments])


def test_a_grid_in_lines(weights, tmp_path, capsys):
    assert draw(weights, tmp_path / "grid.png", "--seeds", "3,5-7,9", "--columns", "2") == 0
    assert read_image(tmp_path / "grid.png").shape == (3 * 16, 2 * 16, 3)
    assert (read_image(tmp_path / "grid.png")[32:, 16:] == 255).all()  # what the last line lacks
    assert capsys.readouterr().out == f"{tmp_path / 'grid.png'}: 5 images, 16x16 pixels each\n"


def test_a_seed_gives_the_same_picture_beside_whatever_others(weights, tmp_path):
    """On its own, in a grid, in a folder; another seed gives another."""
    assert draw(weights, tmp_path / "one.png", "--seeds", "7") == 0
    assert draw(weights, tmp_path / "grid.png", "--seeds", "1-20", "--columns", "20") == 0
    assert draw(weights, tmp_path / "folder", "--count", "18") == 0
    one, line = read_image(tmp_path / "one.png"), read_image(tmp_path / "grid.png")
    assert len(list((tmp_path / "folder").iterdir())) == 18
    assert np.abs(one.astype(int) - line[:, 6 * 16 : 7 * 16]).max() <= 1  # the order of sums goes with the batch
    assert np.abs(one.astype(int) - read_image(tmp_path / "folder/seed000007.png")).max() <= 1
    assert np.abs(one.astype(int) - line[:, 5 * 16 : 6 * 16]).max() > 1


def test_a_line_goes_from_seed_to_seed(weights, tmp_path):
    assert draw(weights, tmp_path / "way.png", "--seeds", "1,2,3", "--interpolate", "--frames", "5") == 0
    way = read_image(tmp_path / "way.png").astype(int)
    assert way.shape == (2 * 16, 5 * 16, 3)
    assert draw(weights, tmp_path / "ends.png", "--seeds", "1,2,3") == 0
    ends = read_image(tmp_path / "ends.png").astype(int)
    for row, column, seed in ((0, 0, 0), (0, 4, 1), (1, 0, 1), (1, 4, 2)):
        place = way[16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
        assert np.abs(place - ends[:, 16 * seed : 16 * seed + 16]).max() <= 1


def test_attention_beside_the_grid(weights, tmp_path):
    assert draw(weights, tmp_path / "a.png", "--seeds", "0-2", "--attention") == 0
    assert read_image(tmp_path / "a-attention.png").shape == (3 * 16, 9 * 16, 3)


def test_attention_shows_what_a_place_looks_at():
    """A map that looks at one place only is red there; the place that looks is marked."""
    attention = np.zeros((1, 64, 64), np.float32)
    attention[:, :, 8 * 2 + 5] = 1  # all look at row 2, column 5 of 8
    picture = sampling.attention_rows(np.full((1, 3, 64, 64), -1, np.float32), [attention])
    assert picture.shape == (64, 5 * 64, 3)
    for place in range(4):
        tile = picture[:, 64 * (place + 1) : 64 * (place + 2)].astype(int)
        down, across = (int(part * 64) for part in sampling.PLACES[place])
        assert tuple(tile[down, across]) == sampling.DOTS[place]
        tile[down - 2 : down + 2, across - 2 : across + 2] = 0
        redness = tile[..., 0] - tile[..., 2]
        assert np.hypot(*(np.array(np.unravel_index(redness.argmax(), redness.shape)) - (20, 44))) < 5


def test_normal_numbers_are_pinned_and_normal():
    """The picture of a seed must not change between releases, ours or NumPy's."""
    np.testing.assert_allclose(
        random_normal(3, count=3), [-1.9280651204539603, 1.40904577612199, -0.6077592141061802], rtol=1e-12
    )
    values = np.concatenate([random_normal(seed, count=100) for seed in range(100)])
    assert abs(values.mean()) < 0.03 and abs(values.std() - 1) < 0.03 and abs((values**4).mean() - 3) < 0.3
    assert abs(np.corrcoef(random_normal(0, count=1000), random_normal(1, count=1000))[0, 1]) < 0.1


def test_the_way_between_latents_keeps_their_length():
    one, other = random_normal(0, count=500), random_normal(1, count=500)
    way = sampling.slerp(one, other, 5)
    np.testing.assert_allclose(way[[0, -1]], [one, other], rtol=1e-12)
    lengths = np.linalg.norm(way, axis=1)
    assert lengths.min() > 0.9 * np.linalg.norm(one) > 1.2 * np.linalg.norm((one + other) / 2)
    np.testing.assert_array_equal(sampling.slerp(one, one, 3), [one] * 3)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--seeds", "a"], 2, "'a' is neither a number nor a range"),
        (["--seeds", "5-3"], 2, "'5-3' is no range"),
        (["--seeds", "-1"], 2, "neither a number"),
        (["--seeds", "0-999999"], 2, "exceeds 100000 seeds"),
        (["--seeds", "99999999999999999999"], 2, "no range"),
        (["--count", "0"], 2, "--count must be 1"),
        (["--count", "5000"], 2, "too many for one file"),
        (["--columns", "0"], 2, "--columns must be 1"),
        (["--frames", "3"], 2, "--frames needs --interpolate"),
        (["--interpolate", "--count", "1"], 2, "at least two seeds"),
        (["--interpolate", "--frames", "1"], 2, "--frames must be 2"),
        (["--interpolate", "--columns", "3"], 2, "--columns applies to a grid only"),
        (["--attention", "--interpolate"], 2, "--attention applies to a grid only"),
        (["--device", "abacus"], 2, "--device abacus"),
    ],
)
def test_bad_usage_is_one_line(weights, tmp_path, capsys, arguments, code, message):
    arguments = [f"--seeds={arguments[1]}"] if arguments[0] == "--seeds" else arguments
    assert draw(weights, tmp_path / "x.png", *arguments) == code
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("sample: ") and message in line
    assert not list(tmp_path.iterdir())


def test_bad_input_is_one_line(weights, tmp_path, capsys):
    damaged = tmp_path / "damaged.pdparams"
    damaged.write_bytes((weights / "both.pdparams").read_bytes()[:5000])
    occupied = tmp_path / "occupied"
    occupied.write_bytes(b"")
    for arguments, message in [
        (["--weights", "absent.pth", "--out", str(tmp_path / "x.png")], "absent.pth"),
        (["--weights", str(damaged), "--out", str(tmp_path / "x.png")], "damaged.pdparams"),
        (["--weights", str(weights / "alone.pdparams"), "--out", str(tmp_path / "x.png")], "holds no generator"),
        (["--weights", str(weights / "both.pdparams"), "--out", str(tmp_path / "x.xyz")], "images cannot be written"),
        (["--weights", str(weights / "both.pdparams"), "--out", str(tmp_path / "no/x.png")], "there is no folder"),
        (["--weights", str(weights / "both.pdparams"), "--out", str(occupied), "--count", "1"], "occupied"),
    ]:
        assert sample.main(arguments) == 1
        last = capsys.readouterr().err.strip().splitlines()[-1]
        assert last.startswith("sample: ") and message in last


def test_a_generator_that_gives_nan_is_refused(weights, tmp_path, capsys):
    network = Generator(16, 6, 8)
    network.last[0].bias.set_value(paddle.full([3], float("nan")))
    formats.write(tmp_path / "nan.pdparams", weights_checkpoint({"G": network}, "sagan", "x"))
    assert draw(tmp_path, tmp_path / "x.png", "--count", "1", name="nan") == 1
    assert "gives NaN" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a.gif", "absent/a.png"])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_drawn(
    weights, tmp_path, monkeypatch, capsys, name
):
    monkeypatch.setattr(sample, "sampler_of", lambda _: pytest.fail("drawn"))
    assert draw(weights, tmp_path / name) == 1
    assert str(tmp_path / name) in capsys.readouterr().err
