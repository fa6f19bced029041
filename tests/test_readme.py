"""README is true: its links lead where they say, its table is the one the script makes, its options exist."""

import re
from pathlib import Path

import pytest

from align.cases import CASES
from align.checks import command, layer_table

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README_zh.md").read_text(encoding="utf-8")


def between(begin, end):
    return README.partition(begin)[2].partition(end)[0]


@pytest.mark.parametrize("text", [README, CHINESE], ids=["en", "zh"])
def test_local_links_exist(text):
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)]+)\)", prose) if not link.startswith("http")]
    assert links and all((ROOT / link.partition("#")[0]).exists() for link in links)


def test_layer_table_leads_to_the_right_lines():
    rows = [line for line in between(layer_table.BEGIN, layer_table.END).splitlines() if line.startswith("| ")][1:]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == list(CASES)
    for row, case in zip(rows, CASES.values(), strict=True):
        for room in ("paddle_ugatit", "torch_ref"):
            assert layer_table.link(room, case) in row, f"run align/layer_table.py --write ({case.name})"


def test_layer_table_holds_plausible_errors():
    table = between(layer_table.BEGIN, layer_table.END)
    errors = [float(cell) for cell in re.findall(r"\| (\d[\de.+-]*) (?=\|)", table)]
    assert len(errors) == 2 * len(CASES) and max(errors) < 1e-12


@pytest.mark.parametrize("text", [README, CHINESE], ids=["en", "zh"])
def test_commands_name_files_and_options_that_exist(text):
    shared = command.parser("forward").format_help()
    for line in re.findall(r"(?:python|bash) (?:-m \S+ --nproc_per_node 2 )?[\w/.]+\.(?:py|sh)[^`\n]*", text):
        script = re.search(r"[\w/.]+\.(?:py|sh)", line)[0]
        assert (ROOT / script).is_file(), line
        source = (ROOT / script).read_text(encoding="utf-8")
        if module := re.search(r"from ((?:align|paddle_ugatit)\S+) import main", source):
            source = (ROOT / f"{module[1].replace('.', '/')}.py").read_text(encoding="utf-8")
            source += (ROOT / "paddle_ugatit/cli/command.py").read_text(encoding="utf-8")
        known = shared + source if script.startswith("align/check_") else source
        if "bench.py kid" in line:
            known = (ROOT / "align/bench/metric.py").read_text(encoding="utf-8")
        for option in re.findall(r" (--[a-z][a-z-]*)", line.partition("#")[0].partition(script)[2]):
            assert option in known, f"{option} in: {line}"
    assert "bash tools/demo.sh" in text and "bash tools/test.sh" in text
