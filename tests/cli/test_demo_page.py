"""The demo's page: each section from its files, left out without them, and a line for what cannot be read."""

import json

import numpy as np
import pytest

from paddle_ugatit.cli import demo_page
from paddle_ugatit.data.images import write_image


@pytest.fixture
def run(tmp_path):
    """A folder of a training run, as far as the page reads it."""
    folder = tmp_path / "run"
    (folder / "samples").mkdir(parents=True)
    for step in (0, 100, 200, 300, 400, 500):
        write_image(folder / "samples" / f"{step:07}_A2B.png", np.full((8, 8, 3), step // 2, np.uint8))
    rows = [
        "iteration,g_cycle_a,g_cycle_b,g_identity_a,g_identity_b",
        "10,10,10,50,50",
        "250,2,2,2,3",
        "500,1,1,1,1",
        "750,t",
    ]
    (folder / "losses.csv").write_text("\n".join(rows))
    (folder / "log.txt").write_text("2026-01-01 00:00:00 resumed after iteration 100\n")
    return folder


def measures(path, kid=1.5, attributes=None):
    report = {"kid": {"all_pairs": kid, "ci95": [kid - 0.5, kid + 0.5]}}
    path.write_text(json.dumps(report | ({"attributes": {"mean": attributes}} if attributes else {})))
    return path


def page(tmp_path, *arguments):
    out = tmp_path / "deep" / "index.html"
    assert demo_page.main(["--out", str(out), *map(str, arguments)]) == 0
    return out.read_text()


def test_every_section_is_on_the_page(tmp_path, run):
    write_image(tmp_path / "picture.png", np.zeros((8, 8, 3), np.uint8))
    first, second = measures(tmp_path / "a.json", 1.5, 0.75), measures(tmp_path / "b.json", 0.25)
    sections = ["--picture", tmp_path / "picture.png", "--run", run, "--beside", run / "losses.csv"]
    text = page(tmp_path, *sections, "--measures", f"this <run>={first}", f"b={second}")
    assert "Faces into cartoons" in text and "data:image/png;base64," in text
    assert "after iteration\n100." in text and "500 iterations show" in text
    assert text.count("<circle") == 3 and ">20<" in text and ">500<" in text
    assert [f"after {step} iterations" in text for step in (0, 100, 200, 300, 400, 500)] == [1, 0, 1, 1, 0, 1]
    assert "this &lt;run&gt;" in text and "1.500" in text and "1.000 to 2.000" in text and "75 %" in text
    assert "http" not in text  # it needs no network


def test_the_lowest_score_is_at_the_bottom_of_the_curve():
    curve = demo_page._curve([(0, 20.0), (100, 10.0), (200, 0.0)], [(100, 15.0), (150, 12.0), (1000, 5.0)])
    heights = [y for _, y in curve["dots"]]
    assert heights == sorted(heights) and heights[-1] == curve["floor"]
    assert [x for x, _ in curve["dots"]][-1] == curve["right"]
    # The other curve goes no farther than this one; where it ended is a line.
    assert len(curve["beside"]) == 2 and heights[0] < curve["beside"][0][1] < heights[1]
    assert heights[1] < curve["end"] < heights[2]


def test_sections_without_files_are_left_out(tmp_path):
    text = page(tmp_path)
    assert "Measured" not in text and "training" not in text and "PyTorch" not in text


def test_parity_leads_to_the_page_of_every_layer(tmp_path):
    report = {
        "schema": "paddle-ugatit-parity/1",
        "check": "forward",
        "verdict": "aligned",
        "summary": "forward: 5 comparisons",
        "cases": [],
    }
    path = tmp_path / "backward.json"
    path.write_text(json.dumps(report | {"check": "backward"}))
    (tmp_path / "index.html").write_text("")
    text = page(tmp_path, "--parity", path)
    assert "ALIGNED" in text and 'href="../index.html"' in text


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--picture", "nowhere.png"], "nowhere.png"),
        (["--measures", "nothing"], "NAME=FILE"),
        (["--measures", "a=nowhere.json"], "nowhere.json"),
        (["--measures", "a={bad}"], "not a report"),
        (["--parity", "{bad}"], "bad.json"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, capsys, arguments, word):
    (tmp_path / "bad.json").write_text("[1]")
    words = [text.replace("{bad}", str(tmp_path / "bad.json")) for text in arguments]
    assert demo_page.main(["--out", str(tmp_path / "index.html"), *words]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and word in error
    assert not (tmp_path / "index.html").exists()
