"""The log of a run takes the names of all files."""

import os

from paddle_ugatit.training.records import Records


def test_the_log_takes_names_in_any_encoding(tmp_path, capsys):
    name = os.fsdecode(b"caf\xe9\n.png")
    Records(tmp_path).say(f"skipped: {name} 漫: is not an image")
    assert "caf\\udce9\\n.png 漫" in capsys.readouterr().err
    text = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert text.count("\n") == 1 and text.endswith("skipped: caf\\udce9\\n.png 漫: is not an image\n")
