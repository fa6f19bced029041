"""The harness on another device than a CPU: what float32 may err there, and TF32 that cannot be switched off.

No GPU is used: a CPU stands for one, with the faults planted into what it computes.
"""

import numpy as np
import paddle
import pytest

from align.checks import command, running
from align.compare import device_floor
from align.compare.raised import NotComparable
from paddle_ugatit.backend import device


@pytest.fixture
def gpu(monkeypatch):
    """A device that is taken for a GPU."""
    monkeypatch.setattr(device, "on_gpu", lambda: True)
    monkeypatch.setattr(device, "facts", lambda: {"device": "gpu:0", "name": "a GPU", "memory": None})
    monkeypatch.setattr(paddle, "set_flags", lambda flags: None)
    device_floor._measured.cache_clear()
    yield
    device_floor._measured.cache_clear()


def rounded(x, bits):
    """A tensor whose float32 values keep `bits` bits after the leading one."""
    if x.dtype != paddle.float32:
        return x
    step = 2.0 ** (np.floor(np.log2(np.abs(x.numpy()) + 1e-30)) - bits)
    return paddle.to_tensor((np.round(x.numpy() / step) * step).astype("float32"))


def on_the_device(function, bits):
    """A function whose float32 results are rounded on the device, which is asked first, but not on the CPU."""
    calls = []

    def changed(x):
        calls.append(x.dtype)
        return rounded(function(x), bits) if calls.count(paddle.float32) == 1 else function(x)

    return changed


def test_a_cpu_is_its_own_measure():
    assert device_floor.ratio() == 1
    assert device.rounded_inputs() == []


def test_a_device_as_exact_as_a_cpu_widens_nothing(gpu):
    assert device_floor.ratio() == 1


def test_a_device_that_errs_somewhat_more_widens_the_floors_by_as_much(gpu, monkeypatch):
    monkeypatch.setattr(paddle, "tanh", on_the_device(paddle.tanh, 21))
    assert 1.2 < device_floor.ratio() < device_floor.MOST


def test_tf32_that_stays_on_is_named(gpu, monkeypatch):
    plain = paddle.matmul
    monkeypatch.setattr(paddle, "matmul", lambda x, y: plain(rounded(x, 10), rounded(y, 10)))
    assert device.rounded_inputs() == ["products"]
    with pytest.raises(NotComparable, match="in products .TF32.*NVIDIA_TF32_OVERRIDE=0"):
        device_floor.ratio()


def test_half_precision_is_not_taken_for_float32(gpu, monkeypatch):
    monkeypatch.setattr(paddle, "exp", on_the_device(paddle.exp, 10))
    with pytest.raises(NotComparable, match="times as much as a CPU in exp"):
        device_floor.ratio()


def test_float64_is_judged_where_float32_cannot_be(gpu, monkeypatch, capsys):
    monkeypatch.setattr(device, "rounded_inputs", lambda: ["products"])
    assert command.main("forward", ["adailn", "--dtype", "float64", "--layers", "none"]) == 0
    assert command.main("forward", ["adailn", "--layers", "none"]) == 2
    assert "TF32" in capsys.readouterr().err


def test_the_floors_of_a_case_are_those_of_the_device(monkeypatch, capsys):
    monkeypatch.setattr(device_floor, "ratio", lambda: 3.0)
    wide = _floors()
    monkeypatch.setattr(device_floor, "ratio", lambda: 1.0)
    assert wide == pytest.approx([3 * floor for floor in _floors()])


def _floors():
    from align.cases import CASES
    from align.checks.layers import check_case
    from align.compare.reference import measure
    from align.compare.torch_side import TorchSide

    case = CASES["adailn"]
    rows = check_case(case, measure(case, TorchSide), "forward", ("float32",))["rows"]
    return [row["floor"] for row in rows if row["floor"]]


def test_a_device_is_chosen_said_and_set_up_for_exact_repeatable_results(gpu, monkeypatch, capsys):
    given, switched = [], []
    monkeypatch.setattr(device, "choose", given.append)
    monkeypatch.setattr(paddle, "set_flags", given.append)
    for name in ("set_cublas_switch", "set_cudnn_switch"):
        monkeypatch.setattr(paddle.base.core, name, switched.append, raising=False)
    options = running.parser("check_x", "Check.", "")
    running.add_report(options)
    assert options.parse_args([]).device == "cpu"
    running.use_device(options.parse_args(["--device", "gpu:0"]))
    assert given == ["gpu:0", {"FLAGS_cudnn_deterministic": True}]
    assert switched == [False, False]
    assert capsys.readouterr().out.startswith("device: gpu:0, a GPU")
