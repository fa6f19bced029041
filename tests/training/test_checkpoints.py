"""The folder of checkpoints: whatever moment a process is killed at, and whatever is damaged, nothing is lost."""

import json
import os
import shutil

import numpy as np
import pytest

from paddle_ugatit.formats import Checkpoint, CheckpointError, manifest
from paddle_ugatit.training.checkpoints import Checkpoints

OPERATIONS = ("rename", "replace", "unlink", "rmdir", "mkdir", "symlink")
FILES = {name: lambda: Checkpoint({"": {"x": np.arange(9.0)}}, "paddle") for name in ("a.pdparams", "b.safetensors")}


def written(folder, *steps, **options):
    """A folder with checkpoints of these iterations."""
    checkpoints = Checkpoints(folder, **options)
    for step in steps:
        checkpoints.save(step, FILES, {"config": {"lr": 0.1}})
    return checkpoints


def is_whole(folder):
    try:
        found = manifest.read(folder)
    except CheckpointError:
        return False
    return all((folder / name).stat().st_size == entry["size"] for name, entry in found["files"].items())


def killed_at(number, work, checkpoints):
    """Do `work` in a process that ends before its operation `number` on files; return whether it got to the end."""
    process = os.fork()
    if process == 0:
        try:
            count = iter(range(number))
            for name in OPERATIONS:
                setattr(os, name, counted(getattr(os, name), count))
            work(checkpoints)
            os._exit(0)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert code in (0, 9)
    return code == 0


def counted(operation, count):
    def called(*arguments, **options):
        if next(count, None) is None:
            os._exit(9)
        return operation(*arguments, **options)

    return called


WORK = {
    "best": lambda checkpoints: checkpoints.save_best(5, FILES, 0.25, {}),
    "again": lambda checkpoints: checkpoints.save(5, FILES, {"config": {"lr": 0.2}}),
    "new": lambda checkpoints: checkpoints.save(6, FILES, {}),
}


@pytest.mark.parametrize("what", WORK)
def test_a_kill_between_any_two_operations_loses_nothing(tmp_path, what, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # which takes most of the time
    number, done = 0, False
    while not done:
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        checkpoints = written(tmp_path / "run", 4, 5, keep=2)
        checkpoints.save_best(4, FILES, 0.5, {})
        done, number = killed_at(number, WORK[what], checkpoints), number + 1
        there = checkpoints.folder
        # Also before the repair each content is there once, under one name or another.
        for name in ("best", "0000005"):
            assert is_whole(there / name) or any(map(is_whole, there.glob(f".{name}.*"))), f"{name}, {number}"
        checkpoints = Checkpoints(there, keep=2)
        checkpoints.repair()
        steps = checkpoints.steps()
        assert checkpoints.best_score() in (0.5, 0.25) and is_whole(there / "best")
        assert steps in ([4, 5], [5, 6], [4, 5, 6]) and all(map(checkpoints.manifest, steps))
        assert is_whole(there / "latest") and not list(there.glob(".*"))
        checkpoints.save(7, FILES, {})
        assert checkpoints.steps()[-1] == 7 and len(checkpoints.steps()) == 2
    assert number > 12


def test_a_refused_rename_puts_the_old_content_back(tmp_path, monkeypatch):
    checkpoints, rename, count = written(tmp_path), os.rename, iter(range(1))
    checkpoints.save_best(4, FILES, 0.5, {})

    def refused_once(*paths):
        if next(count, None) is None:
            monkeypatch.setattr(os, "rename", rename)
            raise OSError(5, "Input/output error")
        rename(*paths)

    monkeypatch.setattr(os, "rename", refused_once)
    with pytest.raises(CheckpointError, match="best: cannot be written: Input/output error"):
        checkpoints.save_best(5, FILES, 0.25, {})
    assert checkpoints.best_score() == 0.5 and os.listdir(tmp_path) == ["best"]


def test_the_content_that_was_whole_wins(tmp_path):
    """Killed after the old content was set aside: the new one is put in if it is complete, else the old one is back."""
    for damaged, score in ((False, 0.25), (True, 0.5)):
        checkpoints = written(tmp_path / str(damaged))
        folder = checkpoints.folder
        checkpoints.save_best(1, FILES, 0.25, {})
        os.rename(folder / "best", folder / ".best.unfinished")
        (folder / ".best.unfinished/a.pdparams").write_bytes(b"") if damaged else None
        checkpoints = Checkpoints(folder)
        shutil.copytree(written(tmp_path / "other", 1).path(1), folder / ".best.replaced")
        text = manifest.sealed({**manifest.read(folder / ".best.replaced"), "score": 0.5})
        (folder / ".best.replaced/manifest.json").write_text(text)
        checkpoints.repair()
        assert checkpoints.best_score() == score and os.listdir(folder) == ["best"]


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_damaged_checkpoints_do_not_count(tmp_path):
    """keep=1: what is written after falling back to an older checkpoint is not removed for the damaged newer one."""
    checkpoints = written(tmp_path, 5, 10, keep=1, keep_every=5)
    damage(checkpoints.path(10) / "b.safetensors")
    checkpoints = Checkpoints(tmp_path, keep=1, keep_every=5)
    checkpoints.save(8, FILES, {})
    assert checkpoints.steps() == [5, 8, 10] and checkpoints.manifest(8)
    assert os.readlink(tmp_path / "latest") == "0000008"
    checkpoints.save(9, FILES, {})
    assert checkpoints.steps() == [5, 9, 10]
    # A damaged one among the newest is not one of the two that are kept.
    checkpoints = written(tmp_path / "two", 1, 2, 3, keep=3)
    damage(checkpoints.path(3) / "b.safetensors")
    checkpoints = Checkpoints(tmp_path / "two", keep=2)
    checkpoints.save(4, FILES, {})
    assert checkpoints.steps() == [2, 3, 4] and checkpoints.manifest(4) and checkpoints.manifest(2)
    checkpoints.save(5, FILES, {})
    assert checkpoints.steps() == [4, 5]


def test_the_newest_stays_where_a_whole_one_of_a_later_iteration_exists(tmp_path):
    checkpoints = written(tmp_path, 10, keep=1)
    checkpoints.save(8, FILES, {})
    assert checkpoints.steps() == [8, 10] and (tmp_path / "latest").resolve() == checkpoints.path(8).resolve()


def test_latest_is_repaired(tmp_path):
    checkpoints = written(tmp_path, 1, 2, 3, keep=3)
    shutil.rmtree(checkpoints.path(3))
    damage(checkpoints.path(2) / "a.pdparams")
    Checkpoints(tmp_path).repair()
    assert os.readlink(tmp_path / "latest") == "0000001"
    shutil.rmtree(checkpoints.path(1))
    Checkpoints(tmp_path).repair()
    assert not os.path.lexists(tmp_path / "latest")


def test_room_is_made_but_one_stays(tmp_path):
    checkpoints = written(tmp_path, 4, 5, 6, keep=3, keep_every=4)
    assert not checkpoints.make_room(7) and checkpoints.steps() == [4, 5, 6]
    checkpoints.keep = 2
    assert checkpoints.make_room(7) and checkpoints.steps() == [4, 6]
    checkpoints.keep = 1
    assert not checkpoints.make_room(7) and checkpoints.steps() == [4, 6]


def test_any_damage_of_a_manifest_is_found(tmp_path):
    """Every byte, with one of its bits flipped: the checkpoint is named, and nothing else is raised."""
    checkpoints = written(tmp_path, 1)
    path = checkpoints.path(1) / "manifest.json"
    content = path.read_bytes()
    assert checkpoints.manifest(1)["config"] == {"lr": 0.1} and len(content) > 500
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        with pytest.raises(CheckpointError, match="0000001"):
            checkpoints.manifest(1)
    for size in (0, 1, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(CheckpointError, match="0000001"):
            checkpoints.manifest(1)


def test_manifests_without_a_checksum_are_read(tmp_path):
    checkpoints = written(tmp_path, 1)
    path = checkpoints.path(1) / "manifest.json"
    old = {name: value for name, value in json.loads(path.read_text()).items() if name != "checksum"}
    path.write_text(json.dumps(old, indent=1))
    assert checkpoints.manifest(1) == old
    for bad in (
        {**old, "checksun": "0" * 64},
        {**old, "files": {"a": 1}},
        {**old, "files": {"../a": {}}},
        {**old, "files": {"a.pdparams": {"size": "1", "sha256": ""}}},
        {**old, "iteration": 2},
        {**old, "iteration": "1"},
        [old],
        3,
    ):
        path.write_text(json.dumps(bad))
        with pytest.raises(CheckpointError, match="0000001"):
            checkpoints.manifest(1)
    path.write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match="0000001"):
        checkpoints.manifest(1)
