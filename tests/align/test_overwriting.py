"""What the original overwrites: no wrong port passes, no right one is blamed."""

import pytest

from tests.align.pairs import both, judge, linear

RELU = ["s.act = tnn.ReLU(inplace=True)", "s.act = pnn.ReLU()"]
TWO = [f"{one}; {other}" for one, other in zip(linear("cd"), RELU, strict=True)]
OVERWRITING = {
    "residual that the port does not see overwritten": (
        both(TWO, "x: y = s.c(x); z = s.d(s.act(y)); return z + y"),
        (1, 1),
        [],
    ),
    "residual ported as it is computed": (
        both(TWO, "x: y = s.c(x); z = s.d(s.act(y)); return z + y", "x: y = s.act(s.c(x)); return s.d(y) + y"),
        (0, 0),
        [],
    ),
    "sum in place": (
        both(linear(), "x: y = s.b(s.a(x)); y += x; return torch.relu_(y)", "x: return pF.relu(s.b(s.a(x)) + x)"),
        (0, 0),
        [],
    ),
    "sum in place, forgotten": (
        both(linear(), "x: h = s.a(x); h += 1; return s.b(h)", "x: return s.b(s.a(x))"),
        (1, 1),
        [],
    ),
    "input overwritten, forgotten": (
        both(linear(), "x: x.clamp_(-0.5, 0.5); return s.b(s.a(x))", "x: return s.b(s.a(x))"),
        (1, 1),
        [],
    ),
    "input overwritten": (
        both(linear(), "x: x.clamp_(-0.5, 0.5); return s.b(s.a(x))", "x: return s.b(s.a(x.clip(-0.5, 0.5)))"),
        (0, 0),
        [],
    ),
    "tokens overwritten": (
        both(
            ["s.e = tnn.Embedding(11, 4)", "s.e = pnn.Embedding(11, 4)"],
            "i: i[i < 0] = 0; return s.e(i)",
            "i: return s.e(i % 11)",
            "def inputs(rng): return [rng.integers(-5, 11, (3, 5))]",
        ),
        (1, 1),
        ["e (Embedding)"],
    ),
    "a view overwritten, forgotten": (
        both(linear(), "x: y = s.a(x); y.view(-1)[::2].mul_(0); return s.b(y)", "x: return s.b(s.a(x))"),
        (1, 1),
        [],
    ),
    "an identity whose result is overwritten, which cannot be watched": (
        both(
            ["s.a = tnn.Linear(6, 6); s.i = tnn.Identity()", "s.a = pnn.Linear(6, 6); s.i = pnn.Identity()"],
            "x: y = s.a(x); h = s.i(y); h += 1; return h * y",
            "x: y = s.a(x); h = s.i(y) + 1; return h * y",
        ),
        (2, 2),
        ["cannot observe this PyTorch model without changing it"],
    ),
    "buffer overwritten": (
        both(
            [
                f"{one}; s.register_buffer('m', {lib}.zeros([6]))"
                for one, lib in zip(linear(), ("torch", "paddle"), strict=True)
            ],
            "x: s.m.mul_(0.5).add_(x.detach().mean(0)); return s.b(s.a(x) + s.m)",
            "x: s.m.set_value(s.m * 0.5 + x.detach().mean(0)); return s.b(s.a(x) + s.m)",
            "SHAPES = [(4, 6)]; CALLS = 2",
        ),
        (0, 0),
        [],
    ),
    "rows set in place after a layer": (
        both(linear(), "x: y = s.a(x); y[:, 0] = 0; return s.b(y)", "x: y = s.a(x); y[:, 0] = 0; return s.b(y)"),
        (0, 0),
        [],
    ),
    "what PyTorch itself cannot run backward": (
        both(linear(), "x: y = s.b(s.a(x)); y.relu_(); y.mul_(2); return y", "x: return pF.relu(s.b(s.a(x))) * 2"),
        (0, 0),
        [],
    ),
    "one that tells watched from unwatched": (
        both(linear(), "x: y = s.a(x); return s.b(y) * (2 if 'forward' in vars(s.a) else 1)"),
        (2, 2),
        ["cannot observe this PyTorch model without changing it"],
    ),
}


@pytest.mark.parametrize("name", OVERWRITING)
def test_what_the_original_overwrites(name, tmp_path, capsys):
    judge(tmp_path, capsys, *OVERWRITING[name])
