"""train.py --plan: what it counts is what a run then takes."""

import pytest

from paddle_ugatit.cli import train
from paddle_ugatit.data.faces.folder import make_dataset
from paddle_ugatit.training import plan, start
from paddle_ugatit.training.ugatit import Config

SMALL = Config(
    light=True, img_size=32, ch=4, n_res=1, global_layers=3, local_layers=3, iteration=5, save_freq=1, keep=2,
    keep_every=2, ema=0.9, workers=1,
)  # fmt: skip
WIDER = {  # system -> options between and beyond the widths that plan measures
    "demo": ["ch=12", "img_size=48", "global_layers=4", "n_res=1", "batch_size=6", "accumulate=2"],
    "sagan_demo": ["conv_dim=32", "batch_size=6"],
    "adain_demo": ["ch=24", "img_size=64", "batch_size=3"],
    "stylegan2_demo": ["network_capacity=12", "batch_size=3", "accumulate=1"],
}


def test_the_full_model_is_counted_without_being_built(monkeypatch):
    monkeypatch.setattr(plan, "activations", lambda config: 0)
    before = plan.allocated()
    needs = plan.plan(Config(iteration=1_000_000))
    assert plan.allocated() - before < 10e6
    # Generators 279 M each, discriminators 56 M a domain, and the vectors of spectral norms.
    assert needs.parameters == pytest.approx(670.8e6, rel=1e-3)
    assert needs.held["weights"] == 4 * needs.parameters
    assert needs.held["gradients"] == 4 * 2 * 278_959_808
    assert "running means" not in needs.held and needs.checkpoints == 11


def test_numbers_files_and_disk_are_those_of_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "activations", lambda config: 0)
    needs = plan.plan(SMALL)
    system = start.system_of(SMALL)
    counted = sum(array.size for network in system.networks.values() for array in network.state_dict().values())
    assert needs.parameters == counted
    make_dataset(tmp_path / "data", train=2, test=1, size=32, seed=0)
    (tmp_path / "c.yaml").write_text("\n".join(f"{key}: {value}" for key, value in SMALL.as_dict().items() if value))
    arguments = ["--config", tmp_path / "c.yaml", "--data", tmp_path / "data", "--out", tmp_path / "run"]
    assert train.main(list(map(str, arguments))) == 0
    checkpoints = [path for path in (tmp_path / "run/checkpoints").iterdir() if path.is_dir() and not path.is_symlink()]
    assert len(checkpoints) == needs.checkpoints == 3  # 2, and the newest two: 4, 5
    size = sum(path.stat().st_size for path in checkpoints[0].iterdir())
    # The files name every array, which counts in so small a model.
    assert needs.checkpoint < size < 1.5 * needs.checkpoint + 200_000


@pytest.mark.parametrize("name", WIDER)
def test_activations_follow_width_and_batch(name):
    from paddle_ugatit.cli import configs

    config = start.configuration(configs.find(name), WIDER[name])
    part = config.replaced(batch_size=config.batch_size // config.accumulate, accumulate=1)
    assert plan.activations(config) == pytest.approx(plan.measure(part), rel=0.05)


def test_the_command_begins_nothing_and_needs_no_folders(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = ["n_res=1", "img_size=32", "global_layers=3", "local_layers=3"]
    assert train.main(["--config", "demo", "--plan", *options]) == 0
    said = capsys.readouterr().out
    for word in ("weights", "Adam's moments", "gradients", "activations", "memory, together", "a checkpoint", "disk"):
        assert word in said
    assert not list(tmp_path.iterdir())


def test_without_a_plan_the_folders_are_required(capsys):
    with pytest.raises(SystemExit) as ended:
        train.main(["--config", "demo", "--data", "x"])
    assert ended.value.code == 2 and "required: --out" in capsys.readouterr().err


def test_a_system_that_cannot_be_built_is_one_line(capsys):
    assert train.main(["--config", "demo", "--plan", "img_size=30"]) != 0
    assert len(capsys.readouterr().err.splitlines()) == 1
