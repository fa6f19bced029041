"""Models of somebody else's under the harness: aligned where they are, blamed and explained where they are not."""

import subprocess
import sys
from pathlib import Path

import pytest

from align.cases.pair import PairError, load_pair
from align.checks import command

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "align/examples/attention_pair.py"
SOURCE = EXAMPLE.read_text(encoding="utf-8")
RIGHT = SOURCE.replace("axis=1)", "axis=-1)")
LINEAR = """
import paddle, torch

SHAPES = [(4, 6)]

class Mine(paddle.nn.Layer):
    def __init__(self):
        super().__init__()
        self.w, self.b = self.create_parameter([6, 6]), self.create_parameter([6], is_bias=True)

    def forward(self, x):
        return x @ self.w + self.b

def torch_model():
    return torch.nn.Sequential(torch.nn.Linear(6, 6), torch.nn.ReLU(inplace=True))

def paddle_model():
    return paddle.nn.Sequential(Mine(), paddle.nn.ReLU())

RULES = {Mine: {"w": ("weight", TRANSPOSED), "b": ("bias", False)}}
"""
EMBEDDING = """
import paddle, torch

def inputs(rng):
    return [rng.integers(0, 9, (2, 5))]

def torch_model():
    return torch.nn.Sequential(torch.nn.Embedding(9, 4), torch.nn.LayerNorm(4))

def paddle_model():
    return paddle.nn.Sequential(paddle.nn.Embedding(9, 4), paddle.nn.LayerNorm(4, epsilon=EPS))
"""


def checked(tmp_path, source, capsys, check="forward", *more):
    """Exit code and output of a check on a pair with this source."""
    path = tmp_path / "my_pair.py"
    path.write_text(source)
    code = command.main(check, ["--pair", str(path), "--dtype", "float64", "--layers", "none", *more])
    return code, capsys.readouterr().out


@pytest.mark.parametrize("check", ["forward", "backward"])
def test_worked_example_ends_in_the_named_cause(check, tmp_path, capsys):
    code, out = checked(tmp_path, SOURCE, capsys, check, "--html", str(tmp_path / "page.html"))
    assert code == 1 and "cause: softmax over axis -2" in out
    assert "softmax over axis -2" in (tmp_path / "page.html").read_text()
    code, out = checked(tmp_path, RIGHT, capsys, check)
    assert code == 0 and "ALIGNED" in out


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("BatchNorm2D(channels)", "BatchNorm2D(channels, epsilon=1e-3)", "cause: eps 0.001 for 1e-05"),
        ("Conv2DTranspose(channels, 3, 4, stride=2", "Conv2DTranspose(channels, 3, 4, stride=1", "first: up"),
        (
            "paddle.nn.Linear(channels, 3 * channels)",
            "paddle.nn.Linear(channels, 3 * channels, bias_attr=False)",
            "bias",
        ),
        ("paddle.nn.Linear(channels, channels)", "paddle.nn.Linear(channels, 2 * channels)", "first: project"),
    ],
)
def test_other_bugs_in_the_port(right, wrong, message, tmp_path, capsys):
    assert RIGHT.count(right) == 1
    code, out = checked(tmp_path, RIGHT.replace(right, wrong), capsys)
    assert code == 1 and message in out


def test_running_statistics_in_training(tmp_path, capsys):
    """Paddle's own batch norm keeps the biased variance, and weighs it by 1 - momentum."""
    training = RIGHT + "\nTRAINING = True\nLIMIT = 1e-6\n"
    code, out = checked(tmp_path, training, capsys)
    assert code == 1 and "running_var" in out and "running variance from the biased one" in out


@pytest.mark.parametrize(("transposed", "code"), [("True", 0), ("False", 1)])
def test_rules_of_own_layers(transposed, code, tmp_path, capsys):
    assert checked(tmp_path, LINEAR.replace("TRANSPOSED", transposed), capsys)[0] == code


@pytest.mark.parametrize(("eps", "code"), [("1e-5", 0), ("1e-6", 1)])
def test_whole_numbers_as_inputs(eps, code, tmp_path, capsys):
    assert checked(tmp_path, EMBEDDING.replace("EPS", eps), capsys, "backward")[0] == code


@pytest.mark.parametrize("check", ["forward", "backward"])
@pytest.mark.parametrize("source", [SOURCE, RIGHT.replace("BatchNorm2D(channels)", "BatchNorm2D(channels, epsilon=1)")])
def test_repro_shows_the_difference_alone(check, source, tmp_path, capsys):
    code, out = checked(tmp_path, source, capsys, check, "--repro", str(tmp_path / "repro"))
    assert code == 1 and f"reproduce with: python {tmp_path / 'repro' / 'repro.py'}" in out
    done = subprocess.run([sys.executable, str(tmp_path / "repro" / "repro.py")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    differences = [float(line.split("differ by ")[1].split(";")[0]) for line in done.stdout.splitlines()]
    assert max(differences) > 1e-3
    # The same script on a port that has been mended shows none.
    (tmp_path / "my_pair.py").write_text(RIGHT)
    done = subprocess.run([sys.executable, str(tmp_path / "repro" / "repro.py")], capture_output=True, text=True)
    differences = [float(line.split("differ by ")[1].split(";")[0]) for line in done.stdout.splitlines()]
    assert differences and max(differences) < 1e-10


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("def torch_model(:", "SyntaxError"),
        ("def torch_model(): pass", "has no function paddle_model"),
        ("def torch_model(): pass\ndef paddle_model(): pass", "neither SHAPES nor a function inputs"),
        ("SHAPES = [(1, 2)]\ndef torch_model(): return 1 / 0\ndef paddle_model(): pass", "ZeroDivisionError"),
    ],
)
def test_what_is_no_pair_is_refused_in_one_line(source, message, tmp_path, capsys):
    path = tmp_path / "my_pair.py"
    path.write_text(source)
    assert command.main("forward", ["--pair", str(path)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and message in err and str(path) in err
    assert command.main("forward", ["--pair", str(path), "--size", "3"]) == 2
    with pytest.raises(PairError, match="no such file"):
        load_pair(tmp_path / "absent.py")
