"""bench.py busy and scale: what they print follows from what was measured."""

import xml.etree.ElementTree as xml

import pytest

from align.bench import busy, machine, scale
from align.report.growth import Curve, exponent, growth_chart

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr(machine.Watch, "others", lambda self: 0.0)


@pytest.fixture
def shares(monkeypatch):
    """`busy` with invented seconds on a machine of 4 cores: (setting, busy) -> seconds."""
    found = {("before", 0): 1.0, ("after", 0): 1.0, ("before", 4): 20.0, ("after", 4): 2.0}
    monkeypatch.setattr(machine, "cores", lambda: 4)
    monkeypatch.setattr(busy, "seconds", lambda name, setting, count: found[setting, count])
    return found


def rows(out):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines() if line.startswith("|")][2:]


def test_a_share_is_the_time_when_busy_by_the_fair_one(shares, capsys):
    assert busy.main(["--only", "KID", "training, demo", "--repeat", "1"]) == 0
    out = capsys.readouterr().out
    assert [row[1:] for row in rows(out)] == [["1", "1", "2", "20", "1.00", "10.00"]] * 2  # stylegan2_demo is none
    assert "4 other jobs when busy" in out and "all keep to 1.3" in out


def test_more_than_the_fair_share_is_an_error(shares, capsys):
    shares["after", 4] = 2.7
    assert busy.main(["--only", "KID", "--repeat", "1"]) == 1
    assert "1.35" in rows(capsys.readouterr().out)[0] and busy.LIMIT < 1.35


def test_jobs_compute_and_end():
    with busy.jobs(2) as _:
        pass
    start, own = machine.own_seconds(), 0.0
    with busy.jobs(1):
        import time

        time.sleep(1.0)
    own = machine.own_seconds() - start
    assert own > 0.1  # it has been waited for, and so counts as the benchmark's own


@pytest.mark.parametrize("name", [name for name, (make, _) in busy.WORK.items() if make])
def test_every_piece_of_work_can_be_made(name):
    assert callable(busy.WORK[name][0]())


def test_a_piece_of_work_is_timed_in_its_own_process(monkeypatch):
    name = "training, stylegan2_demo.yaml"
    assert 0 < busy.seconds(name, "after", 0) < 60
    monkeypatch.setattr(busy, "COMMAND", ["false"])
    with pytest.raises(RuntimeError, match="parity"):
        busy.seconds(next(iter(busy.WORK)), "before", 0)


@pytest.mark.parametrize("words", [["--only", "nothing"], ["--repeat", "0"], ["--jobs", "0"]])
def test_bad_options_of_busy(words, capsys):
    with pytest.raises(SystemExit) as ended:
        busy.main(words)
    assert ended.value.code == 2


@pytest.fixture
def costs(monkeypatch):
    """`scale` with invented costs: seconds and GiB as functions of the size."""
    found = {"cpu": lambda n: 1e-3 * n, "peak": lambda n: 1e-6 * n}
    monkeypatch.setattr(scale, "measured", lambda name, size: {key: f(size) for key, f in found.items()})
    return found


@pytest.mark.parametrize(
    ("seconds", "code", "power"),
    [(lambda n: 1e-3 * n**2, 0, "n^2.00"), (lambda n: 1e-9 * n**2.3, 1, "n^2.30"), (lambda n: 3.0, 0, "n^0.00")],
)
def test_what_grows_faster_than_it_must_is_an_error(costs, seconds, code, power, capsys):
    costs["cpu"] = seconds
    assert scale.main(["--only", "KID"]) == code
    row = rows(capsys.readouterr().out)[0]
    assert row[4:] == [power, "n^2", "n^1.00", "n^1"]


def test_memory_counts_too(costs, capsys):
    costs["peak"] = lambda n: 1e-9 * n**1.5
    assert scale.main(["--only", "KID"]) == 1


def test_the_page_gets_table_and_plot(costs, tmp_path, monkeypatch, capsys):
    page, picture = tmp_path / "speed.md", tmp_path / "scale.svg"
    monkeypatch.setattr(scale, "PAGE", page)
    monkeypatch.setattr(scale, "PICTURE", picture)
    page.write_text(f"before\n{scale.BEGIN}\nold\n{scale.END}\nafter\n")
    scale.main(["--write"])
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert all(f"| {name} |" in text for name in scale.SERIES) and "machine: " in text and "quiet" in text
    drawn = xml.parse(picture).getroot()
    assert len(drawn.findall(f"{SVG}polyline")) == 2 * len(scale.SERIES)
    page.write_text("no marks")
    assert scale.main(["--write"]) == 1
    assert page.read_text() == "no marks" and "needs the lines" in capsys.readouterr().err


def test_a_size_is_measured_in_its_own_process():
    cost = scale.measured("KID by images", 50)
    assert cost["cpu"] > 0 and cost["peak"] >= 0
    with pytest.raises(RuntimeError, match="failed: .*samples"):
        scale.measured("KID by images", 1)


@pytest.mark.parametrize("name", [name for name in scale.SERIES if "processes" not in name])
def test_every_series_can_be_made(name):
    series = scale.SERIES[name]
    assert callable(series.make(series.sizes[0])) and list(series.sizes) == sorted(series.sizes)


def test_an_exponent_is_fitted():
    assert exponent([1, 2, 4], [3, 12, 48]) == pytest.approx(2)
    assert exponent([1, 2], [5, 5]) == 0
    assert exponent([1, 2], [0.0, 5]) is None and exponent([3], [1]) is None and exponent([3, 3], [1, 2]) is None


def test_the_chart_is_drawn_relative_to_the_smallest():
    curves = [Curve("a<b", (10, 40), (1.0, 4.0), (2.0, 4.0)), Curve("c", (5, 10, 20), (1.0, 0.5, 1.0), (3.0, 3.0, 3.0))]
    drawn = xml.fromstring(growth_chart(curves, "what & how"))
    lines = [
        [tuple(map(float, p.split(","))) for p in line.get("points").split()]
        for line in drawn.findall(f"{SVG}polyline")
    ]
    assert lines[0][0][0] == lines[1][0][0] and lines[0][0][1] == lines[1][0][1]  # all begin at 1, 1
    assert lines[1][1][1] > lines[1][0][1]  # less is lower
    assert lines[0][-1][0] == lines[1][-1][0]  # four times the smallest, both
    assert lines[2][1][1] < lines[3][2][1]
    words = "".join(drawn.itertext())
    assert "a<b" in words and "what & how" in words
