"""stylize on folders as users have them: one picture never ends the run."""

import os

import numpy as np
from PIL import Image

from paddle_ugatit.inference import memory
from tests.cli.test_stylize import files, listed, nets, put, refusal, run  # noqa: F401  (fixtures among them)


def test_one_picture_never_ends_a_folder(tmp_path, files, capsys):  # noqa: F811
    for seed, name in enumerate(("a/one.png", "a/two.gif", "a/zzz.png", "s/red.png")):
        put(tmp_path / name, seed=seed)
    put(tmp_path / "a/dot.png", (1, 1))
    put(tmp_path / "a" / ("x" * 250 + ".gif"))  # "x...x.gif.png" is too long
    os.mkfifo(tmp_path / "a/pipe.png")
    (tmp_path / "a/notes.txt").write_text("words")
    assert run(files, tmp_path, content="a") == 0
    said = capsys.readouterr()
    assert listed(tmp_path / "o") == ["one.png", "two.gif.png", "zzz.png"]
    assert "3 stylised" in said.out and "3 skipped: dot.png, pipe.png, xxx" in said.out
    lines = said.err.splitlines()
    for words in ("too long", "not a regular file", "left out 1 .txt", "2 written as .png, as .gif"):
        assert any(words in line for line in lines), words
    assert sum(line.startswith("skipped: ") for line in lines) == 3


def test_a_style_that_is_too_small_is_skipped(tmp_path, files, capsys):  # noqa: F811
    put(tmp_path / "a/one.png")
    put(tmp_path / "a/two.png")
    put(tmp_path / "s/red.png")
    put(tmp_path / "s/tiny.png", (9, 2))
    assert run(files, tmp_path, content="a", style="s") == 0
    said = capsys.readouterr()
    assert "1 skipped: tiny" in said.out and listed(tmp_path / "o") == ["red/one.png", "red/two.png"]


def test_what_does_not_fit_in_memory_is_said_beforehand(tmp_path, files, capsys, monkeypatch):  # noqa: F811
    put(tmp_path / "a/one.png")
    put(tmp_path / "a/two.png", (240, 320))
    put(tmp_path / "s/red.png")
    monkeypatch.setattr(memory, "available", lambda: memory.needed_for_style(4, 100, 100))
    assert run(files, tmp_path, content="a") == 0
    said = capsys.readouterr()
    assert "two.png: 320x240 pixels need about 0.0 GiB of memory, 0.0 GiB are free: add --size" in said.err
    assert listed(tmp_path / "o") == ["one.png"]
    assert run(files, tmp_path, "--size", "24", content="a") == 0 and len(listed(tmp_path / "o")) == 2


def test_a_sheet_that_would_be_damaged_is_refused_beforehand(tmp_path, files, capsys):  # noqa: F811
    put(tmp_path / "a/one.png")
    put(tmp_path / "s/red.png")
    code, line = refusal(capsys, files, tmp_path, "--sheet", tmp_path / "sheet.gif")
    assert code == 1 and "sheet.gif: .gif would not keep" in line and not (tmp_path / "o").exists()


def test_names_that_are_not_utf8(tmp_path, files, capsys):  # noqa: F811
    for folder in ("a", "s"):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.full((24, 24, 3), 90, np.uint8)).save(os.fsencode(tmp_path / folder) + b"/caf\xe9.png")
    put(tmp_path / "s/red.png")
    (tmp_path / "a" / os.fsdecode(b"no\xe9.png")).write_bytes(b"")
    assert run(files, tmp_path, content="a", style="s") == 0
    said = capsys.readouterr()
    assert "2 stylised" in said.out and "1 skipped: no\\udce9.png" in said.out
    assert listed(tmp_path / "o") == [os.fsdecode(b"caf\xe9/caf\xe9.png"), os.fsdecode(b"red/caf\xe9.png")]


def test_absurd_values_are_one_line(tmp_path, files, capsys):  # noqa: F811
    put(tmp_path / "a/one.png")
    put(tmp_path / "a/long.png", (400, 1))
    put(tmp_path / "s/red.png")
    put(tmp_path / "s/blue.png")
    for words, said in {
        ("--size", 10**18): "--size must be 1 or more, and at most 16384",
        ("--size", -1): "--size must be 1 or more",
    }.items():
        code, line = refusal(capsys, files, tmp_path, *words)
        assert code == 2 and said in line
    for weights in ("1e308,1e308", "inf,1", "nan,1", "-1,2"):
        code, line = refusal(capsys, files, tmp_path, f"--style-weights={weights}", style="s/red.png,s/blue.png")
        assert code == 2 and "must be 0 or more, not all 0" in line
    assert run(files, tmp_path, "--size", 100, content="a") == 0
    said = capsys.readouterr()
    assert "long.png: --size 100 would make it 40000 pixels long" in said.err and listed(tmp_path / "o") == ["one.png"]
