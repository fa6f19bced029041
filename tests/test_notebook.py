"""The AI Studio notebook: calls only, and every cell of it runs."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest

from paddle_ugatit.cli import background

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = json.loads((ROOT / "work/ugatit_aistudio.ipynb").read_text(encoding="utf-8"))
CODE = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
SMALL = {
    "OPTIONS": "iteration=4 ch=2 n_res=1 print_freq=4 save_freq=2",
    "IMAGES": "--train 3 --test 2 --size 64",
    "FEATURES": "--features pixels --no-cache",
    "SIBLINGS": "iteration=2 print_freq=2 save_freq=2 batch_size=2",
}


def test_holds_calls_only_and_no_output():
    for source in CODE:
        assert not re.search(r"^\s*(def|class|for|while|if|with|try)\b", source, re.M), source
    for cell in NOTEBOOK["cells"]:
        assert cell.get("outputs", []) == [] and cell.get("execution_count") is None
        if cell["cell_type"] == "markdown" and len(cell["source"]) > 1:  # both languages
            text = "".join(cell["source"])
            assert re.search(r"[\u4e00-\u9fff]", text) and re.search(r"[a-z]{4}", text)


def execute(source, names, folder):
    """One cell as IPython runs it: lines with ! go to a shell, {names} filled in, the rest is Python."""
    for line in source.splitlines():
        if line.startswith("!"):
            filled = re.sub(r"\{(\w+)\}", lambda match: names[match[1]], line[1:])
            done = subprocess.run(["bash", "-c", filled], cwd=folder, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, f"{filled}\n{done.stdout}{done.stderr}"
        else:
            exec(line, names)


def execute_all(folder):
    """Every cell, in small, as a new kernel runs them."""
    names = {}
    background._processes.clear()
    for number, source in enumerate(CODE):
        execute(source, names, folder)
        if number == 0:
            names |= SMALL
    os.kill(names["visualdl_process"], signal.SIGKILL)


@pytest.mark.slow
def test_every_cell_runs_and_once_more_over_an_interrupted_run(tmp_path, monkeypatch, capsys):
    pytest.importorskip("visualdl")
    for room in ("paddle_ugatit", "align", "tools", "work/configs"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "paddle_ugatit_command.py", tmp_path)
    shown = []
    display = types.ModuleType("IPython.display")
    display.Image, display.display = lambda path: Path(path).read_bytes(), shown.append
    display.clear_output, display.IFrame = lambda wait: None, lambda page, wide, tall: Path(page).read_bytes()
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    execute_all(tmp_path)
    assert len(shown) > 8 and all(picture.startswith(b"\x89PNG") for picture in shown)
    checkpoints = tmp_path / "work/outputs/run/checkpoints"
    whole = (checkpoints / "0000004/weights.pdparams").read_bytes()
    shutil.rmtree(checkpoints / "0000004")  # as if the machine had gone after the second iteration
    execute_all(tmp_path)
    assert (checkpoints / "0000004/weights.pdparams").read_bytes() == whole
    log = (tmp_path / "work/outputs/run/log.txt").read_text()
    assert log.count("resumed after iteration 2") == 1
    made = {path.name for path in (tmp_path / "work/outputs").iterdir()}
    assert made >= {"faces", "run", "anime", "kid.html", "run_params.pt", "run_params.pdparams"}
    assert made >= {"stylised.png", "sagan.png", "sagan-attention.png", "stylegan2.png", "mixed.png"}
    assert len(list((tmp_path / "work/outputs/anime").iterdir())) == 2
