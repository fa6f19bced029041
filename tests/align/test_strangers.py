"""Bugs in models of other people: a few are planted, and what is not found is seen."""

import pytest

from align.faults import strangers
from align.faults.strange_models import MODELS


def test_there_are_many_bugs_in_many_models():
    found = list(strangers.bugs())
    assert len(found) > 200 and {bug.model for bug in found} == set(MODELS)
    assert len({(bug.model, bug.layer, bug.name) for bug in found}) == len(found)
    assert all(bug.plant or bug.flaw for bug in found)


@pytest.mark.parametrize(
    ("model", "layer", "name"),
    [
        ("mlp", "1", "eps 0.001"),
        ("cnn", "3", "border not counted"),
        ("residual", "head", "detached"),
        ("attention", "out", "softmax axis"),
    ],
)
def test_a_bug_is_located_and_named(model, layer, name):
    bug = next(bug for bug in strangers.bugs() if (bug.model, bug.layer, bug.name) == (model, layer, name))
    found = strangers.tried(bug, 3)
    assert found.located and found.named and not found.misnamed, found


def test_rates_that_are_not_reached_are_seen(monkeypatch, capsys):
    def blind(bug, seed):
        return strangers.Found(bug, seed, "forward", "elsewhere", "output", "another cause")

    monkeypatch.setattr(strangers, "tried", blind)
    assert strangers.check(5, 0) == 1
    said = capsys.readouterr()
    assert "located 0.0%" in said.out and "WRONG" in said.out and "are not reached" in said.err
    assert strangers.chosen(5, 0) == strangers.chosen(5, 0) or len(strangers.chosen(5, 0)) == 5


@pytest.mark.slow
def test_every_model_without_a_bug_is_aligned():
    for name in MODELS:
        nothing = strangers.Bug(name, "nothing", "", (), lambda model: None)
        assert strangers.tried(nothing, 2).layer is None, name
