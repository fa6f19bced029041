"""The mutants: which changes are made, what does not count, which checks a mutant faces, and the score."""

import ast
import json
import os
import random
import time

import pytest

from align.mutants import near, operators, page, processes, rules, score, source
from align.mutants.baseline import Baseline
from align.mutants.score import Kept, Tried
from align.mutants.source import Mutant

PATH = "paddle_ugatit/layers/made_up.py"


def made(text: str, operator: str = "") -> list[tuple[str, Mutant]]:
    """(mutated source, mutant) of a source, those of one operator if it is named."""
    found = operators.found_in(PATH, text.encode())
    changed = [(text.encode()[: m.start] + m.text.encode() + text.encode()[m.end :]).decode() for m in found]
    return [pair for pair in zip(changed, found, strict=True) if operator in ("", pair[1].operator)]


@pytest.mark.parametrize(
    ("operator", "text", "wanted"),
    [
        ("operator", "y = a * (b + c)", ["y = a / (b + c)", "y = a * ((b - c))"]),
        ("operator", "y = 2 - a ** b", ["y = 2 + a ** b", "y = 2 - (a * b)"]),
        ("operator", "y += a", ["y -= a"]),
        ("comparison", "y = a < b <= c", ["y = a <= b <= c", "y = a < b < c"]),
        ("comparison", "y = a not in b", ["y = a in b"]),
        ("boolean", "y = a and b or c", ["y = (a and b) and c", "y = (a or b) or c"]),
        ("negation", "y = f(-a, not b)", ["y = f(a, not b)", "y = f(-a, b)"]),
        ("condition", "if a:\n    y = 1", ["if (not (a)):\n    y = 1"]),
        ("condition", "y = [x for x in z if x]", ["y = [x for x in z if True]"]),
        ("condition", "y = a if b else c", ["y = a if (not (b)) else c"]),
        ("number", "y = f(0, 1e-5, True)", ["y = f(1, 1e-5, True)", "y = f(0, 2e-05, True)", "y = f(0, 1e-5, False)"]),
        ("string", "y = 'reflect'", ["y = 'reflect_'"]),
        ("default", "def f(a=1, *, b=False): pass", ["def f(a=2, *, b=False): pass", "def f(a=1, *, b=True): pass"]),
        ("argument", "y = f(a, (b), c=1)", ["y = f(b, (a), c=1)", "y = f(a, c=1)", "y = f(a, b)"]),
        ("call", "y = x.mean(0)", ["y = x.sum(0)", "y = 0"]),
        ("call", "y = x.detach()", ["y = x"]),
        ("call", "y = max(a, b)", ["y = min(a, b)", "y = a"]),
        (
            "context",
            "with a(), b() as c:\n    d()",
            ["with __import__('contextlib').nullcontext(), b() as c:\n    d()"],
        ),
        ("statement", "def f(x):\n    x = g(x)\n    y = x\n    h(y)", None),
        ("order", "def f(): return a, b, c", ["def f(): return b, a, c"]),
    ],
)
def test_each_operator_makes_its_changes(operator, text, wanted):
    found = [changed for changed, _ in made(text, operator)]
    if wanted is None:
        wanted = [text.replace("x = g(x)", "pass"), text.replace("h(y)", "pass")]
    assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize(
    "text",
    [
        "y: list[int] = f",  # an annotation
        "def f(a: int = b) -> 'c': return a",
        "@decorated(1)\ndef f(): return a",
        "y = f'{a + 1}'",
        "y = isinstance(a, b)",
        "from a import b",
        "def f():\n    'A text.'\n    return a",
        "y = maximum(a, a)[b]",
    ],
)
def test_what_computes_nothing_is_left_alone(text):
    assert [changed for changed, mutant in made(text) if mutant.operator not in ("argument", "call")] == []


def test_dropping_what_shows_progress_is_no_mutant():
    assert [text for text, m in made("y = f(a, b, say)") if m.operator == "argument"] == ["y = f(b, a, say)"]


def test_mutants_of_the_port_compile_and_differ():
    """A sample, drawn anew by its seed alone; and no two mutants of a file are the same."""
    every = operators.every(("losses", "layers"))
    assert len({(m.path, m.start, m.end, m.text) for m in every}) == len({m.name for m in every}) == len(every) > 1500
    for mutant in random.Random(1).sample(every, 120):
        old, new = ast.parse(source.read(mutant.path)), ast.parse(source.changed(mutant))
        assert ast.dump(old) != ast.dump(new), mutant.name
        assert mutant.first <= mutant.last and source.diff(mutant).count("\n-") >= 1


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("message", "def f():\n    raise ValueError(a + 1)"),
        ("message", "def __repr__(self): return a + 1"),
        ("message", "def f(): self.say(a + 1)"),
        ("message", "notes.append(a + 1)"),
        ("message", "y = step % self.print_freq == 0"),
        ("message", "y = 'two words'"),
        ("guard", "if a > 1:\n    raise ValueError"),
        ("guard", "if a > 1:\n    told = b + 1\n    raise ValueError(told)"),
        ("guard", "for a in b + 1:\n    if a > 1:\n        raise ValueError"),
        ("message", "if a > 1:\n    say(b + 1)"),
        ("message", "y = f'{a}' if a > 1 else 'two words'"),
        ("guard", "def require_size(a): return a + 1"),
        ("guard", "require_size(a + 1)"),
        ("guard", "assert a + 1"),
        ("guard", "y = zip(strict=True)"),
        ("guard", "try:\n    checked(a, b)\nexcept ValueError:\n    raise InputError(a + 1)"),
        ("message", "def figure(a): return a + 1"),
        ("message", "raised = ', '.join(keys[:3])"),
        ("guard", "def f(a, *, b, strict=False): pass"),
        ("types", "Named = dict[str, 1]"),
        ("types", "T = TypeVar('T', bound=1)"),
        ("types", "__all__ = ['a', 'b']"),
        ("types", "__all__ += ['a', 'b']"),
        ("message", "PUBLISHED = {'a': (1.5, 2.5)}"),
        *(("cache", text) for text in ("if size > KEPT: y", "config.enable_mkldnn()", "y = outputs >= MANY")),
        *(("cache", text) for text in ("MANY, FEW = 64, 4", "if dispatch.taken('sums', x): y")),
        ("guard", "_LEARNER = 'D_cl.'"),
        *(("message", text) for text in ("where = given[:80]", "shown = ('d_loss', 'g_loss')")),
        ("cache", "y = lru_cache(maxsize=1)"),
    ],
)
def test_each_rule_sets_aside_what_it_says(rule, text):
    found = {mutant.reason for _, mutant in made(text)}
    assert found == {"guard" if text.startswith("def f():\n    raise") else rule}


@pytest.mark.parametrize(
    "text",
    [
        "y = a + 1",
        "if a > 1:\n    y = 2",
        "y = outputs >= LIMIT",
        "MANY, OTHER = 64, 4",
        "y = sep.join(keys[:3])",
        "def f(strict, a=1): pass",
        "y = x['key']",
        "try:\n    y = b + 1\nexcept ValueError:\n    y = 2",
    ],
)
def test_what_no_rule_names_counts(text):
    assert {mutant.reason for _, mutant in made(text)} == {""}


def test_the_rules_name_what_exists():
    sources = {path: source.read(path).decode() for path in source.files()}
    assert all(any(path.partition("/")[2].startswith(each) for path in sources) for each in rules.OUTSIDE)
    words = "\n".join(sources.values())
    assert [name for name in rules.SPEED | rules.WRITING | rules.LIMITS if name not in words] == []
    outside = [m for m in operators.mutants("paddle_ugatit/training/lock.py") if m.reason != "outside"]
    assert outside == [] and {m.reason for m in operators.every()} <= {"", *rules.RULES}


def test_a_change_that_compiles_to_the_same_is_proven_equivalent():
    path = "paddle_ugatit/losses/distances.py"
    text = source.read(path)
    start = text.index(b"mean()")
    same = Mutant(path, 1, 0, "call", start, start + 6, "mean( )", 1, 1, False)
    other = Mutant(path, 1, 0, "call", start, start + 6, "mean(0)", 1, 1, False)
    assert source.equivalent(same) and not source.equivalent(other)


def test_one_and_true_are_not_the_same():
    codes = (compile(text, "f", "exec") for text in ("y = f(1)", "y = f(True)"))
    assert source._instructions(next(codes)) != source._instructions(next(codes))


# --- what a mutant faces -------------------------------------------------------------------------------------


def a_baseline() -> Baseline:
    losses, norm = "paddle_ugatit/losses/distances.py", "paddle_ugatit/layers/norm.py"
    units = {"training": [["training", "adain", ""]], "layers norm": [["forward", "norm", "float64"]]}
    seconds = {"training adain": 2.0, "forward norm float64": 0.5}
    lines = {"training": {losses: [9], norm: [30]}, "layers norm": {norm: [30, 31]}}
    return Baseline("digest", units, seconds, lines, {losses: [1, 3], norm: [16]})


def a_mutant(path: str, line: int, loaded: bool = False, **more: object) -> Mutant:
    return Mutant(path, line, 0, "number", 0, 1, "2", line, line, loaded, **more)


def test_a_mutant_faces_the_units_that_run_its_line_the_quickest_first():
    base, norm = a_baseline(), "paddle_ugatit/layers/norm.py"
    assert [unit[0] for unit in base.facing(a_mutant(norm, 30))] == ["forward", "training"]
    assert [unit[0] for unit in base.facing(a_mutant(norm, 31))] == ["forward"]
    assert base.facing(a_mutant(norm, 32)) == []
    assert base.seconds_of(base.facing(a_mutant(norm, 30))) == 2.5


def test_what_is_run_at_import_is_tried_on_all_users_of_the_file():
    base, norm = a_baseline(), "paddle_ugatit/layers/norm.py"
    assert len(base.facing(a_mutant(norm, 16, loaded=True))) == 2
    assert len(base.facing(a_mutant(norm, 16))) == 2  # a function that only the import calls
    # Nothing of it is run later, but the training imports it.
    assert len(base.facing(a_mutant("paddle_ugatit/losses/distances.py", 3, loaded=True))) == 1


def test_needed_lines_are_those_of_the_statement_or_of_the_function():
    text = "A = 1\n\n\ndef f(a, b=2):\n    y = g(\n        a,\n        3,\n    )\n    return y\n"
    found = {mutant.text: mutant for _, mutant in made(text) if mutant.operator in ("number", "default")}
    assert (found["2"].first, found["2"].last, found["2"].loaded) == (1, 1, True)
    assert (found["3"].first, found["3"].last, found["3"].loaded) == (5, 9, False)
    assert (found["4"].first, found["4"].last, found["4"].loaded) == (5, 8, False)


@pytest.mark.parametrize(
    ("blamed", "changed", "right"),
    [
        ("layers/norm.py", "layers/norm.py", True),
        ("layers/norm.py", "layers/fast/channels.py", True),  # by way of layers/channels.py
        ("models/ugatit.py", "layers/norm.py", False),
        ("training/ugatit.py", "losses/ugatit.py", True),  # passed on by the package
        ("training/ugatit.py", "losses/distances.py", True),
        ("training/sagan.py", "losses/hinge.py", True),
        ("training/ugatit.py", "models/ugatit.py", False),
        ("layers/linear.py", "layers/fast/winograd.py", False),
        ("layers/norm.py", "layers/fast/winograd.py", False),  # both go through the dispatcher
        ("layers/convolution.py", "layers/fast/winograd.py", True),
        ("", "layers/norm.py", False),
    ],
)
def test_the_right_file_is_the_blamed_one_or_one_that_it_is_made_of(blamed, changed, right):
    inside = f"paddle_ugatit/{blamed}" if blamed else ""
    assert near.is_near(inside, f"paddle_ugatit/{changed}") is right


# --- processes ------------------------------------------------------------------------------------------------


def _ends() -> None:
    os._exit(1)


def test_jobs_give_results_and_one_that_hangs_or_ends_is_told():
    jobs = [
        processes.Job("sum", lambda: {"sum": 1 + 1}, 20),
        processes.Job("much", lambda: "x" * 300_000, 20),
        processes.Job("hangs", lambda: time.sleep(60), 0.5),
        processes.Job("ends", _ends, 20),
        processes.Job("fails", lambda: 1 / 0, 20),
    ]
    start = time.monotonic()
    found = dict(processes.run(jobs, 2))
    assert found == {
        "sum": {"sum": 2},
        "much": "x" * 300_000,
        "hangs": processes.HUNG,
        "ends": processes.DIED,
        "fails": processes.DIED,
    }
    assert time.monotonic() - start < 30


def test_no_process_is_left_when_the_run_is_interrupted(tmp_path):
    def sleep(name: str) -> None:
        (tmp_path / name).write_text(str(os.getpid()))
        time.sleep(60)

    running = processes.run(
        [processes.Job("short", lambda: 1, 20), processes.Job("long", lambda: sleep("long"), 60)], 2
    )
    assert next(running) == ("short", 1)
    while not (tmp_path / "long").exists() or not (tmp_path / "long").read_text():
        time.sleep(0.05)
    running.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "long").read_text()), 0)


# --- the score ------------------------------------------------------------------------------------------------


def test_a_sample_depends_on_its_seed_alone_and_every_room_has_a_share():
    every = operators.every(("losses", "data", "weights"))
    one, same, other = (score.sampled(every, 60, seed) for seed in (0, 0, 1))
    assert one == same != other and len(one) == len(other) == 60 and not any(mutant.reason for mutant in one)
    rooms = [mutant.room for mutant in one]
    assert min(rooms.count(room) for room in ("losses", "data", "weights")) >= 15
    assert score._shares({"a": 3, "b": 1000}, 20) == {"a": 3, "b": 17}
    assert score._shares({"a": 3, "b": 5}, None) == {"a": 3, "b": 5}


def a_report() -> dict:
    near = a_mutant("paddle_ugatit/layers/norm.py", 30)
    outcomes = [
        Tried(near, "diverged", "forward norm", ["paddle_ugatit/layers/norm.py"], "differs", 3),
        Tried(near, "error", "forward norm", ["paddle_ugatit/models/ugatit.py"], "TypeError", 3),
        Tried(near, "timeout", units=3),
        Tried(near, "survived", units=3),
        Tried(a_mutant("paddle_ugatit/losses/distances.py", 9), "survived"),
    ]
    aside = [a_mutant("paddle_ugatit/layers/norm.py", 16, reason="guard")]
    facts = {"versions": {"paddle": "3"}, "seconds": 1.0, "command": "<script>alert(1)</script>", "quick": False}
    return score.document(outcomes, [*(outcome.mutant for outcome in outcomes), *aside], {"losses": 1}, facts)


def test_the_report_counts_by_room_and_names_the_survivors():
    report = a_report()
    layers, losses = report["rooms"]["layers"], report["rooms"]["losses"]
    assert (layers["tried"], layers["killed"], layers["score"], layers["survived"]) == (4, 3, 0.75, 1)
    assert layers["located"] == 1 / 3 and (layers["diverged"], layers["error"], layers["timeout"]) == (1, 1, 1)
    assert (losses["killed"], losses["not_reached"], layers["not_reached"]) == (0, 1, 0)
    assert (losses["unreached"], report["total"]["unreached"], report["total"]["mutants"]) == (1, 1, 5)
    assert report["total"]["score"] == 0.6 and not report["passed"] and report["counted"] == 5
    assert {one["rule"]: one["mutants"] for one in report["set_aside"]}["guard"] == 1
    survivors = [one for one in report["outcomes"] if one["how"] == "survived"]
    assert all("--- paddle_ugatit" in one["diff"] for one in survivors) and len(survivors) == 2


def test_the_required_rates_must_all_be_reached():
    good = {"score": 0.95, "located": 0.9}
    assert score.passed(good, {"a": {"score": 0.9}})
    assert not score.passed(good | {"score": 0.949}, {"a": {"score": 0.9}})
    assert not score.passed(good | {"located": 0.89}, {"a": {"score": 0.9}})
    assert not score.passed(good, {"a": {"score": 0.89}})
    assert not score.passed(good, {})


def test_the_page_shows_the_score_and_escapes_what_it_quotes(tmp_path):
    page.write(a_report(), tmp_path / "new" / "mutants.html")
    text = (tmp_path / "new" / "mutants.html").read_text()
    assert "60.0 % killed" in text and "paddle_ugatit/losses/distances.py, line 9" in text
    assert "<script>alert" not in text and "&lt;script&gt;" in text and "no case of a default check" in text


def test_an_interrupted_run_goes_on_and_another_one_does_not(tmp_path):
    kept = Kept(tmp_path / "outcomes.jsonl", {"digest": "a", "seed": 0})
    assert kept.read() is None
    kept.begin()
    kept.add("one", {"how": "survived"})
    with open(kept.path, "a") as file:
        file.write('\n{"name": "two", "ho')
    kept.add("three", {"how": "error"})
    found = Kept(kept.path, {"digest": "a", "seed": 0}).read()
    assert found == {"one": {"name": "one", "how": "survived"}, "three": {"name": "three", "how": "error"}}
    assert Kept(kept.path, {"digest": "b", "seed": 0}).read() is None


def test_json_values_only():
    assert json.loads(json.dumps(a_report()))["schema"] == score.SCHEMA
