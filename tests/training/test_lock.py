"""The lock of a run's folder: one training at a time, and no dead one in the way."""

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import pytest

from paddle_ugatit.backend.errors import InputError, UsageError
from paddle_ugatit.cli import train
from paddle_ugatit.training import lock, start
from paddle_ugatit.training.lock import FolderLock, this_process


def held_by(folder, **changes):
    """Leave a lock of this process, changed."""
    (folder / lock.NAME).write_text(json.dumps(asdict(replace(this_process(), token="other", **changes))))


def ended_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def taken(folder):
    """Take the lock, see that it is ours, and give it back."""
    own = FolderLock(folder)
    own.take()
    own.require()
    assert json.loads((folder / lock.NAME).read_text())["token"] == own.own.token
    own.close()
    return not (folder / lock.NAME).exists()


def test_a_living_process_is_named(tmp_path):
    held_by(tmp_path)
    with pytest.raises(UsageError, match=rf"process {os.getpid()} on .* has been training here since 20"):
        taken(tmp_path)
    assert json.loads((tmp_path / lock.NAME).read_text())["token"] == "other"


def test_dead_ones_are_taken_over(tmp_path):
    assert taken(tmp_path)
    held_by(tmp_path, pid=ended_process())
    assert taken(tmp_path)
    held_by(tmp_path, started="1")  # the number of a process that ended, given again to this one
    assert taken(tmp_path)
    held_by(tmp_path, boot="before")  # before a power cut
    assert taken(tmp_path)


def test_a_zombie_is_dead(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    process.stdout.read()  # it has ended, but nobody has waited for it
    held_by(tmp_path, pid=process.pid)
    assert taken(tmp_path)
    process.wait()


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"pid": 1}', "\0" * 300])
def test_what_a_crash_leaves_is_taken_over(tmp_path, content, monkeypatch):
    monkeypatch.setattr(lock, "_UNREADABLE", 0.1)
    (tmp_path / lock.NAME).write_text(content)
    assert taken(tmp_path)


@pytest.mark.parametrize("changes", [{"host": "elsewhere"}, {"machine": "another"}, {"namespace": "pid:[1]"}])
def test_another_host_is_refused_with_the_remedy(tmp_path, changes):
    held_by(tmp_path, pid=1, **changes)
    remedy = rf"last sign of life is \d+ s old: if it has ended, try again in \d+ s, or remove {tmp_path / lock.NAME}"
    with pytest.raises(UsageError, match=remedy):
        taken(tmp_path)
    (tmp_path / lock.NAME).unlink()
    assert taken(tmp_path)


def test_another_host_without_a_sign_of_life_is_taken_over(tmp_path):
    held_by(tmp_path, host="a container that is gone")
    os.utime(tmp_path / lock.NAME, (time.time() - lock._SILENCE - 5,) * 2)
    assert taken(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_run_gives_signs_of_life_until_it_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_BEAT", 0.02)
    own, path = FolderLock(tmp_path), tmp_path / lock.NAME
    own.take()
    os.utime(path, (1, 1))
    end = time.monotonic() + 10
    while path.stat().st_mtime < time.time() - 60 and time.monotonic() < end:
        time.sleep(0.01)
    assert path.stat().st_mtime > time.time() - 60
    own.close()
    held_by(tmp_path)
    os.utime(path, (1, 1))
    time.sleep(0.2)
    assert path.stat().st_mtime == 1  # another's lock, and this run is over


def test_of_many_that_take_over_at_once_one_wins(tmp_path, monkeypatch):
    held_by(tmp_path, pid=ended_process())
    together, real = threading.Barrier(8, timeout=5), os.replace
    monkeypatch.setattr(os, "replace", lambda *paths: together.wait() is not None and real(*paths))

    def attempt(_):
        own = FolderLock(tmp_path)
        try:
            own.take()
        except UsageError:
            return None
        return own

    with ThreadPoolExecutor(8) as pool:
        winners = [own for own in pool.map(attempt, range(8)) if own]
    assert len(winners) == 1
    winners[0].require()


def test_a_lock_that_was_taken_away_ends_the_run(tmp_path):
    own = FolderLock(tmp_path)
    own.take()
    held_by(tmp_path)
    with pytest.raises(InputError, match="trains here now; this run ends"):
        own.require()
    own.close()
    assert (tmp_path / lock.NAME).exists()  # it is the other's


def test_the_folder_belongs_to_one_run(tmp_path):
    with start.owned_folder(tmp_path / "run", resume=False):
        before = sorted(path.name for path in (tmp_path / "run").iterdir())
        with pytest.raises(UsageError, match="has been training here"), start.owned_folder(tmp_path / "run", True):
            pytest.fail("the block must not run")
        assert before == sorted(path.name for path in (tmp_path / "run").iterdir()) == ["lock.json", "log.txt"]
    assert not (tmp_path / "run/lock.json").exists()
    with pytest.raises(ZeroDivisionError), start.owned_folder(tmp_path / "run", resume=False):
        raise ZeroDivisionError
    assert not (tmp_path / "run/lock.json").exists()


def test_a_full_disk_leaves_no_lock(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(InputError, match="run: cannot be written: No space left on device"),
        start.owned_folder(tmp_path / "run", resume=False),
    ):
        pytest.fail("the block must not run")
    assert os.listdir(tmp_path / "run") == ["log.txt"]


def test_only_the_first_of_several_processes_takes_it(tmp_path):
    with start.owned_folder(tmp_path / "run", resume=False, rank=1) as own:
        assert own is None and not (tmp_path / "run").exists()


def test_a_start_time_is_read_where_the_name_of_a_process_is_odd(tmp_path, monkeypatch):
    stat = " ".join(["7", "(a) b) (R", "x)", "S", *map(str, range(18)), "4711", "0"])
    monkeypatch.setattr(lock, "_text", lambda path: stat)
    assert lock._started(7) == "4711"
    monkeypatch.setattr(lock, "_text", lambda path: stat.replace(" S ", " Z "))
    assert lock._started(7) == ""


def test_without_proc_psutil_or_nobody_tells(monkeypatch):
    pytest.importorskip("psutil")
    monkeypatch.setattr(lock.Path, "exists", lambda path: False)
    assert lock._started(os.getpid()) and lock._started(ended_process()) == ""
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert lock._started(os.getpid()) is None


def test_a_run_without_its_data_leaves_no_folder(tmp_path, capsys):
    code = train.main(["--config", "demo", "--data", str(tmp_path / "absent"), "--out", str(tmp_path / "run")])
    assert code == 1 and "absent: there is no such folder" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
