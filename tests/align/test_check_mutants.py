"""The command that counts mutants, as a user runs it: a quick sample, and what is left of an interrupted run."""

import hashlib
import importlib
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import paddle
import pytest

from align.mutants import source
from align.mutants.trial import NotClean, planted, require_clean, traced
from paddle_ugatit import losses
from paddle_ugatit.losses import distances

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = 42


def run(*arguments: str) -> subprocess.CompletedProcess:
    """Run the command in a process of its own, which has loaded nothing before."""
    command = [sys.executable, "align/check_mutants.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)


def digest_of_the_sources() -> str:
    return hashlib.sha256(b"".join((ROOT / path).read_bytes() for path in source.files())).hexdigest()


@pytest.mark.slow
@pytest.mark.skipif(paddle.__version__.startswith("2."), reason="a sample once is enough: it says nothing of versions")
def test_a_quick_sample_is_tried_and_the_run_can_go_on(tmp_path):
    """About a minute and a half on two idle cores."""
    before = digest_of_the_sources()
    out, report, page = (str(tmp_path / name) for name in ("kept", "mutants.json", "mutants.html"))
    options = ["--quick", "--sample", str(SAMPLE), "--out", out]
    done = run(*options, "--json", report, "--html", page)
    assert done.returncode in (0, 1) and "mutants killed" in done.stdout, done.stderr
    assert digest_of_the_sources() == before
    found = json.loads(Path(report).read_text())
    assert found["total"]["tried"] == SAMPLE == len(found["outcomes"]) and set(found["rooms"]) == set(source.ROOMS)
    # What a default check claims is noticed; the rooms that files and folders go through are another matter.
    claimed = [one for one in found["outcomes"] if one["room"] in ("layers", "models", "losses") and one["units"]]
    killed = [one for one in claimed if one["how"] != "survived"]
    assert len(killed) >= 0.75 * len(claimed) and len(claimed) >= 10
    assert sum(one["located"] for one in killed) >= 0.6 * len(killed)
    assert "killed</h1>" in Path(page).read_text()

    kept = Path(out, "outcomes.jsonl")
    kept.write_text("\n".join(kept.read_text().splitlines()[:-3]))  # as if it had been interrupted
    again = run(*options, "--resume", "--json", report)
    assert again.returncode == done.returncode, again.stderr
    same = json.loads(Path(report).read_text())
    assert {one["name"]: one["how"] for one in same["outcomes"]} == {o["name"]: o["how"] for o in found["outcomes"]}
    kept.write_text(kept.read_text().replace('{"digest": "', '{"digest": "other', 1))
    other = run(*options, "--resume")
    assert other.returncode == 2 and "holds no outcomes on these sources" in other.stderr.splitlines()[-1]


def test_a_mutant_takes_the_place_of_its_module_and_no_file_is_written(monkeypatch):
    path, name = "paddle_ugatit/losses/distances.py", "paddle_ugatit.losses.distances"
    text = source.read(path)
    start = text.rindex(b"mean()")
    mutant = source.Mutant(path, 1, 0, "call", start, start + 4, "sum", 1, 1, False)
    ones = paddle.ones([2, 3])
    monkeypatch.setattr(losses, "distances", distances)  # put back what an import replaces
    with pytest.raises(NotClean, match="loaded already"), planted(mutant):
        pass
    monkeypatch.delitem(sys.modules, name)
    with planted(mutant):
        changed = importlib.import_module(name)
        assert float(changed.l1(ones, 0 * ones)) == 6 and float(distances.l1(ones, 0 * ones)) == 1
    assert source.read(path) == (ROOT / path).read_bytes()


def test_mutants_are_not_forked_from_a_process_that_has_loaded_the_port():
    with pytest.raises(NotClean):
        require_clean()


def test_the_lines_that_are_run_are_noted():
    lines: dict[str, set[int]] = defaultdict(set)
    with traced(lines):
        distances.l1(paddle.ones([2]), paddle.zeros([2]))
    distances.l1(paddle.ones([2]), paddle.zeros([2]))
    ((file, found),) = lines.items()
    text = Path(file).read_text().splitlines()
    assert file.endswith("losses/distances.py") and all("return" in text[line - 1] for line in found) and found
