"""Causes in somebody's models: any number of axes, functional calls, both passes; constants in float32; --repro."""

import subprocess
import sys

import pytest

from align.checks import command
from tests.align.pairs import both, judge, linear, outcome, pair


def chain(theirs, ours, shape):
    """A pair of two sequences of layers."""
    return pair(
        f"s.m = tnn.Sequential({theirs})",
        "x: return s.m(x)",
        f"s.m = pnn.Sequential({ours})",
        "x: return s.m(x)",
        f"SHAPES = [{shape}]",
    )


CAUSES = {
    "GELU on tokens": (chain("tnn.GELU('tanh')", "pnn.GELU()", (2, 5, 6)), "activation: GELU"),
    "slope on vectors": (chain("tnn.LeakyReLU(0.2)", "pnn.LeakyReLU(0.01)", (4, 6)), "slope 0.01"),
    "groups": (chain("tnn.GroupNorm(4, 8)", "pnn.GroupNorm(2, 8)", (2, 8, 5, 5)), "2 groups for 4"),
    "padding mode": (
        chain("tnn.Conv1d(3, 4, 3, padding=1, padding_mode='reflect')", "pnn.Conv1D(3, 4, 3, padding=1)", (2, 3, 8)),
        "padding mode zeros for reflect",
    ),
    "linear resize": (
        chain(
            "tnn.Upsample(scale_factor=2, mode='linear', align_corners=True)",
            "pnn.Upsample(scale_factor=2, mode='linear', data_format='NCW')",
            (2, 3, 8),
        ),
        "align_corners False",
    ),
    "function: GELU": (
        both(linear(), "x: return s.b(tF.gelu(s.a(x), approximate='tanh'))", "x: return s.b(pF.gelu(s.a(x)))"),
        "gelu with approximate=none",
    ),
    "function: eps": (
        both(
            linear(), "x: return s.b(tF.layer_norm(s.a(x), (6,), eps=1e-3))", "x: return s.b(pF.layer_norm(s.a(x), 6))"
        ),
        "layer_norm with eps=1e-05",
    ),
    "function: another": (
        both(linear(), "x: return s.b(tF.silu(s.a(x)))", "x: return s.b(pF.gelu(s.a(x)))"),
        "gelu for silu",
    ),
    "function: mask": (
        both(
            linear(),
            "x, m: return s.b(s.a(x).masked_fill(m, 0))",
            "x, m: return s.b(s.a(x).masked_fill(~m, 0))",
            "def inputs(rng): return [rng.standard_normal((4, 6)), rng.random((4, 6)) < 0.4]",
        ),
        "masked_fill with the mask inverted",
    ),
    "scale": (
        both(
            linear(),
            "x: return s.b(torch.softmax(s.a(x) / math.sqrt(6), -1))",
            "x: return s.b(pF.softmax(s.a(x), -1))",
        ),
        "not scaled by math.sqrt",
    ),
    "outputs": (both(linear(), "x: return s.a(x), s.b(x)", "x: return s.b(x), s.a(x)"), "outputs 0 and 1 swapped"),
    "order": (
        both(
            linear(),
            "x: return s.b(s.a(x).view(4, 3, 2).transpose(1, 2).reshape(4, 6))",
            "x: return s.b(s.a(x).reshape([4, 2, 3]).reshape([4, 6]))",
        ),
        "the same values in another order",
    ),
    "square weight": (
        pair("s.a = tnn.Linear(6, 6)", "x: return s.a(x)", "s.a = Mine()", "x: return s.a(x)").replace(
            "class P(",
            "class Mine(pnn.Layer):\n    def __init__(s):\n        super().__init__()\n"
            "        s.weight, s.bias = s.create_parameter([6, 6]), s.create_parameter([6])\n"
            "    def forward(s, x): return x @ s.weight + s.bias\nclass P(",
        ),
        "weight transposed",
    ),
}


@pytest.mark.parametrize("name", CAUSES)
def test_causes_in_both_passes(name, tmp_path, capsys):
    source, cause = CAUSES[name]
    judge(tmp_path, capsys, source, (1, 1), [f"cause: {cause}" if ":" in name else cause])


EPS = "eps of a norm in float32"
CONSTANTS = {
    "norm of a small variance": (
        chain("tnn.LayerNorm(6), tnn.Linear(6, 6)", "pnn.LayerNorm(6), pnn.Linear(6, 6)", (4, 6)),
        (0, 0),
        EPS,
    ),
    "ELU": (chain("tnn.ELU(0.7)", "pnn.ELU(0.7)", (4, 6)), (0, 0), "the parameter of elu in float32"),
    "pooling": (chain("tnn.AdaptiveAvgPool2d(1)", "pnn.AdaptiveAvgPool2D(1)", (2, 3, 7, 7)), (0, 0), ""),
    "resize": (
        chain(
            "tnn.Upsample(size=(13, 13), mode='bilinear')", "pnn.Upsample(size=[13, 13], mode='bilinear')", (2, 3, 7, 7)
        ),
        (0, 0),
        "the grid of a linear interpolation in float32",
    ),
    "SELU": (chain("tnn.SELU()", "pnn.SELU()", (4, 6)), (0, 0), "alpha and scale of selu in float32"),
    "a fault elsewhere": (
        chain("tnn.ELU(0.7), tnn.LeakyReLU(0.2)", "pnn.ELU(0.7), pnn.LeakyReLU(0.1)", (4, 6)),
        (1, 1),
        "slope 0.1",
    ),
    "a fault in the same layer": (chain("tnn.ELU(0.7)", "pnn.ELU(0.5)", (4, 6)), (1, 1), "alpha 0.5 for 0.7"),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_in_float32_are_a_note(name, tmp_path, capsys):
    source, codes, words = CONSTANTS[name]
    if name == "norm of a small variance":
        source = source.replace("return s.m(x)", "return s.m(x * 0.01)")
    for check, wanted in zip(("forward", "backward"), codes, strict=True):
        code, said = outcome(tmp_path, source, capsys, check, "--dtype", "float64")
        assert code == wanted and words in said, said


@pytest.mark.parametrize(
    ("ours", "cause"),
    [
        ("epsilon=1e-5, momentum=0.9", "eps 1e-05 for 0.001, and running variance from the biased one"),
        ("epsilon=1e-3, momentum=0.1", "momentum's meaning inverted, and running variance from the biased one"),
        ("epsilon=1e-3, momentum=0.9", "running variance from the biased one"),
    ],
)
def test_a_batch_norm_in_training(ours, cause, tmp_path, capsys):
    source = pair(
        "s.n = tnn.BatchNorm2d(4, eps=1e-3)",
        "x: return s.n(x)",
        f"s.n = pnn.BatchNorm2D(4, {ours})",
        "x: return s.n(x)",
        "SHAPES = [(3, 4, 5, 5)]; TRAINING = True",
    )
    code, said = outcome(tmp_path, source, capsys, "forward", "--dtype", "float64")
    assert code == 1 and f"cause: {cause}" in said, said


ALONE = {
    "a layer": CAUSES["groups"][0],
    "code between": CAUSES["function: GELU"][0],
    "outputs": CAUSES["outputs"][0],
    "one output fewer": both(linear(), "x: return s.a(x), s.b(x)", "x: return s.a(x)"),
    "a keyword": both(
        [
            "s.a = tnn.Linear(6, 6); s.m = tnn.Bilinear(6, 6, 6)",
            "s.a = pnn.Linear(6, 6); s.m = pnn.Bilinear(6, 6, 6)",
        ],
        "x: h = s.a(x); return s.m(h, input2=h.sigmoid())",
        "x: h = s.a(x); return s.m(h, x2=h.tanh())",
    ),
    "a weight": pair(
        "s.a = tnn.Linear(6, 6); s.h = tnn.Linear(6, 3)",
        "x: return s.a(x)",
        "s.a = pnn.Linear(6, 6)",
        "x: return s.a(x)",
    ),
}


@pytest.mark.parametrize("name", ALONE)
def test_the_script_shows_what_is_blamed(name, tmp_path, capsys):
    check = "backward" if name in ("code between", "outputs") else "forward"
    path = tmp_path / "my_pair.py"
    path.write_text(ALONE[name])
    assert command.main(check, ["--pair", str(path), "--dtype", "float64", "--repro", str(tmp_path / "r")]) == 1
    capsys.readouterr()
    done = subprocess.run([sys.executable, str(tmp_path / "r" / "repro.py")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    numbers = [float(line.split("differ by ")[1].split(";")[0]) for line in lines if "differ by" in line]
    assert any("does not" in line for line in lines) or max(numbers) > 1e-6, done.stdout
