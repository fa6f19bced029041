"""Training in the background: begun, watched, ended, resumed, and refused with a reason."""

import os
import signal
import time

import pytest

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.cli import background
from paddle_ugatit.data.faces.folder import make_dataset
from paddle_ugatit.training import lock

TINY = "img_size=32 ch=2 n_res=1 global_layers=3 local_layers=3 eval_every=0 log_freq=1 print_freq=2 save_freq=2"


@pytest.fixture
def data(tmp_path):
    make_dataset(tmp_path / "data", train=2, test=1, size=32, seed=0)
    return tmp_path / "data"


def test_a_run_is_watched_to_its_end_and_then_done(tmp_path, data, capsys):
    out, seen = tmp_path / "run", []
    background.train(out, "demo", data, f"{TINY} iteration=4")
    background.watch(out, 0.2, seen.append)
    line, curves, *sheets = seen[-1]
    assert line.startswith("done: 4 iterations")
    assert curves.name == "losses.png" and curves.read_bytes().startswith(b"\x89PNG")
    assert {sheet.name for sheet in sheets} == {"0000004_A2B.png", "0000004_B2A.png"}
    background.train(out, "demo", data, f"{TINY} iteration=4")  # the cell once more
    background.watch(out, 0.2, seen.append)
    assert seen[-1][0].startswith("done: 4 iterations")


def test_a_long_run_is_stopped_with_a_checkpoint_and_goes_on(tmp_path, data, capsys):
    out = tmp_path / "run"
    background.train(out, "demo", data, f"{TINY} iteration=100000")
    there = lock.living(out)
    background.train(out, "demo", data, f"{TINY} iteration=100000")
    assert f"process {there.pid} trains here since" in capsys.readouterr().out
    while not (out / "losses.csv").exists():
        time.sleep(0.1)
    background._processes.clear()  # as after a restart of the kernel
    assert background._runs(out)
    background.stop(out)
    assert list((out / "checkpoints").glob("0*")) and lock.living(out) is None
    background.train(out, "demo", data, f"{TINY} iteration=100000")
    while "resumed after iteration" not in (out / "log.txt").read_text():
        assert background._runs(out)
        time.sleep(0.1)
    background.stop(out)


def test_a_process_that_does_not_hear_is_asked_again(tmp_path, data, monkeypatch):
    out, asked, ask = tmp_path / "run", [], os.kill
    background.train(out, "demo", data, f"{TINY} iteration=100000")
    while not (out / "losses.csv").exists():
        time.sleep(0.1)
    monkeypatch.setattr(background, "_DEAF", 0.5)
    monkeypatch.setattr(background.os, "kill", lambda *given: ask(*given) if asked else asked.append(given))
    background.stop(out)
    assert asked and lock.living(out) is None and list((out / "checkpoints").glob("0*"))


def test_the_stop_button_ends_the_watching_only(tmp_path, data, capsys, monkeypatch):
    def pressed(news):
        raise KeyboardInterrupt

    monkeypatch.setattr(background, "_runs", lambda out: True)
    background.watch(tmp_path / "run", 0.1, pressed)
    assert "the run goes on" in capsys.readouterr().out


def test_a_run_that_cannot_begin_says_why(tmp_path, data):
    with pytest.raises(InputError, match="unknown option nonsense"):
        background.train(tmp_path / "run", "demo", data, "nonsense=1")
    with pytest.raises(InputError, match="absent"):
        background.train(tmp_path / "run", "demo", tmp_path / "absent")


def test_without_a_run_there_is_nothing_to_stop(tmp_path, capsys):
    background.stop(tmp_path)
    assert "nobody trains here" in capsys.readouterr().out


def test_a_process_that_was_killed_trains_no_longer(tmp_path, data):
    out = tmp_path / "run"
    background.train(out, "demo", data, f"{TINY} iteration=100000")
    os.kill(lock.living(out).pid, signal.SIGKILL)
    background._processes[str(out)].wait()
    assert lock.living(out) is None and not background._runs(out)
