"""The page says which modes, batches, sizes and depths were compared, and lists nothing that was not."""

from align.cases import CASES
from align.checks.layers import case_entry, check_case
from align.compare.reference import measure
from align.compare.torch_side import TorchSide
from align.compare.verdict import Row
from align.report.coverage import COLUMNS, coverage
from align.report.document import document
from align.report.page import render

ABOUT = {"kind": "live", "file": None, "torch": TorchSide.version}
ROW = Row("a", "", 0, "output", "0", "isolated", "float64", [1], 0.0, None, 1e-10)


def report_of(names, rows=(ROW,), check="forward"):
    entries = [case_entry(CASES[name], 0, "aligned", "", 0.0, None, list(rows)) for name in names]
    return document(check, entries, 1.0, 0, ABOUT, None)


def test_the_lines_hold_what_the_cases_were():
    names = ["generator-light", "generator-light-eval", "generator-full-6-blocks", "adailn"]
    generator, norm = coverage([report_of(names)])
    assert generator == dict(
        zip(
            COLUMNS,
            (
                "forward",
                "ResnetGenerator",
                "3",
                "training, evaluation",
                "1, 2",
                "16, 32",
                "2, 6 blocks",
                "float64",
                "–",
            ),
            strict=True,
        )
    )
    assert (norm["of"], norm["sizes"], norm["depths"], norm["modes"]) == ("AdaILN", "8", "–", "training")


def test_nothing_compared_is_nothing_covered():
    assert coverage([report_of(["adailn"], rows=())]) == []


def test_options_of_a_training_are_its_schedule():
    options = {"batch_size": 2, "accumulate": 2, "ema": 0.9, "iteration": 4, "n_res": 1, "img_size": 24}
    case = {"layer": "Run", "options": options, "rows": [{"dtype": "float64"}]}
    (line,) = coverage([{"check": "training", "cases": [case]}])
    assert line["schedule"] == "parts 2, mean 0.9, iterations 4" and line["batches"] == "2"


def test_the_page_shows_the_table_and_the_note_of_a_case():
    case = CASES["upsample"]
    entry = check_case(case, measure(case, TorchSide, backward=False, float32=False), "forward", ("float64",))
    page = render([document("forward", [entry | {"note": "said <here>"}], 1.0, 0, ABOUT, None)])
    assert "What was covered" in page and "<td>Upsample</td>" in page and "said &lt;here&gt;" in page
