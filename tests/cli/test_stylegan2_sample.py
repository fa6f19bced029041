"""tools/sample.py with StyleGAN2: grids, truncation, mixing, lines; and what it refuses, in one line."""

import numpy as np
import pytest

from paddle_ugatit import formats
from paddle_ugatit.cli import sample
from paddle_ugatit.data.images import read_picture
from paddle_ugatit.training import start, state
from paddle_ugatit.training.stylegan2 import Config

SIZE = 16


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Five untrained networks, the running means other than the rest."""
    folder = tmp_path_factory.mktemp("weights")
    config = Config(img_size=SIZE, load_size=SIZE, latent_dim=32, style_depth=2, network_capacity=2)
    networks, others = start.system_of(config).networks, start.system_of(config.replaced(seed=1)).networks
    networks |= {"SE": others["S"], "GE": others["G"]}
    for name, chosen in (("all", "S G D SE GE"), ("latest", "S G"), ("lone", "G"), ("judge", "D")):
        kept = {name: networks[name] for name in chosen.split()}
        formats.write(folder / f"{name}.pdparams", state.weights_checkpoint(kept, "stylegan2", name))
    return folder


def drawn(weights, out, *options, name="all"):
    assert sample.main(["--weights", str(weights / f"{name}.pdparams"), "--out", str(out), *options]) == 0
    return np.asarray(read_picture(out)).astype(int)


def cell(picture, row, column):
    return picture[row * SIZE : (row + 1) * SIZE, column * SIZE : (column + 1) * SIZE]


def test_a_seed_is_the_same_picture_in_a_grid_a_folder_and_a_line(weights, tmp_path):
    grid = drawn(weights, tmp_path / "grid.png", "--seeds", "3,5", "--columns", "2")
    way = drawn(weights, tmp_path / "way.png", "--seeds", "3,5", "--interpolate", "--frames", "4")
    assert grid.shape == (SIZE, 2 * SIZE, 3) and way.shape == (SIZE, 4 * SIZE, 3)
    assert (
        sample.main(["--weights", str(weights / "all.pdparams"), "--out", str(tmp_path / "dir"), "--seeds", "3,5"]) == 0
    )
    alone = np.asarray(read_picture(tmp_path / "dir" / "seed000003.png")).astype(int)
    for other in (cell(grid, 0, 0), cell(way, 0, 0)):
        assert np.abs(alone - other).max() <= 1
    assert np.abs(cell(grid, 0, 1) - alone).max() > 1


def test_running_means_are_drawn_from_unless_told_otherwise(weights, tmp_path):
    means = drawn(weights, tmp_path / "a.png", "--count", "2")
    latest = drawn(weights, tmp_path / "b.png", "--count", "2", "--latest")
    assert not np.array_equal(means, latest)
    assert np.array_equal(latest, drawn(weights, tmp_path / "c.png", "--count", "2", name="latest"))


def test_truncation(weights, tmp_path):
    """At 0 all pictures have one style, and differ in nothing, since noise is silent at first."""
    none = drawn(weights, tmp_path / "a.png", "--count", "2", "--truncation", "0")
    full = drawn(weights, tmp_path / "b.png", "--count", "2", "--truncation", "1")
    usual = drawn(weights, tmp_path / "c.png", "--count", "2")
    spreads = [np.abs(cell(picture, 0, 0) - cell(picture, 0, 1)).mean() for picture in (none, usual, full)]
    assert spreads[0] == 0 < spreads[1] < spreads[2]
    assert np.array_equal(usual, drawn(weights, tmp_path / "d.png", "--count", "2", "--truncation", "0.75"))


def test_mixing_table(weights, tmp_path):
    table = drawn(weights, tmp_path / "a.png", "--seeds", "1-3", "--mix", "1")
    assert table.shape == (4 * SIZE, 4 * SIZE, 3) and cell(table, 0, 0).min() == 255
    for n in (1, 2, 3):  # the diagonal, the row above and the column at the left show the same seeds
        assert np.abs(cell(table, n, n) - cell(table, 0, n)).max() <= 1
        assert np.abs(cell(table, n, 0) - cell(table, 0, n)).max() <= 1
    assert np.abs(cell(table, 1, 2) - cell(table, 2, 1)).max() > 1
    columns = drawn(weights, tmp_path / "b.png", "--seeds", "1-3", "--mix", "0")
    assert np.abs(cell(columns, 1, 2) - cell(columns, 0, 2)).max() <= 1


@pytest.mark.parametrize(
    ("name", "options", "code", "told"),
    [
        ("all", ["--mix", "4", "--count", "2"], 2, "this generator has 3 blocks, 4 of them cannot be mixed"),
        ("all", ["--mix", "-1", "--count", "2"], 2, "-1 of them cannot be mixed"),
        ("all", ["--mix", "1", "--columns", "2"], 2, "--mix needs an image file"),
        ("all", ["--mix", "1", "--count", "64"], 2, "too many images"),
        ("all", ["--truncation", "3"], 2, "between -2 and 2"),
        ("all", ["--truncation", "-2.5"], 2, "between -2 and 2"),
        ("all", ["--attention"], 1, "no attention"),
        ("lone", [], 1, "needs its style network S"),
        ("judge", [], 1, "holds no generator"),
    ],
)
def test_refusals(weights, tmp_path, capsys, name, options, code, told):
    given = ["--weights", str(weights / f"{name}.pdparams"), "--out", str(tmp_path / "a.png"), *options]
    assert sample.main(given) == code
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
