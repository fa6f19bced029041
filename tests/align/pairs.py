"""Tiny pairs of models, as sources of pair files: `pair` and `both` make one, `judge` holds the checks against it."""

from textwrap import dedent

from align.checks import command

HEAD = """
import math
from dataclasses import dataclass
import numpy as np
import paddle, torch
from paddle import nn as pnn
from torch import nn as tnn
import paddle.nn.functional as pF
import torch.nn.functional as tF

def torch_model(): return T()
def paddle_model(): return P()
"""


def pair(init_t, forward_t, init_p, forward_p, rest="SHAPES = [(4, 6)]"):
    """The source of a pair of two classes: statements of `__init__` and of `forward(s, x, ...)`."""

    def made(name, base, init, forward):
        arguments, _, body = forward.partition(":")
        return (
            f"class {name}({base}):\n    def __init__(s):\n        super().__init__(); {init}\n"
            f"    def forward(s, {arguments}):\n        {body.strip()}\n"
        )

    return HEAD + made("T", "tnn.Module", init_t, forward_t) + made("P", "pnn.Layer", init_p, forward_p) + dedent(rest)


def linear(names="ab", size=6):
    """`__init__` of both sides: square Linears with these names."""
    return ["; ".join(f"s.{name} = {module}.Linear({size}, {size})" for name in names) for module in ("tnn", "pnn")]


def both(init, forward_t, forward_p=None, rest="SHAPES = [(4, 6)]"):
    """A pair with the same layers on both sides, and the same forward unless `forward_p` is given."""
    return pair(init[0], forward_t, init[1], forward_p or forward_t, rest)


def outcome(tmp_path, source, capsys, check, *more):
    """Exit code and all output of a check on a pair with this source."""
    path = tmp_path / "my_pair.py"
    path.write_text(source)
    code = command.main(check, ["--pair", str(path), "--layers", "none", *more])
    said = capsys.readouterr()
    return code, said.out + said.err


def judge(tmp_path, capsys, source, codes, words=()):
    """Hold both checks against the codes, and the output of each that is not 0 against the words."""
    for check, wanted in zip(("forward", "backward"), codes, strict=True):
        code, said = outcome(tmp_path, source, capsys, check, "--dtype", "float64")
        assert code == wanted and "Traceback" not in said, (check, said)
        assert wanted == 0 or all(word in said for word in words), (check, said)
