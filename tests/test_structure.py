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
    return sorted(set(faults))


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
    assert arrow_faults(path, source) + style_faults(path, source) == []


def test_all_rooms_of_the_product_are_seen():
    rooms = {path.parts[0] for path in project_files()}
    assert {"paddle_ugatit", "torch_ref", "align", "tools", "tests"} <= rooms


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
        ("align/cases.py", "from tools.convert_weights import main"),
        ("paddle_ugatit/models/ugatit.py", "from paddle_ugatit.training import trainer"),
        ("paddle_ugatit/models/ugatit.py", "from .. import data"),
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
        ("align/check_forward.py", "import paddle\nimport torch\nfrom align.cases import CASES"),
        ("tests/test_models.py", "import paddle\nimport torch\nfrom tools import convert_weights"),
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


def test_clean_source_has_no_style_fault():
    assert style_faults(Path("align/planted.py"), '"""Doc."""\n\n\ndef short():\n    return 1\n') == []
