"""The defaults of layers and networks are those of PyTorch's, and a wrong one is found with its file."""

import inspect

import pytest

from align.checks import defaults
from paddle_ugatit.models import stylegan2, ugatit


def test_all_defaults_are_those_of_pytorch():
    entry = defaults.defaults_entry()
    assert entry["verdict"] == "aligned" and entry["counts"]["compared"] > 50


@pytest.mark.parametrize(
    ("kind", "option", "file"),
    [
        (stylegan2.StyleGAN2Generator, "network_capacity", "paddle_ugatit/models/stylegan2.py"),
        (ugatit.Discriminator, "n_layers", "paddle_ugatit/models/ugatit.py"),
    ],
)
def test_another_default_is_found(monkeypatch, kind, option, file):
    right = inspect.signature(kind.__init__)
    wrong = [p.replace(default=99) if name == option else p for name, p in right.parameters.items()]
    monkeypatch.setattr(kind.__init__, "__signature__", right.replace(parameters=wrong), raising=False)
    entry = defaults.defaults_entry()
    assert (entry["verdict"], entry["paddle"]) == ("diverged", file)
    assert f"{option} by default is 99" in entry["blamed"]["message"]
