"""The command that makes README's pictures: what they show, how large they are, what it says to bad input."""

import json
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paddle_ugatit import ResnetGenerator, formats
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.cli import make_pictures
from paddle_ugatit.cli.parity_chart import parity_chart
from paddle_ugatit.data.faces import draw as faces
from paddle_ugatit.data.images import read_image
from paddle_ugatit.inference import figures

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools" / "make_pictures.py"
PICTURES = ("translation.png", "faces.png", "parity.svg", "resizing.png")
SVG = "{http://www.w3.org/2000/svg}"


def generator(seed):
    network = ResnetGenerator(3, 3, ngf=4, n_blocks=1, light=True)
    rng = np.random.default_rng(seed)
    for parameter in network.parameters():
        parameter.set_value(rng.normal(0, 0.3, parameter.shape).astype("float32"))
    return network


@pytest.fixture(scope="module")
def networks():
    return {"genA2B": generator(0), "genB2A": generator(1)}


@pytest.fixture
def run_folder(tmp_path, networks):
    folder = tmp_path / "run" / "checkpoints" / "latest"
    folder.mkdir(parents=True)
    states = {
        name: {key: np.ascontiguousarray(tensor.numpy()) for key, tensor in network.state_dict().items()}
        for name, network in networks.items()
    }
    formats.write(folder / "weights.pdparams", formats.Checkpoint(states, "paddle", {}))
    return tmp_path / "run"


def row(layer, error, dtype="float64", view="isolated", limit=1e-10, what="output"):
    return {"layer": layer, "call": 0, "view": view, "dtype": dtype, "error": error, "limit": limit, "what": what}


def report(*rows):
    cases = [{"name": "small", "rows": [row("a", 0.0)]}, {"name": "net", "rows": list(rows)}]
    return {"schema": "paddle-ugatit-parity/1", "cases": cases}


def drawn(svg):
    """Centres of the chart's points, without the legend's."""
    circles = xml.fromstring(svg).iter(f"{SVG}circle")
    return [(float(c.get("cx")), float(c.get("cy"))) for c in circles if c.get("r") == "2.6"]


def test_all_three_pictures(tmp_path, run_folder, capsys):
    (tmp_path / "forward.json").write_text(json.dumps(report(row("a", 1e-15), row("b", 1e-7, "float32"))))
    options = ["--out", str(tmp_path / "img"), "--run", str(run_folder), "--faces", "3", "--size", "32"]
    assert make_pictures.main([*options, "--parity", str(tmp_path / "forward.json")]) == 0
    assert sorted(path.name for path in (tmp_path / "img").iterdir()) == sorted(PICTURES)
    assert [line.partition(":")[0].rpartition("/")[2] for line in capsys.readouterr().out.splitlines()] == [*PICTURES]
    preview = faces.preview(96, 0, 3).astype(int)
    assert np.abs(read_image(tmp_path / "img" / "faces.png") - preview).mean() < 6
    assert xml.parse(tmp_path / "img" / "parity.svg").getroot().tag == f"{SVG}svg"


def test_the_picture_of_a_photograph(tmp_path, run_folder, capsys):
    pytest.importorskip("skimage")
    options = ["--out", str(tmp_path / "img"), "--run", str(run_folder), "--size", "32", "--only", "photo"]
    assert make_pictures.main(options) == 0
    assert [path.name for path in (tmp_path / "img").iterdir()] == ["photo.png"]
    found = read_image(tmp_path / "img" / "photo.png")
    assert found.shape[0] == 320 + 22 and (found[:18] < 100).any()
    photo, back = found[20:340, :400].astype(int), found[20:340, -404:-4].astype(int)
    assert np.abs(photo - back)[250:].mean() < 8 < np.abs(photo - back)[60:180, 150:300].mean()


def test_the_picture_of_a_short_training(tmp_path, run_folder, capsys):
    options = ["--out", str(tmp_path / "img"), "--run", str(run_folder), "--faces", "3", "--size", "32"]
    assert make_pictures.main([*options, "--only", "short"]) == 0
    assert [path.name for path in (tmp_path / "img").iterdir()] == ["short.png"]
    assert make_pictures.main([*options, "--only", "translation"]) == 0
    assert np.array_equal(*(read_image(tmp_path / "img" / name) for name in ("short.png", "translation.png")))


def test_a_figure_has_four_named_rows(networks):
    pictures = [faces.draw("testA", i, 32, 0) for i in range(2)]
    found = figures.translation_figure(networks, pictures, 64)
    assert found.dtype == np.uint8 and found.shape == (4 * 66, 112 + 2 * 66, 3)
    rows = found.reshape(4, 66, -1, 3)
    assert all((lines[:, :112] < 128).any() for lines in rows)
    shown = rows[0, :64, 114:178]
    enlarged = np.asarray(Image.fromarray(pictures[0]).resize((64, 64), Image.Resampling.BICUBIC))
    assert np.abs(shown.astype(int) - enlarged).mean() < 3
    assert len({lines[:64, 114:178].tobytes() for lines in rows}) == 4


def test_the_chart_shows_the_largest_error_of_every_call():
    rows = [row("a", 1e-15), row("a", 1e-12), row("b", 0.0), row("b", 1e-6, "float32", limit=1e-4)]
    svg = parity_chart(report(*rows, row("c", 1.0, view="propagated"), row("a", 1.0, what="input")))
    points = drawn(svg)
    assert len(points) == 3 and "net: 2 layer calls, largest error in float64 1e-12" in svg
    heights = {x: [y for place, y in points if place == x] for x, _ in points}
    first, second = (heights[x] for x in sorted(heights))
    assert len(first) == 1 and len(second) == 2 and min(second) < first[0] < max(second)
    assert len(drawn(parity_chart(report(*rows), "small"))) == 1


def test_the_chart_is_well_formed_whatever_the_names():
    svg = parity_chart({"cases": [{"name": "<&>", "rows": [row('"a"', 1e-15)]}]})
    assert len(drawn(svg)) == 1 and "&lt;&amp;&gt;" in svg


def test_a_report_without_layers_is_refused():
    with pytest.raises(InputError, match="no layer on its own"):
        parity_chart(report(row("a", 1.0, view="propagated")), "net")
    with pytest.raises(InputError, match="has no case other; it has small, net"):
        parity_chart(report(row("a", 1.0)), "other")


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        (["--run", "nowhere"], 1, "holds no checkpoint; bash tools/demo.sh trains one"),
        (["--weights", "none.pdparams"], 1, "none.pdparams"),
        (["--faces", "0"], 2, "--faces must be 1 to 100"),
        (["--size", "3"], 2, "--size must be 16 to 1024"),
        (["--seed", "-1"], 2, "--seed must be 0 or more"),
        (["--only", "parity"], 2, "needs --parity"),
        (["--only", "short"], 2, "needs --run"),
        (["--only", "parity", "--parity", "none.json"], 1, "none.json: cannot be read"),
        (["--only", "parity", "--parity", str(SCRIPT)], 1, "is not JSON"),
        (["--only", "faces", "--out", "/proc/none"], 1, "/proc/none"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, options, code, reason):
    monkeypatch.chdir(tmp_path)
    assert make_pictures.main(options) == code
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("make_pictures: ") and reason in lines[0]


def test_a_report_of_something_else_is_refused(tmp_path, capsys):
    (tmp_path / "kid.json").write_text('{"schema": "paddle-ugatit-kid/1"}')
    assert make_pictures.main(["--only", "parity", "--parity", str(tmp_path / "kid.json")]) == 1
    assert "is not a report of align/check_forward.py" in capsys.readouterr().err


def test_help_has_an_example():
    done = subprocess.run([sys.executable, SCRIPT, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "python tools/make_pictures.py" in done.stdout
