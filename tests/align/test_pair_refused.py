"""What cannot be compared is one line and exit code 2; models that need evaluation mode; files that import late."""

import pytest

from align.checks import command
from tests.align.pairs import both, judge, linear, outcome, pair

PLAIN = "x: return s.a(x)"
DROPOUT = ["s.a = tnn.Linear(6, 6); s.d = tnn.Dropout(0.5)", "s.a = pnn.Linear(6, 6); s.d = pnn.Dropout(0.5)"]
REFUSED = {
    "one shape for a list": (both(linear(), PLAIN, rest="SHAPES = (4, 6)"), "SHAPES must be a list"),
    "one array for a list": (
        both(linear(), PLAIN, rest="def inputs(rng): return rng.standard_normal((4, 6))"),
        "inputs(rng) must return a list",
    ),
    "no calls": (both(linear(), PLAIN, rest="SHAPES = [(4, 6)]; CALLS = 0"), "CALLS must be"),
    "text for a limit": (both(linear(), PLAIN, rest="SHAPES = [(4, 6)]; LIMIT = 'a'"), "LIMIT must be"),
    "inputs that raises": (both(linear(), PLAIN, rest="def inputs(rng): return [1 / 0]"), "ZeroDivisionError"),
    "a shape that the model does not take": (both(linear(), PLAIN, rest="SHAPES = [(4, 7)]"), "PyTorch raised"),
    "a port that raises": (both(linear(), PLAIN, "x: return s.a(x).nothing()"), "Paddle raised AttributeError"),
    "a port that calls wrongly": (both(linear(), PLAIN, "x: return s.a(x, x, x, x)"), "Paddle raised TypeError"),
    "no model": (both(linear(), PLAIN) + "\ndef paddle_model(): return 3\n", "must return a paddle.nn.Layer"),
    "dropout that draws": (
        both(DROPOUT, "x: return s.d(s.a(x))", rest="SHAPES = [(4, 6)]; TRAINING = True"),
        "first in d (Dropout)",
    ),
    "dropout left on": (
        both(linear(), "x: return s.b(s.a(x))", "x: return s.b(pF.dropout(s.a(x), 0.5))"),
        "before b (Linear), where dropout draws",
    ),
    "an empty batch": (both(linear(), PLAIN, rest="SHAPES = [(0, 6)]"), "returns empty tensors only"),
    "values that are all NaN": (both(linear(), "x: return s.a(x) * math.nan"), "are NaN or infinite"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_compared_is_one_line(name, tmp_path, capsys):
    source, words = REFUSED[name]
    path = tmp_path / "my_pair.py"
    path.write_text(source)
    for check in ("forward", "backward"):
        assert command.main(check, ["--pair", str(path), "--dtype", "float64"]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and words in err and "Traceback" not in err, err


def test_a_line_of_the_file_is_named(tmp_path, capsys):
    source = both(linear(), PLAIN, "x: return s.a(x).nothing()")
    line = 1 + next(i for i, text in enumerate(source.splitlines()) if "nothing()" in text)
    code, said = outcome(tmp_path, source, capsys, "forward")
    assert code == 2 and f"my_pair.py:{line}:" in said


def test_a_batch_of_one_is_never_run_in_training_mode(tmp_path, capsys):
    init = ["s.a = tnn.Linear(6, 6); s.n = tnn.BatchNorm1d(6)", "s.a = pnn.Linear(6, 6); s.n = pnn.BatchNorm1D(6)"]
    judge(tmp_path, capsys, both(init, "x: return s.n(s.a(x))", rest="SHAPES = [(1, 6)]; LIMIT = 1e-8"), (0, 0))


def test_a_model_that_needs_targets_in_training(tmp_path, capsys):
    forward = "x, y=None: assert not s.training or y is not None; return s.a(x)"
    judge(tmp_path, capsys, both(linear(), forward, PLAIN), (0, 0))


def test_a_file_that_imports_late_and_has_data_classes(tmp_path, capsys):
    (tmp_path / "neighbour_of_my_pair.py").write_text("SIZE = 6")
    source = both(linear(), PLAIN).replace("s.a = tnn", "from neighbour_of_my_pair import SIZE; s.a = tnn")
    source = "from __future__ import annotations\n" + source + "\n@dataclass\nclass Config:\n    size: int = 6\n"
    judge(tmp_path, capsys, source, (0, 0))


def test_a_recurrent_layer_in_another_mode(tmp_path, capsys):
    source = pair(
        "s.r = tnn.RNN(4, 6, batch_first=True, nonlinearity='relu')",
        "x: return s.r(x)[0]",
        "s.r = pnn.SimpleRNN(4, 6, activation='tanh')",
        "x: return s.r(x)[0]",
        "SHAPES = [(2, 5, 4)]",
    )
    judge(tmp_path, capsys, source, (1, 1), ["r (RNN)"])
