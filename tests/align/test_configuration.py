"""The twin's configuration is its own: a wrong default, schedule or clip of the port shows in the default command."""

import ast
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from align.cases import TRAINING
from align.checks.configuration import configuration_entry
from align.checks.training import SMALL, lockstep
from align.compare.training import twin_config
from paddle_ugatit.training import Config, Trainer
from torch_ref.training import ugatit as twin

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("system", "least"), [("ugatit", 100), ("adain", 100), ("sagan", 20), ("stylegan2", 40)])
def test_both_configurations_agree(system, least):
    entry = configuration_entry(system)
    assert (entry["verdict"], entry["blamed"]) == ("aligned", None) and entry["counts"]["compared"] > least


def test_every_twin_has_a_configuration_of_its_own():
    assert set(TRAINING) == {"ugatit", "adain", "sagan", "stylegan2"}
    for case in TRAINING.values():
        config = twin_config(case.trainers[0], case.small)
        assert type(config).__module__ == f"torch_ref.training.{case.system}"
        assert {name: value for name, value in vars(config).items() if getattr(case.small, name) != value} == {}


@pytest.mark.parametrize(
    ("system", "name", "wrong"),
    [
        ("adain", "style_weight", 1.0),
        ("adain", "he", True),
        ("adain", "lr_decay", 5e-4),
        ("adain", "iteration", 16_000),
        ("sagan", "z_dim", 100),
        ("sagan", "lr_d", 1e-4),
        ("sagan", "adv_loss", "wgan-gp"),
        ("sagan", "beta1", 0.5),
        ("stylegan2", "latent_dim", 513),
        ("stylegan2", "lr_dis_factor", 2.0),
        ("stylegan2", "penalty_every", 5),
        ("stylegan2", "truncation", 0.5),
    ],
)
def test_a_wrong_default_of_a_sibling_is_found(system, name, wrong):
    kind = type(TRAINING[system].small)
    right = kind.__init__
    with patch.object(kind, "__init__", lambda self, **given: right(self, **{name: wrong, **given})):
        entry = configuration_entry(system)
    assert entry["verdict"] == "diverged" and entry["blamed"]["slot"] == name


@pytest.mark.parametrize(
    "wrong",
    [
        lambda self, step: self.lr,
        lambda self, step: self.lr / (1 + self.lr_decay * step),
        lambda self, step: self.lr * (1 - self.lr_decay * (step - 1)),
    ],
    ids=["never decays", "a step early", "another curve"],
)
def test_a_wrong_schedule_of_adain_is_found(wrong):
    with patch.object(type(TRAINING["adain"].small), "lr_at", wrong):
        entry = configuration_entry("adain")
    assert entry["verdict"] == "diverged" and entry["blamed"]["slot"].startswith("rate of step")


def test_the_twin_gets_a_configuration_of_its_own():
    config = twin_config(twin.Trainer, SMALL)
    assert type(config) is twin.Config and config.ch == SMALL.ch and config.lr == 1e-4
    assert twin_config(twin.Trainer, config) is config


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("cycle_weight", 1.0), ("weight_decay", 0.0), ("lr", 2e-4), ("n_res", 6), ("light", True), ("global_layers", 6)],
)
def test_a_wrong_default_is_found(name, wrong):
    right = Config.__init__
    with patch.object(Config, "__init__", lambda self, **given: right(self, **{name: wrong, **given})):
        entry = configuration_entry("ugatit")
    assert entry["verdict"] == "diverged" and entry["blamed"]["slot"] == name


def test_an_option_without_a_partner_is_found():
    with patch.dict("align.checks.configuration.ELSEWHERE", clear=True):
        entry = configuration_entry("ugatit")
    assert entry["verdict"] == "diverged" and "PyTorch's is None" in entry["blamed"]["message"]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda self, step: self.lr,
        lambda self, step: max(0.0, self.lr * (1 - max(0, step - self.iteration / 2) / (self.iteration / 2))),
        lambda self, step: self.lr if step <= self.iteration // 2 else self.lr * (1 - step / self.iteration),
        lambda self, step: self.lr_right(step + 1),
        lambda self, step: self.lr_right((step - 1) // 5 * 5 + 1),
    ],
    ids=["never decays", "odd halves", "another slope", "a step early", "by epochs"],
)
def test_a_wrong_schedule_is_found(wrong):
    with patch.object(Config, "lr_right", Config.lr_at, create=True), patch.object(Config, "lr_at", wrong):
        entry = configuration_entry("ugatit")
    assert entry["verdict"] == "diverged" and entry["blamed"]["slot"].startswith("rate of step")


def test_the_last_rate_of_an_odd_schedule_is_0_where_the_public_one_is_negative():
    config = twin.Config(iteration=7)
    assert config.public_lr_at(7) == pytest.approx(-1e-4 / 3) and config.lr_at(7) == Config(iteration=7).lr_at(7) == 0
    assert config.public_lr_at(6) == Config(iteration=7).lr_at(6) == 0


@pytest.mark.parametrize(
    ("low", "high"), [(None, None), (0.0, None), (None, 1.0)], ids=["never", "only below", "only above"]
)
def test_a_clip_that_is_left_out_is_found_by_the_default_command(low, high):
    """Rho moves below 0 and above 1 within the steps that check_training runs."""

    def clip(self):
        for name in ("genA2B", "genB2A"):
            for key, parameter in self.networks[name].named_parameters():
                if key.endswith("rho"):
                    parameter.set_value(parameter.clip(-9 if low is None else low, 9 if high is None else high))

    with patch.object(Trainer, "clip_rho", clip):
        (entry,) = lockstep(TRAINING["ugatit"].small, 1)
    assert entry["verdict"] == "diverged"
    assert (entry["blamed"]["what"], entry["blamed"]["slot"]) == ("parameter", "rho")


# What PyTorch's side takes from the port, and why it cannot hide a fault that both sides then share.
SHARED = {
    "paddle_ugatit.systems": "the names of the systems",
    "paddle_ugatit.weights": "the type of an error, WeightError",
    "paddle_ugatit.training": "options of the small configurations, from which the twin makes its own",
}


def test_pytorchs_side_takes_nothing_else_from_the_port():
    folder, found = ROOT / "align", set()
    torch_files = ("compare/torch_side.py", "compare/reference.py", "compare/views.py", "compare/scales.py")
    for path in [*(folder / name for name in torch_files), *(folder / "cases").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found |= {(path.name, name) for name in names if name and name.startswith("paddle_ugatit")}
    outside = {"real_weights.py", "make_checkpoint.py", "mtcnn.py"}  # files that read or write checkpoints of others
    rest = {(name, module) for name, module in found if name not in outside}
    assert rest and {module for _, module in rest} <= SHARED.keys()


def test_an_odd_schedule_is_in_step():
    small = replace(SMALL, ch=2, img_size=24, global_layers=5, local_layers=3, iteration=3)
    entries = list(lockstep(small, 3))
    assert [entry["verdict"] for entry in entries] == ["aligned"] * 3
