"""Structures that differ are said as such, and what one side raises is one line with its side and place."""

from dataclasses import replace

import paddle
import pytest
from torch import nn

from align.cases import Case
from align.checks import command
from align.checks.layers import check_case
from align.checks.training import SMALL, lockstep
from align.compare.raised import described
from align.compare.reference import NotComparable, measure
from align.compare.torch_side import TorchSide
from align.planting import run


def case_of(build):
    return Case("pair", build, [(2, 3, 9, 8)], "", "layers/convolution.py", "Conv2D")


def chain(layers, **wrong):
    """Two convolutions and a norm; `wrong` changes the second one in Paddle."""
    second = {"kernel_size": 3, "bias": True} | (wrong if layers.framework == "paddle" else {})
    kernel, bias = second["kernel_size"], {} if second["bias"] else {"bias": False}
    return layers.Sequential(layers.Conv2D(3, 8, 3), layers.Conv2D(8, 8, kernel, **bias), layers.InstanceNorm2D(8))


def checked(check, build, tamper=None):
    case = case_of(build)
    return check_case(case, measure(case, TorchSide), check, ("float64",), tamper, causes=True)


@pytest.mark.parametrize("check", ["forward", "backward"])
def test_another_kernel_is_said_with_both_shapes_and_the_rest_is_compared(check):
    entry = checked(check, lambda layers: chain(layers, kernel_size=2))
    assert entry["verdict"] == "diverged"
    wanted = "1 (Conv2d): weight: shape [8, 8, 2, 2], PyTorch's is [8, 8, 3, 3]"
    assert entry["blamed"]["message"] == wanted and entry["blamed"]["cause"]["name"] == "unknown"
    weights = {(row["layer"], row["slot"]): row["verdict"] for row in entry["rows"] if row["what"] == "weight"}
    assert weights == {("0", "weight"): "pass", ("0", "bias"): "pass", ("1", "weight"): "fail", ("1", "bias"): "pass"}
    if check == "forward":
        firsts = [row for row in entry["rows"] if row["layer"] == "0" and row["what"] == "output"]
        assert firsts and all(row["verdict"] == "pass" for row in firsts)


def test_a_bias_too_few_is_said_with_its_shape():
    entry = checked("forward", lambda layers: chain(layers, bias=False))
    wanted = "1 (Conv2d): bias: Paddle has no such key, PyTorch's has the shape [8]"
    assert (entry["verdict"], entry["blamed"]["message"]) == ("diverged", wanted)
    outputs = {row["verdict"] for row in entry["rows"] if row["layer"] == "1" and row["what"] == "output"}
    assert "fail" in outputs  # compared all the same


class TorchNamed(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        return self.second(self.first(x).relu())


class PaddleNamed(paddle.nn.Layer):
    def __init__(self):
        super().__init__()
        self.first, self.last = paddle.nn.Linear(4, 4), paddle.nn.Linear(4, 4)

    def forward(self, x):
        return self.last(paddle.nn.functional.relu(self.first(x)))


def _named(layers):
    return TorchNamed() if layers.framework == "torch" else PaddleNamed()


def test_a_misnamed_attribute_is_the_cause_and_all_keys_are_listed():
    case = replace(case_of(_named), shapes=[(3, 4)])
    entry = check_case(case, measure(case, TorchSide), "forward", ("float64",), causes=True)
    cause = entry["blamed"]["cause"]
    assert entry["verdict"] == "diverged" and "no such key" in entry["blamed"]["message"]
    assert cause["name"].startswith("misnamed: Paddle's last.weight is PyTorch's second.weight")
    assert "last.bias (PyTorch has no such key, Paddle's has the shape [4])" in entry["note"]
    assert {row["verdict"] for row in entry["rows"] if row["layer"] == "first" and row["what"] == "output"} == {"pass"}


def _raising(own, layer, x):
    raise ValueError("no such thing\nat all")


def test_what_paddle_raises_is_one_line_with_side_place_and_layer():
    def tamper(model):
        run(_raising)(dict(model.named_sublayers())["1"])

    entry = checked("forward", chain, tamper)
    assert entry["verdict"] == "not comparable" and entry["blamed"] is None
    assert entry["note"].startswith("Paddle raised ValueError at tests/align/test_structure_said.py:")
    assert entry["note"].endswith(": no such thing at all")


def test_what_pytorch_raises_names_pytorch():
    class Broken(nn.Module):
        def forward(self, x):
            return x @ x

    case = case_of(lambda layers: Broken())
    with pytest.raises(NotComparable, match=r"PyTorch raised RuntimeError at tests/align/.*: Expected size"):
        measure(case, TorchSide)


def test_paddles_own_errors_are_cut_to_their_message():
    try:
        paddle.matmul(paddle.ones([2, 3]), paddle.ones([2, 3]))
    except Exception as error:
        line = described(error)
    assert "\n" not in line and len(line) < 450 and "C++" not in line and "test_structure_said.py" in line


@pytest.mark.parametrize("side", [0, 1])
def test_a_step_that_raises_ends_with_exit_code_two(side, monkeypatch, capsys):
    from align.checks import training

    trainer = training.TRAINING["ugatit"].trainers[side]
    monkeypatch.setattr(trainer, "step", lambda self, *batch: {}["no"])
    assert training.main(["--system", "ugatit", "--lockstep", "--steps", "1"]) == 2
    out, err = capsys.readouterr()
    name = ("PyTorch", "Paddle")[side]
    assert err.count("\n") == 1 and f"{name} raised KeyError at tests/align" in err and "NOT COMPARABLE" in out


def test_a_loss_that_is_not_finite_is_a_difference():
    def tamper(trainer):
        tensor = dict(trainer.networks["disLA"].named_parameters())["conv.weight_orig"]
        tensor.set_value(tensor * float("nan"))

    (entry,) = lockstep(SMALL, 1, tamper=tamper)
    assert entry["verdict"] == "diverged" and "training diverged at iteration 1" in entry["blamed"]["message"]


def test_a_case_that_raises_does_not_stop_the_others(monkeypatch, capsys):
    from align.checks.command import CASES

    broken = replace(CASES["upsample"], build=lambda layers: (_ for _ in ()).throw(TypeError("not built")))
    monkeypatch.setitem(CASES, "upsample", broken)
    assert command.main("forward", ["upsample", "linear", "--layers", "none"]) == 2
    out, err = capsys.readouterr()
    assert "aligned        linear" in out and "PyTorch raised TypeError" in err and err.count("\n") == 1


def test_values_of_after_a_step_are_blamed_after_what_made_them():
    """Of a wrong gradient of SAGAN's generator, its moments show before the gammas of after the step."""
    from align.cases import TRAINING

    def tamper(trainer):
        optimizer = trainer.optimizers["G"]

        def step():
            for parameter in trainer.networks["G"].parameters():
                parameter.grad.set_value(parameter.grad * 1.5)
            type(optimizer).step(optimizer)

        optimizer.step = step

    (entry,) = lockstep(TRAINING["sagan"].small, 1, tamper=tamper, system="sagan")
    assert entry["verdict"] == "diverged" and entry["blamed"]["what"] == "moment1"
    assert [row["slot"] for row in entry["rows"][-4:]] == ["d_gamma1", "d_gamma2", "g_gamma1", "g_gamma2"]


def test_trainers_of_another_structure_are_not_comparable(monkeypatch, capsys):
    from align.checks import training
    from paddle_ugatit.training import ugatit

    monkeypatch.setattr(ugatit, "ResnetGenerator", lambda *channels, **more: _with_a_scale(*channels, **more))
    assert training.main(["--system", "ugatit", "--lockstep", "--steps", "1"]) == 2
    out, err = capsys.readouterr()
    assert "the structures of genA2B differ" in err and "'scale'" in err and err.count("\n") == 1
    assert "aligned        configuration" in out


def _with_a_scale(*channels, **more):
    from paddle_ugatit.models.ugatit import ResnetGenerator

    net = ResnetGenerator(*channels, **more)
    net.scale = net.create_parameter([3], dtype="float64")
    return net
