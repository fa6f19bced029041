"""README and docs are true: links, pictures, commands and options exist, and the public API can be imported."""

import importlib
import re
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest
from PIL import Image

from paddle_ugatit.training import start
from paddle_ugatit_command import TOOLS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "README_zh.md", *sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("siblings/*.md"))]
PICTURES = sorted((DOCS / "img").iterdir())
LONGEST_README = 170  # lines
LARGEST_PICTURE = 200_000  # bytes
LAUNCHER = r"(?:(?:python|bash) (?:-m paddle\.distributed\.launch --nproc_per_node 2 )?)?"
COMMAND = re.compile(LAUNCHER + r"((?:tools|align)/[\w/]+\.(?:py|sh))([^`\n]*)")


def read(page):
    return page.read_text(encoding="utf-8")


def prose(page):
    """The page without its blocks of code, lines joined: a code span may be broken."""
    return re.sub(r"\s*\n", " ", re.sub(r"```.*?```", "", read(page), flags=re.DOTALL))


def links(page):
    return [link for link in re.findall(r"\]\(([^)]+)\)", prose(page)) if not link.startswith("http")]


def commands(page):
    """(script, its arguments as text) of every command on a page, in blocks and in code spans."""
    blocks = "\n".join(re.findall(r"```.*?```|^    [^\n]*", read(page), flags=re.DOTALL | re.MULTILINE))
    spans = "\n".join(re.findall(r"`[^`]+`", prose(page)))
    found = COMMAND.findall(blocks + "\n" + spans)
    return [(script, re.split(r" #| && | \|", arguments)[0]) for script, arguments in found]


def sources(script):
    """The text of a command: of its script, and of the command-line modules and scripts that it calls."""
    texts, waiting, seen = [], [ROOT / script], set()
    while waiting:
        path = waiting.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        texts.append(text := path.read_text(encoding="utf-8"))
        for module, names in re.findall(r"from ((?:align|paddle_ugatit)[\w.]*) import ([^\n#]+)", text):
            if module.startswith(("align", "paddle_ugatit.cli")):
                base = ROOT / module.replace(".", "/")
                waiting += [base.with_suffix(".py"), *(base / f"{name.strip()}.py" for name in names.split(","))]
        tools = [TOOLS[name][0] for name in re.findall(r'tool\("([\w-]+)"\)', text)]
        tools += re.findall(r'script\("([\w.]+)"', text)
        waiting += [ROOT / f"{module.replace('.', '/')}.py" for module in tools]
        waiting += [ROOT.joinpath(*re.findall(r"[\w.]+", path)) for path in re.findall(r'ROOT((?: / "[\w.]+")+)', text)]
    return "\n".join(texts)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links_lead_to_files(page):
    missing = [link for link in links(page) if not (page.parent / link.partition("#")[0]).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_name_files_and_options_that_exist(page):
    for script, arguments in commands(page):
        assert (ROOT / script).is_file(), script
        known = sources(script)
        for option in re.findall(r"(?<!\S)(--[a-z][a-z-]*)", arguments):
            assert re.search(rf"{option}(?![a-z-])", known), f"{option} in: {script}{arguments}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_of_training_runs_exist(page):
    for script, arguments in commands(page):
        config = re.search(r"--config (work/\S+)", arguments)
        if script == "tools/train.py" and config:
            assignments = re.findall(r"(?<!\S)(\w+=\S+)", arguments)
            start.configuration(ROOT / config[1], assignments)


def test_commands_are_found():
    scripts = {script for script, _ in commands(ROOT / "README.md")}
    assert {"tools/train.py", "tools/translate.py", "align/check_forward.py", "tools/demo.sh"} <= scripts
    assert "--pair" in dict(commands(DOCS / "pair.md"))["align/check_forward.py"]


def test_the_chinese_readme_is_as_complete():
    english, chinese = ({script for script, _ in commands(ROOT / name)} for name in ("README.md", "README_zh.md"))
    assert english <= chinese
    pages = {link for link in links(ROOT / "README.md") if link.startswith("docs/")}
    assert pages <= set(links(ROOT / "README_zh.md"))


def test_readme_is_short_and_leads_to_every_page():
    assert read(ROOT / "README.md").count("\n") <= LONGEST_README
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(ROOT / "README.md")}
    assert {page for page in PAGES if DOCS in page.parents} <= linked


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_pictures_are_small_and_shown(picture):
    assert picture.stat().st_size < LARGEST_PICTURE
    if picture.suffix == ".svg":
        assert xml.parse(picture).getroot().tag.endswith("svg")
    else:
        Image.open(picture).load()
    assert any((page.parent / link).resolve() == picture for page in PAGES for link in links(page))


def test_the_public_api_can_be_imported():
    names = set(re.findall(r"`(paddle_ugatit(?:\.\w+)+)`", read(DOCS / "api-python.md")))
    assert len(names) > 20
    for name in names:
        owner, _, leaf = name.rpartition(".")
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(owner), leaf), name


def test_classes_named_on_the_api_page_exist():
    for modules, classes in re.findall(
        r"^\| (`paddle_ugatit\.models[^|]*) \| ([^|]*) \|$", read(DOCS / "api-python.md"), re.M
    ):
        for module in re.findall(r"`(paddle_ugatit\.models\.\w+)`", modules):
            for name in re.findall(r"`([A-Z]\w+)`", classes.partition(";")[0]):
                assert hasattr(importlib.import_module(module), name), f"{module}.{name}"
