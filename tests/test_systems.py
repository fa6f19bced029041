"""One table of systems: a new one, a row and files of its own, trains, converts and appears in the checks."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from paddle_ugatit.systems import SYSTEMS, sampled, trained
from paddle_ugatit.training.system import TrainedSystem

ROOT = Path(__file__).resolve().parent.parent
RUN = """
import sys
sys.path.insert(0, {root!r}); sys.path.insert(0, {tests!r})
import toy_system
toy_system.install()
import importlib
sys.exit(importlib.import_module({module!r}).main(*{arguments!r}))
"""


def run(module, *arguments, folder, text=RUN, before=()):
    """The main of a command, in a process that has the toy system: (exit code, stdout, stderr)."""
    given = [*before, [str(argument) for argument in arguments]]
    text = text.format(root=str(ROOT), tests=str(ROOT / "tests"), module=module, arguments=given)
    done = subprocess.run([sys.executable, "-c", text], cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory):
    """A folder with a data set and a finished run of the toy system."""
    folder = tmp_path_factory.mktemp("toy")
    (folder / "toy.yaml").write_text("system: toy\niteration: 6\nsave_freq: 3\nprint_freq: 6\n")
    made = run(
        *("paddle_ugatit.cli.make_dataset", "--out", "faces", "--train", 4, "--test", 2, "--size", 16), folder=folder
    )
    assert made[0] == 0, made[2]
    code, _, error = run(
        *("paddle_ugatit.cli.train", "--config", "toy.yaml", "--data", "faces", "--out", "run"), folder=folder
    )
    assert code == 0, error
    return folder


def test_a_fifth_system_trains_and_resumes(trained_run):
    rows = (trained_run / "run/losses.csv").read_text().splitlines()
    assert rows[0].startswith("iteration,loss") and (trained_run / "run/samples/0000006_negatives.png").is_file()
    arguments = ("--config", "toy.yaml", "--data", "faces", "--out", "run", "--resume")
    code, output, error = run("paddle_ugatit.cli.train", *arguments, folder=trained_run)
    assert code == 0 and "resumed after iteration 6" in output + error


def test_it_converts_there_and_back(trained_run):
    weights = trained_run / "run/checkpoints/latest/weights.pdparams"
    for source, target in ((weights, "toy.pt"), ("toy.pt", "again.pdparams"), ("again.pdparams", "again.pt")):
        code, _, error = run("paddle_ugatit.cli.convert", source, target, folder=trained_run)
        assert code == 0, error
    code, output, _ = run("align.checks.round_trip", "toy.pt", "again.pt", folder=trained_run)
    assert code == 0, output


def test_it_appears_in_the_checks(trained_run):
    for check in ("forward", "backward"):
        code, output, error = run("align.checks.command", "toy-network", folder=trained_run, before=[check])
        assert code == 0 and "ALIGNED" in output, output + error
    code, output, error = run(
        "align.checks.training", "--system", "toy", "--steps", 3, "--lockstep", folder=trained_run
    )
    assert code == 0 and "ALIGNED" in output, output + error


def test_without_its_row_it_is_unknown(trained_run):
    arguments = ("--config", "toy.yaml", "--data", "faces", "--out", "other")
    text = RUN.replace("toy_system.install()", "")
    code, _, error = run("paddle_ugatit.cli.train", *arguments, folder=trained_run, text=text)
    assert code == 1 and "system must be one of ugatit, adain, sagan, stylegan2, got 'toy'" in error


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_every_row_leads_to_its_files(system):
    own = system.checkpoints
    assert own.MODELS and own.KINDS and set(own.EAGER) <= set(own.KINDS)
    for room in ("paddle_ugatit", "torch_ref"):
        assert (ROOT / room / "models" / f"{system.name}.py").is_file()
        assert (ROOT / room / "training" / f"{system.name}.py").is_file() == system.trained
    assert (ROOT / "align/cases" / f"{system.name}.py").is_file()
    assert (ROOT / "paddle_ugatit/inference" / f"sample_{system.name}.py").is_file() == system.sampled


SMALL = {
    "ugatit": {"light": True, "img_size": 24, "ch": 1, "n_res": 1, "global_layers": 4, "local_layers": 3},
    "adain": {"ch": 1, "load_size": 24, "img_size": 24},
    "sagan": {"img_size": 16, "load_size": 16, "conv_dim": 8, "z_dim": 2},
    "stylegan2": {"img_size": 8, "load_size": 8, "latent_dim": 2, "style_depth": 1, "network_capacity": 1},
}


@pytest.mark.parametrize("name", trained())
def test_every_trainer_has_the_declared_interface(name):
    row = trained()[name]
    system = row.trainer(row.config(**SMALL[name]))
    assert isinstance(system, TrainedSystem) and set(system.averaged) <= set(system.networks)
    for method in ("named_parameters", "sheets", "generated"):
        wanted = list(inspect.signature(getattr(TrainedSystem, method)).parameters)
        assert list(inspect.signature(getattr(type(system), method)).parameters) == wanted
    for lost in ("notes", "scalars"):
        delattr(system, lost)
        assert not isinstance(system, TrainedSystem)


def test_who_is_trained_and_sampled():
    assert list(trained()) == ["ugatit", "adain", "sagan", "stylegan2"]
    assert [system.name for system in sampled()] == ["sagan", "stylegan2"]
