"""README is true: its links lead where they say, its table is the one the script makes, its options exist."""

import re
from pathlib import Path

import pytest

from align.cases import CASES
from align.checks import command, layer_table
from paddle_ugatit_command import TOOLS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README_zh.md").read_text(encoding="utf-8")


def layer_rows():
    """The lines of the table in docs/layers.md, without its head."""
    return [line for line in layer_table.PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize("text", [README, CHINESE], ids=["en", "zh"])
def test_local_links_exist(text):
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)]+)\)", prose) if not link.startswith("http")]
    assert links and all((ROOT / link.partition("#")[0]).exists() for link in links)


def test_layer_table_leads_to_the_right_lines():
    rows = layer_rows()
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == list(CASES)
    for row, case in zip(rows, CASES.values(), strict=True):
        for room in ("paddle_ugatit", "torch_ref"):
            assert layer_table.link(room, case) in row, f"run align/layer_table.py --write ({case.name})"


def test_layer_table_has_the_text_and_links_of_its_script():
    page = layer_table.PAGE.read_text(encoding="utf-8")
    assert page.startswith(layer_table.INTRO)
    links = re.findall(r"\]\(([^)#]+)#L\d+\)", page)
    assert len(links) > len(CASES) and all((layer_table.PAGE.parent / link).is_file() for link in links)


def test_layer_table_holds_plausible_errors():
    errors = [float(cell) for cell in re.findall(r"\| (\d[\de.+-]*) (?=\|)", "\n".join(layer_rows()))]
    assert len(errors) == 2 * len(CASES) and max(errors) < 1e-12


@pytest.mark.parametrize("text", [README, CHINESE], ids=["en", "zh"])
def test_commands_name_files_and_options_that_exist(text):
    shared = command.parser("forward").format_help()
    for line in re.findall(r"(?:python|bash) (?:-m \S+ --nproc_per_node 2 )?[\w/.]+\.(?:py|sh)[^`\n]*", text):
        script = re.search(r"[\w/.]+\.(?:py|sh)", line)[0]
        assert (ROOT / script).is_file(), line
        source = (ROOT / script).read_text(encoding="utf-8")
        module = re.search(r'script\("([\w.]+)"', source)
        tool = re.search(r'tool\("([\w-]+)"\)', source)
        if module or tool:
            name = module[1] if module else TOOLS[tool[1]][0]
            source = (ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")
            source += (ROOT / "paddle_ugatit/cli/command.py").read_text(encoding="utf-8")
        known = shared + source if script.startswith("align/check_") else source
        if "bench.py kid" in line:
            known = (ROOT / "align/bench/metric.py").read_text(encoding="utf-8")
        for option in re.findall(r" (--[a-z][a-z-]*)", line.partition("#")[0].partition(script)[2]):
            assert option in known, f"{option} in: {line}"
    assert "bash tools/demo.sh" in text and "bash tools/test.sh" in text
