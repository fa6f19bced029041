"""check_api.py: its documents, what is bad usage, the line in other reports, and the page in a browser."""

import json
import re

import pytest

from align.api import command, document
from align.api.entry import Entry
from align.report.api_row import line_about
from tests.align.pairs import outcome, pair
from tests.align.test_browser import CHROMIUM, opened

HOSTILE = '</td><script>alert("x")</script>|`x`'


def row(**more):
    """A row of the documents."""
    plain = {"torch": "nn.A", "paddle": "nn.B", "anchor": "nn-a", "section": "Layers", "arguments": [HOSTILE]}
    plain |= {"verdicts": {"3.3.1": "differs"}, "forward": "1e-01", "gradient": "–", "single": "–"}
    recipe = {"said": HOSTILE, "code": HOSTILE, "forward": "0", "gradient": "0", "left": []}
    return plain | {"differences": [HOSTILE], "recipe": recipe, "own": ""} | more


FILES = {"3.3.1": {"versions": {"paddle": "3.3.1", "torch": "2.13.0"}}}


def test_hostile_texts_are_harmless():
    page = document.page([row()], FILES)
    assert '<script>alert("x")' not in page and "&lt;script&gt;" in page
    assert not re.search(r"(src|href)\s*=\s*.?https?:", page)
    line = next(line for line in document.markdown([row()], FILES, "# Title").splitlines() if "nn.A" in line)
    assert len(re.findall(r"(?<!\\)\|", line)) == 10


def test_figures_of_two_versions_stand_side_by_side():
    lines = {"abs": {"arguments": [], "initial": [], "verdict": "same", "naive": {"forward": 1e-16, "wrong": []}}}
    other = {"abs": lines["abs"] | {"verdict": "differs", "naive": {"forward": 0.1, "wrong": ["it differs"]}}}
    files = {"3.3.1": {"lines": lines}, "2.6.2": {"lines": other}}
    found = document.rows_of({"abs": Entry("abs", "abs", section="Mathematics")}, files)
    assert found[0]["forward"] == "1e-16 · 1e-01" and found[0]["differences"] == ["2.6.2: it differs"]
    assert document.needed(found[0])


def test_the_document_is_that_of_what_is_kept():
    from align.api.tables import every

    files = document.kept()
    rows = document.rows_of(every(), files)
    written = document.DOCUMENT.read_text(encoding="utf-8")
    assert written == document.markdown(rows, files, command.INTRO.read_text(encoding="utf-8")), (
        "python align/check_api.py --sample 0 --write makes it"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "nothing_of_this_name"], "no line of the table"),
        (["--write", "--sample", "3"], "--write needs all lines"),
        (["--sample", "-1"], "--sample must be"),
        (["--pairs", "--only", "abs"], "none of these lines is a layer"),
    ],
)
def test_bad_usage_is_one_line(words, said, capsys):
    assert command.main(words) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_some_lines_are_measured_and_compared_with_those_kept(capsys, monkeypatch):
    assert command.main(["--only", "nn.AvgPool1d", "square", "--jobs", "1"]) == 0
    assert "2 pairs: 1 same, 1 differs" in capsys.readouterr().out
    kept = document.kept()
    for file in kept.values():
        file["lines"]["square"]["verdict"] = "differs"
    monkeypatch.setattr(document, "kept", lambda: kept)
    assert command.main(["--only", "square", "--jobs", "1"]) == 1
    assert "KEPT AS: differs" in capsys.readouterr().out


def test_a_blamed_layer_leads_to_its_line(tmp_path, capsys):
    source = pair(
        "s.p = tnn.AvgPool2d(3, 2, 1)",
        "x: return s.p(x)",
        "s.p = pnn.AvgPool2D(3, 2, 1)",
        "x: return s.p(x)",
        "SHAPES = [(2, 3, 8, 8)]",
    )
    more = "more: torch.nn.AvgPool2d and paddle.nn.AvgPool2D: differs, see docs/api.md#nn-avgpool2d"
    page, report = tmp_path / "page.html", tmp_path / "report.json"
    code, said = outcome(tmp_path, source, capsys, "forward", "--html", str(page), "--json", str(report))
    assert code == 1 and more in said
    assert more.removeprefix("more: ") in page.read_text()
    assert json.loads(report.read_text())["cases"][0]["blamed"]["more"] in more
    assert f'<a id="{more.rpartition("#")[2]}"></a>' in document.DOCUMENT.read_text(encoding="utf-8")


def test_no_line_where_the_table_has_nothing_to_say():
    assert line_about(None) == "" and line_about({"type": "Linear2"}) == ""
    assert line_about({"type": "AvgPool2d", "what": "input"}) == ""
    assert "avg_pool2d" in line_about({"what": "input", "cause": {"name": "avg_pool2d with count_include_pad=True"}})


SEARCHED = """<script>
search.value = "batchnorm2d"; show();
const one = [...document.querySelectorAll(".row:not([hidden])")].map(row => row.id);
search.value = ""; odd.checked = true; show();
document.body.dataset.found = JSON.stringify({one, differ: document.querySelectorAll(".row:not([hidden])").length,
  all: document.querySelectorAll(".row").length, said: found.textContent});
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_the_page_searches_in_a_browser(tmp_path):
    from align.api.tables import every

    files = document.kept()
    page = document.page(document.rows_of(every(), files), files)
    seen, console = opened(page, tmp_path)
    assert console == [] and seen["hit"] and seen["wide"] <= max(seen["window"], 390)
    seen, console = opened(page.replace("</body>", SEARCHED + "</body>"), tmp_path)
    assert console == []
    found = json.loads(
        re.search(r'data-found="([^"]*)"', (tmp_path / "dom.html").read_text())[1].replace("&quot;", '"')
    )
    assert found["one"] == ["nn-batchnorm2d"] and 0 < found["differ"] < found["all"]
    assert found["said"] == f"{found['differ']} pairs"
