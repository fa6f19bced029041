"""Whatever ends a run saves first; what is only optional does not end it."""

import builtins
import os
import shutil
import sys
import types

import pytest

from paddle_ugatit import formats
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data import pictures as picture_files
from paddle_ugatit.formats import CheckpointError
from paddle_ugatit.training import loop, records, resuming
from tests.training.test_run import (  # noqa: F401  (faces and unbroken are fixtures)
    assert_same,
    faces,
    main,
    new_run,
    options_file,
    refusal,
    state_of,
    unbroken,
    weights_of,
)


@pytest.fixture
def pictures(faces, tmp_path):  # noqa: F811
    """A data set that a test may spoil."""
    return shutil.copytree(faces, tmp_path / "pictures")


def log_of(run):
    return (run.records.folder / "log.txt").read_text(encoding="utf-8")


def failing_at(step, error, real):
    """A function that raises at its call number `step`, counted from 0."""
    count = iter(range(step))

    def called(*arguments, **options):
        if next(count, None) is None:
            raise error
        return real(*arguments, **options)

    return called


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_while_a_batch_is_read_saves_first(faces, tmp_path, unbroken, workers):  # noqa: F811
    run = new_run(tmp_path / "run", faces, ema=0.9, save_freq=100, workers=workers)
    real = run.data.batch
    run.data.batch = lambda step: real(step) if step < 6 else 1 / 0
    with pytest.raises(ZeroDivisionError):
        run.train()
    assert run.checkpoints.steps() == [5] and "an error ends the run; the checkpoint of iteration 5 is kept" in log_of(
        run
    )
    again = new_run(tmp_path / "run", faces, ema=0.9)
    again.resume()
    again.train()
    assert_same(weights_of(again), state_of(unbroken.path(8)))


@pytest.mark.parametrize("where", ["losses", "picture"])
def test_so_does_an_error_in_the_records(faces, tmp_path, where):  # noqa: F811
    run = new_run(tmp_path / "run", faces, save_freq=100, print_freq=1)
    setattr(run.records, where, failing_at(3, ZeroDivisionError("no"), getattr(run.records, where)))
    with pytest.raises(ZeroDivisionError):
        run.train()
    assert run.checkpoints.steps() == [run.system.iteration] and run.system.iteration in (1, 4)


def test_half_an_iteration_is_not_saved(faces, tmp_path):  # noqa: F811
    run = new_run(tmp_path / "run", faces, save_freq=2)
    run.system.optimizers["gen"].step = failing_at(4, MemoryError("no memory"), run.system.optimizers["gen"].step)
    with pytest.raises(MemoryError):
        run.train()
    assert run.checkpoints.steps() == [2, 4]
    assert "iteration 5 was not finished; the checkpoint of iteration 4 is kept" in log_of(run)


def test_a_vanished_folder_is_told_and_the_run_saved(pictures, tmp_path, capsys):
    run = new_run(tmp_path / "run", pictures, save_freq=100, workers=1, cache=0)
    real = run.system.step

    def step(*batch):
        if run.system.iteration == 2:
            shutil.rmtree(pictures)
        return real(*batch)

    run.system.step = step
    with pytest.raises(InputError, match="train[AB]: there is no such folder any more"):
        run.train()
    assert run.checkpoints.steps() == [run.system.iteration] and run.checkpoints.manifest(run.system.iteration)


def test_bad_pictures_are_named_skipped_and_counted(pictures, tmp_path, monkeypatch, capsys):
    """Also those that make a decoder raise what no list foresees, with a name that is no text."""
    odd = os.path.join(os.fsencode(pictures / "trainA"), b"\xff\xfe.png")
    with open(odd, "wb") as file:
        file.write(b"no picture")
    real = picture_files.read_picture

    def read(path):
        if path.name == "1.png" and path.parent.name == "trainB":
            raise RuntimeError("decoder: broken")
        return real(path)

    monkeypatch.setattr(picture_files, "read_picture", read)
    run = new_run(tmp_path / "run", pictures, workers=1)
    run.train()
    assert run.system.iteration == 8
    told = log_of(run)
    assert told.count("trainB/1.png: cannot be read: RuntimeError: decoder: broken") == 1
    assert told.count(r"\udcff\udcfe.png: is not an image") == 1
    assert "note: 2 training images could not be read and were skipped" in told
    assert told == "".join(f"{line}\n" for line in told.splitlines()) and "\udcff" not in capsys.readouterr().err


def test_only_the_first_of_many_bad_pictures_are_named(tmp_path):
    told, files = [], [tmp_path / f"{number}.png" for number in range(60)]
    for file in files:
        file.write_bytes(b"no picture")
    bad = picture_files.Pictures(files, 8, say=told.append)
    with pytest.raises(InputError, match="none of its images can be read"):
        bad.read(range(60), 0)
    assert len(told) == picture_files._REPORTED + 1 and "further images" in told[-1] and len(bad.bad_files) == 60


def test_a_console_that_cannot_be_written_ends_nothing(faces, tmp_path, monkeypatch):  # noqa: F811
    run = new_run(tmp_path / "run", faces)

    class Full:
        encoding = "ascii"

        def write(self, text):
            raise OSError(28, "No space left on device")

        flush = isatty = lambda self: False

    monkeypatch.setattr(sys, "stderr", Full())
    run.records.say("夏")
    run.train()
    assert run.checkpoints.manifest(8) and "夏" in log_of(run)


# --- the last checkpoint on a full disk ------------------------------------------------------------------------


def full_unless(run, room, monkeypatch, anywhere=False):
    """Make the disk full unless `room()`: every file of a checkpoint of iteration 8 is refused, in the run's folder."""
    write = formats.write

    def refusing(path, checkpoint):
        if run.system.iteration == 8 and (anywhere or run.records.folder in path.parents) and not room():
            raise CheckpointError(f"{path}: cannot be written: No space left on device")
        write(path, checkpoint)

    monkeypatch.setattr(formats, "write", refusing)


def test_superfluous_checkpoints_make_room_for_the_last(faces, tmp_path, monkeypatch):  # noqa: F811
    run = new_run(tmp_path / "run", faces, keep=2)
    full_unless(run, lambda: len(run.checkpoints.steps()) < 2, monkeypatch)
    run.train()
    assert run.checkpoints.steps() == [6, 8] and run.checkpoints.manifest(8)
    assert "No space left on device; older checkpoints were removed for it" in log_of(run)


def test_the_last_checkpoint_goes_elsewhere(faces, tmp_path, unbroken, monkeypatch):  # noqa: F811
    monkeypatch.setattr(loop.tempfile, "tempdir", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()
    run = new_run(tmp_path / "run", faces, keep=2, ema=0.9)
    full_unless(run, lambda: False, monkeypatch)
    with pytest.raises(CheckpointError, match="No space left on device; it is in .* instead: move it to ") as error:
        run.train()
    place = next((tmp_path / "elsewhere").glob("*/0000008"))
    assert f"{place} instead: move it to {run.checkpoints.path(8)}, then use --resume" in str(error.value)
    shutil.move(place, run.checkpoints.path(8))
    again = new_run(tmp_path / "run", faces, keep=2, ema=0.9)
    again.resume()
    assert again.system.iteration == 8
    assert_same(state_of(run.checkpoints.path(8)), state_of(unbroken.path(8)))


def test_where_nothing_can_be_written_the_newest_is_kept(faces, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(loop.tempfile, "tempdir", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()
    run = new_run(tmp_path / "run", faces, keep=2)
    full_unless(run, lambda: False, monkeypatch, anywhere=True)
    with pytest.raises(CheckpointError, match="make room there: --resume continues from the newest checkpoint"):
        run.train()
    assert run.checkpoints.steps() == [6] and run.checkpoints.manifest(6) and not os.listdir(tmp_path / "elsewhere")


# --- optional parts ----------------------------------------------------------------------------------------------


def visualdl(monkeypatch, writer):
    module = types.ModuleType("visualdl")
    module.LogWriter = writer
    monkeypatch.setitem(sys.modules, "visualdl", module)


@pytest.mark.parametrize("error", [OSError(30, "Read-only file system"), TypeError("descriptors"), SystemExit(3)])
def test_visualdl_that_fails_is_a_line(faces, tmp_path, monkeypatch, error):  # noqa: F811
    def broken(*_):
        raise error

    visualdl(monkeypatch, broken)
    run = new_run(tmp_path / "run", faces, iteration=1)
    run.train()
    assert log_of(run).count(f"VisualDL does not work ({type(error).__name__}: ") == 1


def test_visualdl_that_fails_later_is_a_line(faces, tmp_path, monkeypatch):  # noqa: F811
    class Writer:
        def __init__(self, folder):
            self.add_text = self.add_image = self.add_histogram = self.close = lambda *_, **__: None

        def add_scalar(self, name, value, step):
            if step == 2:
                raise AttributeError("queue")

    visualdl(monkeypatch, Writer)
    run = new_run(tmp_path / "run", faces, iteration=4)
    run.train()
    run.records.close()
    assert log_of(run).count("VisualDL does not work (AttributeError: queue); training goes on without it") == 1


@pytest.mark.parametrize(("missing", "told"), [("visualdl", "is not installed"), ("google", "lacks the module google")])
def test_visualdl_that_is_absent_or_lacks_something(tmp_path, monkeypatch, capsys, missing, told):
    real = builtins.__import__

    def absent(name, *arguments):
        if name == "visualdl":
            raise ModuleNotFoundError(f"No module named '{missing}'", name=missing)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", absent)
    with records.Records(tmp_path)._optional_visual():
        records._visualdl(tmp_path)
    assert f"VisualDL {told}: losses go to losses.csv only" in capsys.readouterr().err


# --- what --resume says --------------------------------------------------------------------------------------------


def test_harmless_changes_are_noted(faces, tmp_path, capsys):  # noqa: F811
    new_run(tmp_path / "run", faces, iteration=2).train()
    run = new_run(tmp_path / "run", faces, iteration=2, keep=3, strict=True, log_freq=2)
    run.resume()
    told = capsys.readouterr().err
    assert "note: keep was 50, is 3" in told and "note: strict was False, is True" in told
    assert "note: nothing is left to do; iteration=4, say, makes the run longer" in told


@pytest.mark.parametrize(
    "found",
    [{"processes": 0}, {"processes": "2"}, {"config": [1]}, {"config": []}, {"config": 3}, {"config": {"x": 1}}],
)
def test_a_manifest_without_a_valid_configuration_is_passed_over(faces, tmp_path, found):  # noqa: F811
    config = new_run(tmp_path / "run", faces).config
    manifest = {"config": config.as_dict(), "processes": 1}
    resuming.require_same_options(config, manifest, tmp_path, lambda line: pytest.fail(line))
    with pytest.raises(CheckpointError, match="its configuration is not valid"):
        resuming.require_same_options(config, manifest | found, tmp_path, lambda line: pytest.fail(line))


def test_when_no_checkpoint_is_whole(faces, tmp_path, capsys):  # noqa: F811
    new_run(tmp_path / "run", faces, iteration=2).train()
    (tmp_path / "run/checkpoints/0000002/manifest.json").unlink()
    run = new_run(tmp_path / "run", faces)
    with pytest.raises(InputError, match="none of its checkpoints is intact"):
        run.resume()


def test_after_a_fall_back_latest_is_a_whole_one(faces, tmp_path, unbroken):  # noqa: F811
    for step in (2, 4):
        shutil.copytree(unbroken.path(step), tmp_path / "run/checkpoints" / f"{step:07}")
    (tmp_path / "run/checkpoints/latest").symlink_to("0000004")
    os.truncate(tmp_path / "run/checkpoints/0000004/state.safetensors", 99)
    run = new_run(tmp_path / "run", faces, ema=0.9)
    run.resume()
    assert os.readlink(tmp_path / "run/checkpoints/latest") == "0000002"


def test_init_verifies_what_it_reads(faces, tmp_path, unbroken, capsys):  # noqa: F811
    source = shutil.copytree(unbroken.path(2), tmp_path / "source") / loop.WEIGHTS
    content = bytearray(source.read_bytes())
    content[len(content) // 2] ^= 64
    source.write_bytes(content)
    run = ["--config", options_file(tmp_path), "--data", faces, "--out", tmp_path / "run", "--init", source]
    code, line = refusal(capsys, *run)
    assert code == 1 and f"{source}: is damaged: its SHA-256 is not the one it was written with" in line


def test_two_trainings_into_one_folder(faces, tmp_path, capsys, monkeypatch):  # noqa: F811
    """The second begins while the first trains: it is refused, and the first ends as if alone."""
    base = ["--config", options_file(tmp_path, iteration=2), "--data", faces, "--out", tmp_path / "run"]
    real, second = loop.Run.train, []

    def train(run, minutes=None):
        monkeypatch.setattr(loop.Run, "train", real)
        for more in ([], ["--resume"]):
            second.append(refusal(capsys, *base, *more))
        real(run)

    monkeypatch.setattr(loop.Run, "train", train)
    assert main(*base) == 0
    assert [code for code, _ in second] == [2, 2] and all("has been training here since" in line for _, line in second)
    assert len((tmp_path / "run/losses.csv").read_text().splitlines()) == 3
    assert (tmp_path / "run/log.txt").read_text().count("done: 2 iterations") == 1
    assert not (tmp_path / "run/lock.json").exists()
