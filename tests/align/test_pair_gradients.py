"""Where gradients flow, and where none is meant to: equal is equal."""

import pytest

from tests.align.pairs import both, judge, linear, pair

GRADIENTS = {
    "detached on both sides": (both(linear("abc"), "x: h = s.a(x); return s.b(h.detach()) + s.c(h)"), (0, 0), []),
    "detached in the original alone": (
        both(linear("abc"), "x: h = s.a(x); return s.b(h.detach()) + s.c(h)", "x: h = s.a(x); return s.b(h) + s.c(h)"),
        (0, 1),
        [],
    ),
    "detached in the port alone": (
        both(linear("abc"), "x: h = s.a(x); return s.b(h) + s.c(h)", "x: h = s.a(x); return s.b(h.detach()) + s.c(h)"),
        (0, 1),
        [],
    ),
    "frozen": (
        pair(
            "s.a = tnn.Linear(6, 6).requires_grad_(False); s.b = tnn.Linear(6, 6)",
            "x: return s.b(s.a(x))",
            "s.a, s.b = pnn.Linear(6, 6), pnn.Linear(6, 6); s.a.weight.stop_gradient = s.a.bias.stop_gradient = True",
            "x: return s.b(s.a(x))",
        ),
        (0, 0),
        [],
    ),
    "frozen in the original alone": (
        pair(
            "s.a = tnn.Linear(6, 6).requires_grad_(False); s.b = tnn.Linear(6, 6)",
            "x: return s.b(s.a(x))",
            "s.a, s.b = pnn.Linear(6, 6), pnn.Linear(6, 6)",
            "x: return s.b(s.a(x))",
        ),
        (0, 1),
        ["a (Linear)"],
    ),
    "no_grad": (
        both(
            linear(),
            "x:\n        with torch.no_grad(): h = s.a(x)\n        return s.b(h)",
            "x:\n        with paddle.no_grad(): h = s.a(x)\n        return s.b(h)",
        ),
        (0, 0),
        [],
    ),
    "a constant of forward": (
        both(
            linear(),
            "x: return s.a(x) + s.b(torch.linspace(0, 1, 6)[None])",
            "x: return s.a(x) + s.b(paddle.linspace(0, 1, 6)[None])",
        ),
        (0, 0),
        [],
    ),
    "bytes cast inside": (
        both(
            linear(),
            "x: return s.b(s.a(x.float() / 255))",
            "x: return s.b(s.a(x.astype('float32') / 255))",
            "def inputs(rng): return [rng.integers(0, 256, (4, 6)).astype('uint8')]",
        ),
        (2, 2),
        ["my_pair.py"],
    ),
    "a loss without axes": (
        both(
            linear(),
            "x, y: z = s.b(s.a(x)); return tF.cross_entropy(z, y), z",
            "x, y: z = s.b(s.a(x)); return pF.cross_entropy(z, y), z",
            "def inputs(rng): return [rng.standard_normal((4, 6)), rng.integers(0, 6, (4,))]",
        ),
        (0, 0),
        [],
    ),
    "a keyword computed wrongly": (
        pair(
            "s.a = tnn.Linear(6, 6); s.m = tnn.Bilinear(6, 6, 6, bias=False)",
            "x: h = s.a(x); return s.m(h, input2=h.sigmoid())",
            "s.a = pnn.Linear(6, 6); s.m = pnn.Bilinear(6, 6, 6, bias_attr=False)",
            "x: h = s.a(x); return s.m(h, x2=h.tanh())",
        ),
        (1, 1),
        [],
    ),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_where_gradients_flow(name, tmp_path, capsys):
    judge(tmp_path, capsys, *GRADIENTS[name])
