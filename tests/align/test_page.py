"""The parity page: verdict in sight, nothing fetched, hostile names harmless, bad input refused."""

import copy
import json
import math
import random
from html.parser import HTMLParser

import pytest
from jinja2 import UndefinedError

from align.report import charts, page
from paddle_ugatit.formats import html

HOSTILE = '</td><script>alert("x")</script><img src="http://example.org/x.png">&amp;'
VOID = {"meta", "br", "img", "link", "input", "hr"}


def make_report(layers=80, faulty=None, check="forward", seed=0):
    """A made-up report of a generator; with `faulty` that layer fails alone and the later ones inherit it."""
    rng = random.Random(seed)
    parts = ["DownBlock"] * 20 + ["gap_fc", "gmp_fc", "conv1x1"] + ["FC"] * 4
    parts += [f"UpBlock1_{1 + i // 8}" for i in range(32)] + ["UpBlock2"] * 21
    types = ["ReflectionPad2D", "Conv2D", "InstanceNorm2D", "ReLU"]
    rows = []
    for place in range(layers):
        name = f"{parts[place % len(parts)]}.{place}"
        for view in ("isolated", "propagated"):
            for dtype in ("float64", "float32"):
                rows.append(_row(rng, place, name, types[place % 4], view, dtype, faulty))
    failed = sum(row["verdict"] == "fail" for row in rows)
    inherited = sum(row["verdict"] == "inherited" for row in rows)
    verdict = "diverged" if failed else "aligned"
    bad = next((row for row in rows if row["verdict"] == "fail"), None)
    case = {
        "name": "generator-light",
        "title": "Generator, light, current revision",
        "layer": "ResnetGenerator",
        "equation": "y = gamma * (rho * IN(x) + (1 - rho) * LN(x)) + beta",
        "paddle": "paddle_ugatit/models/ugatit.py",
        "torch": "torch_ref/models/ugatit.py",
        "options": {"light": True, "img_size": 256, "ngf": 64},
        "verdict": verdict,
        "seconds": 12.5,
        "blamed": bad and _blamed(bad),
        "counts": {"compared": len(rows), "failed": failed, "inherited": inherited},
        "rows": rows,
    }
    return {
        "schema": page.SCHEMA,
        "check": check,
        "verdict": verdict,
        "summary": f"{len(rows)} comparisons in 1 case",
        "created": "2026-01-01T00:00:00",
        "seconds": 61.2,
        "peak_gib": 3.1,
        "seed": 0,
        "command": f"python align/check_{check}.py",
        "versions": {"python": "3.11.7", "numpy": "2.4.6", "paddle": "3.3.1", "torch": "2.13.0"},
        "runtime": ["OMP threads 2"],
        "reference": {"kind": "live", "file": None, "torch": "2.13.0"},
        "weights": None,
        "cases": [case],
    }


def _blamed(row):
    message = "error 1.0e-06 where 1.0e-10 is allowed: a wrong eps fits the residual"
    return {"layer": row["layer"], "what": "output", "call": 0, "view": "isolated", "message": message}


def _row(rng, place, name, kind, view, dtype, faulty):
    depth = 1 if view == "isolated" else 1 + place / 8
    small = dtype == "float64"
    error = (2e-16 if small else 1.2e-7) * depth * rng.uniform(1, 4)
    if kind == "ReflectionPad2D" and view == "isolated":
        error = 0.0
    floor = None if small else 1.2e-7 * depth * rng.uniform(2, 4)
    limit = 1e-10 if small else 4 * floor
    verdict = "pass"
    if faulty is not None and (place == faulty or (place > faulty and view == "propagated")):
        error = 1e-6 * rng.uniform(1, 3) * (1 + (place - faulty) / 10) * (1 if small else 5)
        if error > limit:
            verdict = "fail" if place == faulty else "inherited"
    return {
        "layer": name,
        "type": kind,
        "call": 0,
        "what": "output",
        "slot": "0",
        "view": view,
        "dtype": dtype,
        "shape": [1, 64, 256, 256],
        "error": error,
        "floor": floor,
        "limit": limit,
        "verdict": verdict,
        "note": "",
    }


class Reader(HTMLParser):
    """Collects tags, texts and attributes; complains of tags that do not nest."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = [], [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *attribute) for attribute in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *attribute) for attribute in attributes]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def text_of(self, tag):
        return " ".join(text for inside, text in self.texts if inside == tag)


def test_aligned_page_says_so_on_top():
    reader = Reader(page.render([make_report()]))
    assert "ALIGNED" in reader.text_of("h1")
    assert "diverged" not in reader.text_of("span").lower()
    assert "320 comparisons in 1 case" in reader.text_of("p")
    assert "Paddle 3.3.1" in reader.text_of("p")


def test_diverged_page_blames_the_layer_and_shows_its_rows_first():
    html = page.render([make_report(faulty=40)])
    reader = Reader(html)
    blamed = make_report(faulty=40)["cases"][0]["blamed"]["layer"]
    assert "DIVERGED" in reader.text_of("h1")
    assert f"blamed: {blamed}" in reader.text_of("text")
    assert html.index("<h4>Failing") < html.index("<summary>All 80 tensors")
    counts = make_report(faulty=40)["cases"][0]["counts"]
    assert html.count('href="#mark-fail"') == counts["failed"] > 1
    assert html.count('href="#mark-inherited"') == counts["inherited"] > 40


def test_the_worst_of_several_reports_is_the_verdict():
    reader = Reader(page.render([make_report(), make_report(faulty=3, check="backward")]))
    assert "DIVERGED" in reader.text_of("h1")
    anchors = {value for _, name, value in reader.attributes if name == "id"}
    links = [value[1:] for tag, name, value in reader.attributes if (tag, name) == ("a", "href")]
    assert len(links) == 2 and set(links) <= anchors


def test_nothing_is_fetched_from_elsewhere():
    report = make_report(faulty=10)
    report["summary"] = report["cases"][0]["title"] = HOSTILE
    html = page.render([report])
    reader = Reader(html)
    assert not {"script", "link", "img", "iframe", "object", "image", "base", "form"} & set(reader.tags)
    for _, name, value in reader.attributes:
        assert not name.startswith("on")
        if name in ("href", "src", "xlink:href", "srcset", "data", "action"):
            assert value.startswith("#")
    assert "url(" not in html and "@import" not in html


def test_hostile_names_appear_as_text():
    report = make_report(layers=6, faulty=2)
    case = report["cases"][0]
    for row in case["rows"]:
        row.update(layer=HOSTILE, type=HOSTILE, slot=HOSTILE, note=HOSTILE)
    case.update(name=HOSTILE, title=HOSTILE, layer=HOSTILE, equation=HOSTILE, options={HOSTILE: HOSTILE})
    case["blamed"].update(layer=HOSTILE, message=HOSTILE)
    report.update(command=HOSTILE, summary=HOSTILE, check=HOSTILE, runtime=[HOSTILE])
    html = page.render([report])
    assert "<script" not in html and "<img" not in html
    assert HOSTILE in Reader(html).text_of("h3")


@pytest.mark.parametrize("error", [None, math.nan, math.inf])
def test_no_number_is_drawn_in_its_own_lane(error):
    report = make_report(layers=10, faulty=5)
    row = next(row for row in report["cases"][0]["rows"] if row["verdict"] == "fail")
    row.update(error=error, note="NaN in Paddle's output")
    html = page.render([report])
    assert f'y="{charts.MISSING_Y}"' in html
    assert "NaN in Paddle&#39;s output" in html
    assert ">none</text>" in html


def test_exact_and_edge_values_are_drawn_inside_the_panel():
    report = make_report(layers=4)
    rows = report["cases"][0]["rows"]
    for row, error in zip(rows, (0, 5e-324, 1e-300, 1e300, 0.0), strict=False):
        row.update(error=error)
    scale = charts._Scale(rows)
    heights = [scale.y(row["error"]) for row in rows]
    assert heights[0] == heights[4] == charts.EXACT_Y
    assert heights[1] == heights[2] == charts.LOG_BOTTOM and heights[3] == charts.LOG_TOP
    Reader(page.render([report]))


def test_a_layer_of_one_view_is_slotted_into_its_place():
    rows = [{"view": "isolated", "layer": name, "call": 0} for name in ("a", "b", "d")]
    rows += [{"view": "propagated", "layer": name, "call": 0} for name in ("a", "c", "d")]
    order = [layer for layer, _ in charts._execution_order(rows)]
    assert sorted(order) == ["a", "b", "c", "d"]
    assert order[0] == "a" and order[-1] == "d"


def test_the_full_training_set_stays_small():
    reports = [make_report(layers=1250, check=check) for check in ("forward", "backward")]
    assert sum(len(report["cases"][0]["rows"]) for report in reports) == 10_000
    assert len(page.render(reports).encode()) < 4e6


def _set(report, *path_and_value):
    *path, last, value = path_and_value
    for key in path:
        report = report[key]
    report[last] = value


@pytest.mark.parametrize(
    "fault",
    [
        ("schema", "other/1"),
        ("verdict", "fine"),
        ("cases", []),
        ("cases", None),
        ("cases", 0, "rows", []),
        ("cases", 0, "rows", 0, {}),
        ("cases", 0, "rows", 0, "verdict", "fail"),
        ("cases", 0, "rows", 0, "error", None),
        ("cases", 0, "rows", 0, "view", "sideways"),
        ("cases", 0, "verdict", "diverged"),
        ("cases", 0, "title", None),
        ("cases", 0, "options", ["light"]),
        ("cases", 0, "blamed", {"layer": "UpBlock2.0"}),
    ],
)
def test_a_malformed_report_is_one_line_and_exit_2(fault, tmp_path, capsys):
    report = make_report(layers=4)
    _set(report, *fault)
    source, target = tmp_path / "report.json", tmp_path / "page.html"
    source.write_text(json.dumps(report))
    assert page.main([str(source), "--html", str(target)]) == 2
    message = capsys.readouterr().err
    assert message.startswith("page.py: ") and message.count("\n") == 1
    assert not target.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"'])
def test_what_is_no_report_is_refused(text, tmp_path, capsys):
    source = tmp_path / "report.json"
    source.write_text(text)
    assert page.main([str(source), "--html", str(tmp_path / "page.html")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert page.main([str(tmp_path / "absent.json"), "--html", str(tmp_path / "page.html")]) == 2


def test_command_line_writes_the_page_and_leaves_nothing_else(tmp_path):
    source, target = tmp_path / "report.json", tmp_path / "deep" / "page.html"
    source.write_text(json.dumps(make_report(faulty=7)))
    assert page.main([str(source), str(source), "--html", str(target)]) == 0
    assert [entry.name for entry in target.parent.iterdir()] == ["page.html"]
    assert "DIVERGED" in target.read_text(encoding="utf-8")


def test_a_failed_render_leaves_the_former_page(tmp_path):
    target = tmp_path / "page.html"
    page.write_page([make_report(layers=4)], target)
    before = target.read_bytes()
    broken = copy.deepcopy(make_report(layers=4))
    broken["cases"][0]["rows"] = []
    with pytest.raises(page.ReportError):
        page.write_page([broken], target)
    assert target.read_bytes() == before


def test_templates_escape_their_values_and_miss_none(tmp_path):
    (tmp_path / "page.html").write_text("<p>{{ text }}</p>")
    template = html.environment(tmp_path).get_template("page.html")
    assert template.render(text='<b title="x">') == "<p>&lt;b title=&#34;x&#34;&gt;</p>"
    with pytest.raises(UndefinedError):
        template.render()
