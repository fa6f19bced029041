"""Benchmarks tell the machine and its load, and mark every ratio that was measured while others computed."""

import subprocess
import sys

import pytest

from align.bench import compare, machine
from tools import bench


@pytest.fixture
def clock(monkeypatch):
    """A machine of 4 cores: `clock(wall, busy, own)` lets so many seconds pass; `busy` of the whole, None untold."""
    now = {"wall": 0.0, "busy": 0.0, "own": 0.0}
    monkeypatch.setattr(machine, "cores", lambda: 4)
    monkeypatch.setattr(machine.time, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(machine, "busy_seconds", lambda: now["busy"])
    monkeypatch.setattr(machine, "own_seconds", lambda: now["own"])

    def passes(wall, busy, own):
        now["wall"] += wall
        now["own"] += own
        now["busy"] = None if busy is None else now["busy"] + busy

    return passes


@pytest.mark.parametrize(
    ("busy", "own", "others", "mark"),
    [
        (30.0, 30.0, 0.0, ""),
        (30.0, 28.1, 0.19, ""),
        (30.0, 27.9, 0.21, machine.BUSY),  # 5 % of 4 cores are 0.2
        (40.0, 0.0, 4.0, machine.BUSY),
        (29.0, 30.0, 0.0, ""),  # the machine counts in hundredths of a second
    ],
)
def test_what_others_compute_is_the_machines_time_less_our_own(clock, busy, own, others, mark):
    watch = machine.Watch()
    clock(10.0, busy, own)
    assert watch.others() == pytest.approx(others)
    assert watch.mark() == mark


@pytest.mark.parametrize(("load", "mark"), [(0.1, ""), (0.3, machine.BUSY), (None, machine.UNKNOWN)])
def test_where_the_machine_does_not_tell_the_load_before_decides(clock, monkeypatch, load, mark):
    monkeypatch.setattr(machine, "load", lambda: load)
    clock(0.0, None, 0.0)
    watch = machine.Watch()
    clock(10.0, None, 9.0)
    assert watch.others() is None
    assert watch.mark() == mark


@pytest.mark.skipif(machine.busy_seconds() is None, reason="no /proc/stat")
def test_a_process_of_others_is_seen_and_a_child_that_has_ended_is_not():
    spin = [sys.executable, "-c", "import time\nend = time.time() + 1\nwhile time.time() < end: pass"]
    watch = machine.Watch()
    own = machine.own_seconds()
    subprocess.run(spin, check=True)
    assert machine.own_seconds() - own > 0.1
    assert watch.others() < machine.cores()
    other = subprocess.Popen(spin)  # nobody waits for it, as for a process of others
    watch, start = machine.Watch(), machine.busy_seconds()
    while machine.busy_seconds() < start + 0.3:
        pass
    assert watch.others() > 0
    other.wait()


def test_the_machine_is_described(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    lines = machine.description()
    assert [line.partition(": ")[0] for line in lines] == ["machine", "versions", "threads"]
    assert f"{machine.cores()} cores" in lines[0] and "GiB" in lines[0]
    assert "numpy " in lines[1] and "paddlepaddle" in lines[1]
    assert "OMP_NUM_THREADS=3" in lines[2]
    assert machine.description(7)[2] == "threads: 7"


@pytest.mark.parametrize(("busy", "said"), [(9.0, "0.00 of 4 cores: quiet"), (19.0, "1.00 of 4 cores: NOT QUIET")])
def test_the_load_is_told_before_and_after(clock, monkeypatch, capsys, busy, said):
    monkeypatch.setattr(machine, "load", lambda: 1.25)
    with machine.watched(1):
        clock(10.0, busy, 9.0)
    out = capsys.readouterr().out
    assert "load before: 1.25" in out and "load after: 1.25" in out and said in out


def _costs(*others):
    return [{"cpu": 2.0, "wall": 3.0, "peak": 1.0, "others": value} for value in others]


def test_ratios_of_disturbed_variants_are_marked(clock):
    quiet, busy = _costs(0.0, 0.0, 3.0), _costs(3.0, 3.0, 0.0)  # one turn of three does not move a median
    rows = compare.table({compare.PLAIN: quiet, "x": busy, compare.OURS: quiet}, {}).splitlines()[2:]
    assert [row.count(machine.BUSY) for row in rows] == [0, 2, 0]
    rows = compare.table({compare.PLAIN: busy, compare.OURS: quiet}, {}).splitlines()[2:]
    assert [row.count(machine.BUSY) for row in rows] == [2, 2]  # all are relative to the first
    assert compare.table({compare.OURS: _costs(None)}, {}).count(machine.UNKNOWN) == 2


@pytest.mark.parametrize(
    "words",
    [
        ["kid", "--sizes", "12", "--repeat", "1"],
        ["loading", "--size", "16", "--seconds", "0.1"],
        ["memory", "--ch", "4", "--size", "16"],
        ["powers", "--ch", "2", "--turns", "1"],
        ["iteration", "--device", "cpu", "--size", "96", "--ch", "2", "--n-res", "1", "--turns", "1"],
    ],
    ids=lambda words: words[0] if isinstance(words, list) else None,
)
def test_every_subcommand_says_where_and_under_which_load(words, capfd):
    bench.main(words)
    out = capfd.readouterr().out
    for title in ("machine: ", "versions: ", "threads: ", "load before: ", "load after: "):
        assert out.count(title) == 1, title
