"""Names that differ: what matches is loaded and compared, what does not is named, rules bring the rest together."""

import pytest

from tests.align.pairs import both, judge, linear, outcome, pair

ATTEND = "return s.o({lib}.softmax(q @ {k}, -1) @ v)"
FUSED = "q, k, v = s.qkv(x).chunk(3, -1); " + ATTEND
APART = "q, k, v = s.q(x), s.k(x), s.v(x); " + ATTEND
T, P = {"lib": "torch", "k": "k.transpose(1, 2)"}, {"lib": "pF", "k": "k.transpose([0, 2, 1])"}
THREE = "; ".join(f"s.{name} = {{0}}.Linear(6, 6)" for name in "qkv") + "; s.o = {0}.Linear(6, 6)"
ONE = "s.qkv = {0}.Linear(6, 18); s.o = {0}.Linear(6, 6)"
SHAPES = "SHAPES = [(2, 5, 6)]\n"
SPLIT, JOIN = "SPLIT = {'qkv': ['q', 'k', 'v']}", "JOIN = {'qkv': ['q', 'k', 'v']}"


def attention(theirs, ours, rest=""):
    """A pair whose sides have their projections fused (ONE) or apart (THREE)."""
    forward = {ONE: FUSED, THREE: APART}
    return pair(
        theirs.format("tnn"),
        f"x: {forward[theirs].format(**T)}",
        ours.format("pnn"),
        f"x: {forward[ours].format(**P)}",
        SHAPES + rest,
    )


RULED = {
    "fused in the original": (attention(ONE, THREE, SPLIT), (0, 0), []),
    "fused in the port": (attention(THREE, ONE, JOIN), (0, 0), []),
    "fused, in another order": (attention(ONE, THREE, "SPLIT = {'qkv': ['k', 'q', 'v']}"), (1, 1), []),
    "fused, without a rule": (
        attention(ONE, THREE),
        (1, 1),
        ["qkv", "has no such key", "the nearest without a partner is"],
    ),
    "fused, with an entry that names nothing": (
        attention(ONE, THREE, "SPLIT = {'kqv': ['q', 'k', 'v']}"),
        (1, 1),
        ["SPLIT: 'kqv' names nothing in PyTorch's model, the nearest is 'qkv'"],
    ),
    "another name, mistyped": (
        pair("s.a = tnn.Linear(6, 6)", "x: return s.a(x)", "s.conv = pnn.Linear(6, 6)", "x: return s.conv(x)")
        + "\nNAMES = {'cnov': 'a'}",
        (1, 1),
        ["NAMES: 'cnov' names nothing in Paddle's model, the nearest is 'conv'"],
    ),
    "an array under another name": (
        pair(
            "s.a = tnn.Linear(6, 6); s.scale = tnn.Parameter(torch.ones(6))",
            "x: return s.a(x) * s.scale",
            "s.a = pnn.Linear(6, 6); s.gain = s.create_parameter([6])",
            "x: return s.a(x) * s.gain",
        )
        + "\nNAMES = {'gain': 'scale'}",
        (0, 0),
        [],
    ),
    "another shape": (
        pair(
            "s.a = tnn.Linear(6, 6); s.g = tnn.Parameter(torch.randn(1, 6, 1))",
            "x: return s.a(x) * s.g[0, :, 0]",
            "s.a = pnn.Linear(6, 6); s.g = s.create_parameter([6])",
            "x: return s.a(x) * s.g",
        ),
        (0, 0),
        [],
    ),
    "another shape that only a rule can mean": (
        pair(
            "s.a = tnn.Linear(6, 6); s.g = tnn.Parameter(torch.randn(2, 3))",
            "x: return s.a(x) * s.g.flatten()",
            "s.a = pnn.Linear(6, 6); s.g = s.create_parameter([6])",
            "x: return s.a(x) * s.g",
        )
        + "\nRESHAPE = ['g']",
        (0, 0),
        [],
    ),
    "two that are equal in the original": (
        pair(
            "s.a = tnn.Linear(6, 6); s.b = tnn.Linear(6, 6); s.b.load_state_dict(s.a.state_dict())",
            "x: return s.b(s.a(x))",
            "s.a = pnn.Linear(6, 6)",
            "x: return s.a(s.a(x))",
        )
        + "\nTIE = {'b.weight': 'a.weight', 'b.bias': 'a.bias'}",
        (0, 1),
        [],
    ),
    "a head that nobody needs": (
        pair(
            "s.a = tnn.Linear(6, 6); s.head = tnn.Linear(6, 3)",
            "x: return s.a(x)",
            "s.a = pnn.Linear(6, 6)",
            "x: return s.a(x)",
        )
        + "\nIGNORE = ['head']",
        (0, 0),
        [],
    ),
    "a head that nobody needs, not ignored": (
        pair(
            "s.a = tnn.Linear(6, 6); s.head = tnn.Linear(6, 3)",
            "x: return s.a(x)",
            "s.a = pnn.Linear(6, 6)",
            "x: return s.a(x)",
        ),
        (1, 1),
        ["head", "all other weights were loaded"],
    ),
    "layers without weights on one side": (
        pair(
            "s.a = tnn.Linear(6, 6); s.act = tnn.ReLU(); s.d = tnn.Dropout(0.1)",
            "x: return s.d(s.act(s.a(x)))",
            "s.a = pnn.Linear(6, 6); s.last = pnn.ReLU()",
            "x: return s.last(s.a(x))",
        ),
        (0, 0),
        [],
    ),
    "a layer without weights missing": (
        pair(
            "s.a = tnn.Linear(6, 6); s.act = tnn.ReLU(); s.b = tnn.Linear(6, 6)",
            "x: return s.b(s.act(s.a(x)))",
            "s.a = pnn.Linear(6, 6); s.b = pnn.Linear(6, 6)",
            "x: return s.b(s.a(x))",
        ),
        (1, 1),
        ["act (ReLU) left out"],
    ),
    "a layer that one side uses by its weight alone": (
        both(linear(), "x: return s.b(s.a(x))", "x: return pF.linear(s.a(x), s.b.weight, s.b.bias)"),
        (0, 0),
        [],
    ),
    "weight norm": (
        both(
            [
                "s.a = tnn.utils.weight_norm(tnn.Linear(6, 5))",
                "s.a = pnn.utils.weight_norm(pnn.Linear(6, 5), dim=1)",
            ],
            "x: return s.a(x)",
        ),
        (0, 0),
        [],
    ),
}


@pytest.mark.parametrize("name", RULED)
def test_names_and_rules(name, tmp_path, capsys):
    judge(tmp_path, capsys, *RULED[name])


def test_what_one_side_has_is_said(tmp_path, capsys):
    code, said = outcome(tmp_path, RULED["layers without weights on one side"][0], capsys, "forward")
    assert code == 0 and "only PyTorch's model has the layers act (ReLU), d (Dropout)" in said
    assert "only Paddle's model has the layers last (ReLU)" in said


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        (attention(ONE, THREE), ["SPLIT = {'qkv': ['q', 'k', 'v']}"]),
        (attention(THREE, ONE), ["JOIN = {'qkv': ['q', 'k', 'v']}"]),
        (
            pair(
                "s.stem = tnn.Linear(6, 6); s.body = tnn.Sequential(tnn.Linear(6, 4), tnn.LayerNorm(4))",
                "x: return s.body(s.stem(x))",
                "s.conv1 = pnn.Linear(6, 6); s.fc = pnn.Linear(6, 4); s.norm = pnn.LayerNorm(4)",
                "x: return s.norm(s.fc(s.conv1(x)))",
            ),
            ["'conv1': 'stem'", "'fc': 'body.0'", "'norm': 'body.1'"],
        ),
        (
            pair(
                "s.blocks = tnn.ModuleList([tnn.ModuleList([tnn.Linear(6, 12), tnn.Linear(6, 6)]) for _ in 'ab'])",
                "x:\n        for m, o in s.blocks:\n            a, g = m(x).chunk(2, -1)\n            x = o(a * g)\n"
                "        return x",
                "s.layers = pnn.LayerList([pnn.LayerList([pnn.Linear(6, 6) for _ in 'vgo']) for _ in 'ab'])",
                "x:\n        for v, g, o in s.layers: x = o(v(x) * g(x))\n        return x",
            ),
            ["'layers.1.2': 'blocks.1.1'", "'blocks.0.0': ['layers.0.0', 'layers.0.1']"],
        ),
        (
            pair(
                "s.a = tnn.Linear(6, 4)",
                "x: return s.a(x)",
                "s.a = Mine(6, 4)",
                "x: return s.a(x)",
            ).replace(
                "class P(",
                "class Mine(pnn.Layer):\n    def __init__(s, i, o):\n        super().__init__()\n"
                "        s.w, s.b = s.create_parameter([i, o]), s.create_parameter([o])\n"
                "    def forward(s, x): return x @ s.w + s.b\nclass P(",
            ),
            ["RULES = {Mine: {'w': ('weight', True), 'b': ('bias', False)}}"],
        ),
    ],
)
def test_suggested_entries_match_the_rest(source, wanted, tmp_path, capsys):
    code, said = outcome(tmp_path, source, capsys, "forward", "--suggest")
    assert code == 1 and all(text in said for text in wanted), said
    lines = [line for line in said.splitlines() if line.startswith(("NAMES = ", "RULES = ", "SPLIT = ", "JOIN = "))]
    judge(tmp_path, capsys, source + "\nLIMIT = 1e-8\n" + "\n".join(lines), (0, 0))


def test_nothing_to_suggest(tmp_path, capsys):
    code, said = outcome(tmp_path, both(linear(), "x: return s.b(s.a(x))"), capsys, "forward", "--suggest")
    assert code == 0 and "every array has its partner" in said
