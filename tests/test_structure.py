"""The house's rules, read from the source: who may import whom, sizes, docstrings, no loose ends.

Nothing is imported here: every file is parsed, and imports inside functions count like those at the top.
The rules are functions of (path, source), so that the tests below can also show each of them failing.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("paddle_ugatit", "torch_ref", "align", "tools", "work", "tests")
MAX_FILE_LINES = 345
MAX_FUNCTION_LINES = 60

# The arrows: what each room must not import. Only align and its tests may hold both frameworks.
FORBIDDEN = {
    "paddle_ugatit": ("torch", "torchvision", "torch_ref", "align", "tools", "work", "tests"),
    "torch_ref": ("paddle", "paddle_ugatit", "align", "tools", "work", "tests"),
    "align": ("tools", "work", "tests"),
    "tools": ("torch", "torchvision", "torch_ref", "align", "tools", "work", "tests"),
    "work": ("torch", "torchvision", "torch_ref", "align", "tools", "work", "tests"),
    "tests": (),
}


# The arrows inside align: what each room may import besides itself. A command (align/*.py) may import every room.
ALIGN_ARROWS = {
    "cases": (),
    "compare": ("cases",),
    "planting": (),
    "causes": ("compare", "cases", "planting"),
    "report": (),
    "checks": ("causes", "compare", "cases", "report"),
    "faults": ("checks", "compare", "cases", "report", "planting"),
    "mutants": ("checks", "compare", "cases", "report"),
    "api": ("checks", "compare", "cases", "report"),
    "bench": ("checks", "compare", "cases", "report", "planting"),
    "examples": (),
}
# The arrows inside paddle_ugatit besides those of models: what a room must not import. Only cli imports
# deploy, which puts networks into files.
PRODUCT_ARROWS = {"deploy": ("cli", "metrics", "training")}
COMMANDS = {"make_checkpoint.py", "record_reference.py", "layer_table.py", "page.py"}  # and every check_*.py
MAX_COMMAND_LINES = 40


def inside(module: str, package: str) -> bool:
    """Whether `module` is `package` or lies below it."""
    return module == package or module.startswith(package + ".")


def imported_modules(path: Path, tree: ast.AST) -> set[str]:
    """Every absolute module name the file may import; `from a import b` counts as both a and a.b."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # level 1 is the file's own folder, each level more is one folder up
            base = list(path.parent.parts[: len(path.parent.parts) - node.level + 1]) if node.level else []
            module = ".".join(base + ([node.module] if node.module else []))
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in ("import_module", "__import__", "importorskip"):
                found.add(str(node.args[0].value))
    return found


def arrow_faults(path: Path, source: str) -> list[str]:
    """Imports that run against the arrows; `path` is relative to the project."""
    room, name = path.parts[0], path.stem
    faults = []
    for module in sorted(imported_modules(path, ast.parse(source))):
        faults += [f"{room} must not import {module}" for bad in FORBIDDEN[room] if inside(module, bad)]
        if room in ("paddle_ugatit", "torch_ref") and path.parts[1:2] == ("models",):
            for bad in ("training", "data"):
                if inside(module, f"{room}.{bad}"):
                    faults.append(f"models must not import {module}")
            models = f"{room}.models"
            sibling = module.startswith(models + ".") and not inside(module, f"{models}.{name}")
            if sibling and name != "__init__":
                faults.append(f"system {name} must not import system {module}")
        if room == "paddle_ugatit" and inside(module, room):
            faults += product_arrow_faults(path, module)
        if room == "align" and inside(module, "align"):
            faults += align_arrow_faults(path, module)
    return sorted(set(faults))


def product_arrow_faults(path: Path, module: str) -> list[str]:
    """Whether a file of paddle_ugatit may import `module`, as far as PRODUCT_ARROWS say."""
    here, there = path.with_suffix("").parts[1], (module.split(".") + [""])[1]
    forbidden = there in PRODUCT_ARROWS.get(here, ()) or (there == "deploy" and here not in ("deploy", "cli"))
    return [f"paddle_ugatit/{here} must not import {module}"] if forbidden else []


def align_arrow_faults(path: Path, module: str) -> list[str]:
    """Whether a file of align may import `module`, which is of align too."""
    here, there = path.with_suffix("").parts[1], (module.split(".") + [""])[1]
    if here == there or there == "" or path.name == "__init__.py":
        return []
    if there not in ALIGN_ARROWS:
        return [f"nothing may import the command {module}"]
    if here not in ALIGN_ARROWS:  # a command
        return []
    return [] if there in ALIGN_ARROWS[here] else [f"align/{here} must not import {module}"]


def command_faults(path: Path, source: str) -> list[str]:
    """A file directly in align that is neither a known command nor short enough to be no more than that."""
    if path.parts[0] != "align" or len(path.parts) > 2 or path.name in ("__init__.py", "planting.py"):
        return []
    lines = source.count("\n")
    faults = [f"{lines} lines, a command has at most {MAX_COMMAND_LINES}"] if lines > MAX_COMMAND_LINES else []
    if not path.name.startswith("check_") and path.name not in COMMANDS:
        faults.append("is not a command: it belongs in one of align's rooms")
    return faults


def public_classes(source: str) -> list[str]:
    """The public classes that a file defines at its top level."""
    return [node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name[0] != "_"]


def style_faults(path: Path, source: str) -> list[str]:
    """Oversized files and functions, missing module docstring, bare except, loose ends."""
    tree = ast.parse(source)
    faults = []
    lines = source.count("\n")
    if lines > MAX_FILE_LINES:
        faults.append(f"{lines} lines, at most {MAX_FILE_LINES}")
    if not ast.get_docstring(tree):
        faults.append("no module docstring")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = node.end_lineno - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                faults.append(f"{node.name} has {length} lines, at most {MAX_FUNCTION_LINES}")
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            faults.append(f"bare except in line {node.lineno}")
    if path.name != Path(__file__).name:  # this file has to spell the words
        faults += [f"{word} left in" for word in re.findall(r"\b(?:TODO|FIXME|XXX)\b", source)]
    return faults


def project_files() -> list[Path]:
    """Every Python file of the rooms, relative to the project; work/outputs is no source."""
    files = (path.relative_to(ROOT) for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")))
    return [path for path in files if path.parts[:2] != ("work", "outputs")]


@pytest.mark.parametrize("path", project_files(), ids=str)
def test_file_keeps_the_rules(path):
    source = (ROOT / path).read_text(encoding="utf-8")
    assert arrow_faults(path, source) + style_faults(path, source) + command_faults(path, source) == []


def test_all_rooms_of_the_product_are_seen():
    rooms = {path.parts[0] for path in project_files()}
    assert {"paddle_ugatit", "torch_ref", "align", "tools", "tests"} <= rooms
    below = {path.parts[1] for path in project_files() if path.parts[0] == "align" and len(path.parts) > 2}
    assert below == ALIGN_ARROWS.keys() - {"planting"}


def test_the_arrows_of_align_have_no_circle():
    seen = set()
    while left := ALIGN_ARROWS.keys() - seen:
        free = {room for room in left if set(ALIGN_ARROWS[room]) <= seen}
        assert free, f"a circle among {sorted(left)}"
        seen |= free


def shared_names(sources: dict[str, str]) -> dict[str, list[str]]:
    """The names of public classes that occur more than once, with the files; `sources` is path -> source."""
    found: dict[str, list[str]] = {}
    for path, source in sources.items():
        for name in public_classes(source):
            found.setdefault(name, []).append(path)
    return {name: paths for name, paths in found.items() if len(paths) > 1}


def test_no_two_public_classes_share_a_name():
    """The twins in torch_ref have the names of paddle_ugatit by design, the examples those of their own pairs."""
    paths = [path for path in project_files() if path.parts[0] in ("paddle_ugatit", "align")]
    sources = {str(p): (ROOT / p).read_text(encoding="utf-8") for p in paths if p.parts[1] != "examples"}
    assert sum(len(public_classes(source)) for source in sources.values()) > 100
    assert shared_names(sources) == {}


def first_sentences(source: str) -> dict[str, str]:
    """The first line of the docstring of every public class and function at the top level, by name."""
    kinds = (ast.ClassDef, ast.FunctionDef)
    found = [node for node in ast.parse(source).body if isinstance(node, kinds) and node.name[0] != "_"]
    return {node.name: (ast.get_docstring(node) or "").partition("\n")[0] for node in found}


OWN_WAYS = {"moments", "weighted_moments", "SmoothLinear"}  # of torch_ref: plainer formulas, and the weight's layout


@pytest.mark.parametrize("path", [path for path in project_files() if path.parts[0] == "torch_ref"], ids=str)
def test_the_twin_has_the_same_path_names_and_descriptions(path):
    theirs = first_sentences((ROOT / path).read_text(encoding="utf-8"))
    ours = first_sentences((ROOT / "paddle_ugatit" / Path(*path.parts[1:])).read_text(encoding="utf-8"))
    assert {name: line for name, line in theirs.items() if name not in OWN_WAYS and ours.get(name) != line} == {}


def test_first_sentences_are_read():
    source = "class A:\n    'One.\\n\\nMore.'\n    def b(self): pass\ndef _c(): pass\ndef d(): pass\n"
    assert first_sentences(source) == {"A": "One.", "d": ""}


def test_a_shared_name_is_found():
    sources = {"a.py": "class A: pass\nclass _B: pass", "b.py": "class _B: pass\nclass C:\n    class A: pass"}
    assert shared_names(sources) == {}
    assert shared_names(sources | {"c.py": "class C: pass\nA = 1"}) == {"C": ["b.py", "c.py"]}


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("paddle_ugatit/losses.py", "import torch"),
        ("paddle_ugatit/losses.py", "def f():\n    from torch.nn import functional"),
        ("paddle_ugatit/losses.py", "import importlib\nimportlib.import_module('torch_ref.losses')"),
        ("paddle_ugatit/losses.py", "from align import cases"),
        ("torch_ref/models/ugatit.py", "import paddle.nn as nn"),
        ("torch_ref/models/ugatit.py", "from paddle_ugatit.models import ugatit"),
        ("tools/train.py", "import torch"),
        ("tools/train.py", "import align.check_forward"),
        ("tools/train.py", "from tools import convert_weights"),
        ("align/cases/case.py", "from tools.convert_weights import main"),
        ("align/cases/training.py", "from align.compare.training import compared"),
        ("align/cases/training.py", "def f():\n    from align.compare import training"),
        ("align/compare/views.py", "from align.checks.layers import check_case"),
        ("align/compare/views.py", "from ..causes import search"),
        ("align/causes/search.py", "from align.checks import metric"),
        ("align/causes/search.py", "from align.faults.small_layer import twin"),
        ("align/checks/metric.py", "def f():\n    import align.faults.metric"),
        ("align/checks/layers.py", "from align import faults"),
        ("align/faults/benchmark.py", "from align.causes.search import find_cause"),
        ("align/faults/benchmark.py", "from align import check_faults"),
        ("align/report/page.py", "from align.compare.verdict import Row"),
        ("align/planting.py", "from align.cases import Case"),
        ("align/mutants/units.py", "from align.faults.layers import FAULTS"),
        ("align/bench/side.py", "from align.faults.layers import FAULTS"),
        ("align/api/measure.py", "from align.faults.layers import FAULTS"),
        ("align/checks/layers.py", "from align.api.tables import every"),
        ("align/report/api_row.py", "from align.api import document"),
        ("align/check_all.py", "from align.check_forward import main"),
        ("paddle_ugatit/models/ugatit.py", "from paddle_ugatit.training import trainer"),
        ("paddle_ugatit/models/ugatit.py", "from .. import data"),
        ("paddle_ugatit/models/ugatit.py", "from paddle_ugatit.deploy import graph"),
        ("paddle_ugatit/deploy/graph.py", "from paddle_ugatit.cli import command"),
        ("paddle_ugatit/deploy/graph.py", "import paddle_ugatit.training.loop"),
        ("paddle_ugatit/models/ugatit.py", "from ..data import folders"),
        ("paddle_ugatit/models/sagan.py", "from paddle_ugatit.models.ugatit import ResnetGenerator"),
        ("paddle_ugatit/models/sagan.py", "from . import ugatit"),
        ("torch_ref/models/sagan.py", "from .ugatit import Discriminator"),
    ],
)
def test_a_forbidden_import_is_found(path, source):
    assert arrow_faults(Path(path), source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("paddle_ugatit/losses.py", "import paddle\nimport torchlike"),
        ("paddle_ugatit/models/ugatit.py", "import paddle_ugatit.layers.norm\nfrom ..layers import norm"),
        ("paddle_ugatit/models/__init__.py", "from paddle_ugatit.models.ugatit import ResnetGenerator"),
        ("paddle_ugatit/cli/export.py", "from paddle_ugatit.deploy import graph"),
        ("paddle_ugatit/deploy/graph.py", "from paddle_ugatit.layers import norm"),
        ("align/check_forward.py", "import paddle\nimport torch\nfrom align.cases import CASES"),
        ("align/check_faults.py", "from align.faults.command import main"),
        ("align/checks/layers.py", "import align\nfrom align.causes import search\nfrom align.report import page"),
        (
            "align/faults/layers.py",
            "from align.checks import layers\nfrom align.planting import run\nfrom . import data",
        ),
        ("tests/models/test_models.py", "import paddle\nimport torch\nfrom tools import convert_weights"),
    ],
)
def test_an_allowed_import_is_left_alone(path, source):
    assert arrow_faults(Path(path), source) == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("x = 1\n", "no module docstring"),
        ('"""Doc."""\n' + "x = 1\n" * MAX_FILE_LINES, "lines, at most"),
        ('"""Doc."""\ndef long():\n' + "    x = 1\n" * MAX_FUNCTION_LINES, "long has"),
        ('"""Doc."""\ntry:\n    pass\nexcept:\n    pass\n', "bare except"),
        ('"""Doc."""\n# TODO later\n', "left in"),
        ('"""Doc."""\n# FIXME\n', "left in"),
    ],
)
def test_a_style_fault_is_found(source, fault):
    assert any(fault in found for found in style_faults(Path("align/planted.py"), source))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("align/check_new.py", "x = 1\n" * (MAX_COMMAND_LINES + 1)),
        ("align/page.py", "x = 1\n" * (MAX_COMMAND_LINES + 1)),
        ("align/views.py", "x = 1\n"),
    ],
)
def test_a_command_that_is_more_than_one_is_found(path, source):
    assert command_faults(Path(path), source)


@pytest.mark.parametrize("path", ["align/check_new.py", "align/page.py", "align/planting.py", "align/checks/views.py"])
def test_a_command_is_left_alone(path):
    assert command_faults(Path(path), "x = 1\n" * MAX_COMMAND_LINES) == []


def test_public_classes_are_found():
    assert public_classes("class A:\n    class Inner: pass\nclass _B: pass\nif 1:\n    class C: pass\n") == ["A"]


def test_clean_source_has_no_style_fault():
    assert style_faults(Path("align/planted.py"), '"""Doc."""\n\n\ndef short():\n    return 1\n') == []
