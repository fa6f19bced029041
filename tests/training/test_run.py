"""A training run from the outside and the inside: resumed, killed, damaged, refused; it must lose nothing."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddle_ugatit import formats
from paddle_ugatit.cli import train
from paddle_ugatit.data.images import write_image
from paddle_ugatit.training import Config, loop, start
from paddle_ugatit.training.diverged import DivergedError, require_finite
from paddle_ugatit.training.records import Records

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "train.py"
TINY = dict(light=True, img_size=24, ch=2, n_res=1, global_layers=4, local_layers=3, iteration=8)
TINY |= dict(print_freq=100, save_freq=2, log_freq=1, keep=50)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A data set of a few noisy pictures."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for domain in ("trainA", "trainB", "testA", "testB"):
        (folder / domain).mkdir()
        for number in range(3):
            write_image(folder / domain / f"{number}.png", rng.integers(0, 256, (30, 30, 3), dtype=np.uint8))
    return folder


def options_file(folder, **changes):
    path = folder / "options.yaml"
    path.write_text("".join(f"{name}: {value}\n" for name, value in {**TINY, **changes}.items()))
    return path


def new_run(folder, faces, dtype="float32", tamper=None, **changes):
    """A Run in a folder, not yet started; `tamper(system)` plants a fault."""
    config = Config(**{**TINY, **changes})
    folder.mkdir(exist_ok=True)
    records = Records(folder)
    system = start.system_of(config, dtype)
    if tamper:
        tamper(system)
    tests = start.tests_of(config, faces, records.say)
    run = loop.Run(system, start.data_of(config, faces, 0, 1, records.say), tests, folder, records)
    records.start(config, 0)
    return run


def weights_of(run):
    return state_of(run.checkpoints.path(run.system.iteration))


def state_of(folder):
    """Every array of a checkpoint."""
    found = {}
    for path in sorted(folder.glob("*.pdparams")) + sorted(folder.glob("*.safetensors")):
        found |= {(name, key): array for name, key, array in formats.read(path).tensors()}
    return found


def assert_same(one, other):
    assert one.keys() == other.keys() and len(one) > 100
    assert [key for key in one if one[key].tobytes() != other[key].tobytes()] == []


@pytest.fixture(scope="module")
def unbroken(faces, tmp_path_factory):
    """The state after an uninterrupted run."""
    run = new_run(tmp_path_factory.mktemp("run") / "unbroken", faces, ema=0.9)
    run.train()
    return run.checkpoints


@pytest.mark.parametrize("step", [2, 6])
def test_resumed_run_ends_with_the_same_bits(faces, tmp_path, unbroken, step):
    shutil.copytree(unbroken.path(step), tmp_path / "run" / "checkpoints" / f"{step:07}")
    run = new_run(tmp_path / "run", faces, ema=0.9, seed=0)
    for tensor in run.system.networks["genA2B"].parameters():
        tensor.set_value(tensor * 0)  # whatever was there before must not matter
    run.resume()
    assert run.system.iteration == step
    run.train()
    assert_same(weights_of(run), state_of(unbroken.path(8)))


@pytest.mark.parametrize("lost", ["moments", "iteration", "buffers"])
def test_incomplete_resume_would_be_noticed(faces, tmp_path, unbroken, lost):
    """The comparison above fails where a part of the state is not restored."""
    shutil.copytree(unbroken.path(4), tmp_path / "run" / "checkpoints" / "0000004")
    run = new_run(tmp_path / "run", faces, ema=0.9)
    if lost == "moments":
        run.system.optimizers["dis"].set_state_dict = lambda state: None
    run.resume()
    if lost == "iteration":
        run.system.iteration -= 1
        run.config = run.config.replaced(iteration=7)
    if lost == "buffers":
        net = run.system.networks["disLA"]
        next(iter(net.buffers())).set_value(next(iter(net.buffers())) * -1)
    run.train()
    with pytest.raises(AssertionError):
        assert_same(weights_of(run), state_of(unbroken.path(run.system.iteration)))


def damage(path, how):
    if how == "cut":
        os.truncate(path, path.stat().st_size // 2)
    elif how == "absent":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


@pytest.mark.parametrize("how", ["cut", "absent", "one bit"])
@pytest.mark.parametrize("name", ["weights.pdparams", "state.safetensors", "manifest.json"])
def test_damaged_newest_checkpoint_falls_back(faces, tmp_path, unbroken, name, how, capsys):
    for step in (2, 4):
        shutil.copytree(unbroken.path(step), tmp_path / "run" / "checkpoints" / f"{step:07}")
    damage(tmp_path / "run" / "checkpoints" / "0000004" / name, how)
    run = new_run(tmp_path / "run", faces, ema=0.9)
    run.resume()
    told = capsys.readouterr().err
    assert run.system.iteration == 2 and "skipped a checkpoint" in told and "0000004" in told
    run.train()
    assert_same(weights_of(run), state_of(unbroken.path(8)))


def main(*arguments):
    return train.main([str(argument) for argument in arguments])


def refusal(capsys, *arguments):
    """Exit code and the last line on stderr, which must be the refusal."""
    capsys.readouterr()
    code = main(*arguments)
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("train: ")
    return code, line


def test_refusals_are_one_line(faces, tmp_path, capsys, unbroken):
    base = ["--data", faces, "--out", tmp_path / "run"]
    good = ["--config", options_file(tmp_path), *base]
    assert refusal(capsys, "--config", tmp_path / "no.yaml", *base) == (
        1,
        f"train: {tmp_path / 'no.yaml'}: cannot be read: No such file or directory",
    )
    for assignment, told in [
        ("lite=true", "unknown option lite"),
        ("lr=fast", "lr must be of type float, got 'fast'"),
        ("iteration=0", "iteration must be 1 or more"),
        ("system=cyclegan", "system must be one of ugatit"),
        ("global_layers=9", "use fewer layers or larger images"),
        ("nonsense", "not of the form KEY=VALUE"),
        ("lr=[", "is not valid YAML"),
        ("revision=first", "revision must be one of"),
    ]:
        code, line = refusal(capsys, *good, assignment)
        assert code == 1 and told in line
    code, line = refusal(capsys, *good, "--device", "gpu:7")
    assert code == 2 and "--device gpu:7" in line
    code, line = refusal(capsys, *good, "--resume")
    assert code == 1 and "holds no checkpoint to resume from" in line
    code, line = refusal(capsys, "--config", options_file(tmp_path), "--data", tmp_path, "--out", tmp_path / "run")
    assert code == 1 and "testA" in line
    code, line = refusal(capsys, "--config", options_file(tmp_path), "--data", faces, "--out", faces / "testA/0.png")
    assert code == 1 and "cannot be written" in line
    shutil.copytree(unbroken.path(2), tmp_path / "held" / "checkpoints" / "0000002")
    held = ["--config", options_file(tmp_path), "--data", faces, "--out", tmp_path / "held"]
    assert refusal(capsys, *held)[0] == 2
    code, line = refusal(capsys, *held, "--resume", "lr=0.5", "ema=0.9")
    assert code == 1 and "cannot resume with other options: lr was 0.0001, is 0.5" in line
    assert f"--init {tmp_path / 'held/checkpoints/latest/weights.pdparams'} and another --out" in line


def test_a_finished_run_can_be_made_longer(faces, tmp_path):
    finished = new_run(tmp_path / "run", faces, iteration=4, save_freq=2)
    finished.train()
    longer = new_run(tmp_path / "run", faces, iteration=8, save_freq=2)
    longer.resume()
    longer.train()
    assert longer.system.iteration == 8 and longer.checkpoints.steps()[-1] == 8
    told = (tmp_path / "run/log.txt").read_text()
    assert "note: iteration was 4, is 8: learning rates that depend on it follow the new length from here" in told
    assert longer.checkpoints.manifest(8)["config"]["iteration"] == 8


@pytest.mark.parametrize("name", ["genA2B", "disLB"])
def test_nan_stops_the_run_and_keeps_the_last_checkpoint(faces, tmp_path, name):
    """A NaN weight before a ReLU shows in no loss at once; it must not reach a checkpoint either."""
    run = new_run(tmp_path / "run", faces, save_freq=1)
    step = run.system.step

    def poisoned(*batch):
        if run.system.iteration == 4:
            parameter = run.system.networks[name].parameters()[0]
            parameter.set_value(parameter * float("nan"))
        return step(*batch)

    run.system.step = poisoned
    with pytest.raises(DivergedError, match=r"diverged (at|by) iteration 5: "):
        run.train()
    assert run.checkpoints.steps()[-1] == 4 and run.checkpoints.manifest(4)


def test_loss_that_is_no_number_is_named():
    losses = {"g_cam_a": paddle.to_tensor(1.0), "g_adv_b": paddle.to_tensor(float("inf"))}
    losses["g_loss"] = losses["g_cam_a"] + losses["g_adv_b"]
    with pytest.raises(DivergedError, match=r"at iteration 7: g_adv_b is inf, g_loss is inf$"):
        require_finite(losses, "g_loss", 7)


def test_full_disk_is_told_and_training_goes_on(faces, tmp_path, capsys, monkeypatch):
    run, write = new_run(tmp_path / "run", faces), formats.write

    def full(path, checkpoint):
        if run.system.iteration in (4, 6) and path.name == "state.safetensors":
            raise formats.CheckpointError(f"{path}: cannot be written: No space left on device")
        write(path, checkpoint)

    monkeypatch.setattr(formats, "write", full)
    run.train()
    assert run.checkpoints.steps() == [2, 8]
    assert capsys.readouterr().err.count("No space left on device; training goes on") == 2
    assert not list(run.checkpoints.folder.glob(".*.unfinished"))


def test_full_disk_at_the_end_is_an_error(faces, tmp_path, monkeypatch):
    run = new_run(tmp_path / "run", faces, save_freq=4)
    run.checkpoints.save, save = lambda step, *rest: step == 4 and save(step, *rest) or full(step), run.checkpoints.save

    def full(step):
        if step == 8:
            raise formats.CheckpointError("No space left on device")

    with pytest.raises(formats.CheckpointError, match="No space"):
        run.train()
    assert run.checkpoints.manifest(4)


def test_old_checkpoints_are_removed(faces, tmp_path):
    run = new_run(tmp_path / "run", faces, save_freq=1, keep=2, keep_every=3)
    run.train()
    assert run.checkpoints.steps() == [3, 6, 7, 8]
    assert os.readlink(run.checkpoints.folder / "latest") == "0000008"


def test_running_mean_is_the_formula(faces, tmp_path):
    run, expected = new_run(tmp_path / "run", faces, dtype="float64", ema=0.75), {}
    step = run.system.step

    def followed(*batch):
        losses = step(*batch)
        for name in ("genA2B", "genB2A"):
            for key, tensor in run.system.networks[name].state_dict().items():
                expected[name, key] = 0.75 * expected[name, key] + 0.25 * tensor.numpy()
        return losses

    for name in ("genA2B", "genB2A"):
        for key, tensor in run.system.networks[name].state_dict().items():
            expected[name, key] = tensor.numpy()
    run.system.step = followed
    run.train()
    found = formats.read(run.checkpoints.path(8) / loop.MEAN).networks
    for (name, key), array in expected.items():
        np.testing.assert_allclose(found[name][key], array, rtol=1e-12)


def test_looking_does_not_disturb_the_training(faces, tmp_path, unbroken):
    run = new_run(tmp_path / "run", faces, ema=0.9, print_freq=1, log_freq=3, save_freq=8)
    run.train()
    assert_same(weights_of(run), state_of(unbroken.path(8)))
    assert len(list((tmp_path / "run/samples").iterdir())) == 18


def test_fine_tuning_starts_from_the_files_weights(faces, tmp_path, unbroken):
    source = unbroken.path(4) / loop.WEIGHTS
    system = start.system_of(Config(**TINY))
    assert start.take_weights(system, source) == []
    for name, arrays in formats.read(source).networks.items():
        own = system.networks[name].state_dict()
        assert all(own[key].numpy().tobytes() == array.tobytes() for key, array in arrays.items())
    wider = start.system_of(Config(**{**TINY, "ch": 3}))
    with pytest.raises(formats.CheckpointError, match=r"genA2B.DownBlock.1.weight has the shape"):
        start.take_weights(wider, source)
    deeper = start.system_of(Config(**{**TINY, "n_res": 2}))
    with pytest.raises(formats.CheckpointError, match=r"genA2B: lacks DownBlock.13"):
        start.take_weights(deeper, source)
    paddle.set_default_dtype("float32")


def test_kid_is_measured_and_the_best_is_kept(faces, tmp_path, capsys):
    run = new_run(tmp_path / "run", faces, eval_every=2, eval_features="pixels")
    run.evaluation = start.evaluation_of(run.config, faces, run.records.say)
    scores, measure = [], run.evaluation.measure

    def noted(system, networks):
        found = measure(system, networks)
        assert list(found) == ["A2B", "B2A"] and all(np.isfinite(list(found.values())))
        scores.append(found["A2B"])
        return found

    run.evaluation.measure = noted
    run.train()
    scores = scores[1:]  # the first was before training, which is told alone
    best = int(np.argmin(scores)) * 2 + 2
    manifest = json.loads((run.checkpoints.folder / "best/manifest.json").read_text())
    assert manifest["iteration"] == best and manifest["score"] == min(scores) == run.checkpoints.best_score()
    saved = formats.read(run.checkpoints.folder / "best" / loop.WEIGHTS).networks["genA2B"]
    then = formats.read(run.checkpoints.path(best) / loop.WEIGHTS).networks["genA2B"]
    assert all(saved[key].tobytes() == array.tobytes() for key, array in then.items())
    assert "not comparable with published numbers: A2B" in capsys.readouterr().err


def test_a_run_stops_when_its_time_is_over_and_goes_on_from_there(faces, tmp_path, unbroken):
    run = new_run(tmp_path / "run", faces, ema=0.9)
    run.train(minutes=1e-9)
    assert run.system.iteration == 1
    assert run.checkpoints.path(1).is_dir()  # no multiple of save_freq
    again = new_run(tmp_path / "run", faces, ema=0.9)
    again.resume()
    again.train(minutes=60)
    assert_same(weights_of(again), state_of(unbroken.path(8)))
