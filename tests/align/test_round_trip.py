"""check_round_trip.py without files: silent on the product, and planted faults are found, in their files."""

import json

import numpy as np
import pytest

import paddle_ugatit  # noqa: F401  first: it sets the process up before PyTorch
from align.checks import conversion, round_trip
from align.planting import in_force
from align.report.page import render
from paddle_ugatit.weights import (
    foreign,
    identify,
    paddlegan,
    rules,
    sagan,
    stylegan2,
    ugatit,
    ugatit_tensorflow,
    values,
)

_options, _table, _converted = ugatit._generator_options, ugatit_tensorflow.generator_table, rules._converted


def _light(state, framework, prefix):
    return {**_options(state, framework, prefix), "light": True, "img_size": None}


def _unturned(state, layer, where, source):
    arrays = _converted(state, layer, where, source)
    return {key: array[::-1] if key == "FC.2.weight" else array for key, array in arrays.items()}


def _swapped(state):
    table = _table(state)
    return table | {"gamma.weight": table["beta.weight"], "beta.weight": table["gamma.weight"]}


FAULTS = {  # name of a case -> what is planted
    "U-GAT-IT, full": (ugatit, "_generator_options", _light),
    "SAGAN": (sagan, "NAMES", {"G": "SAGAN generator"}),
    "U-GAT-IT, light": (rules, "_converted", _unturned),
    "StyleGAN2": (stylegan2, "_REPEATED", "D_aug.E."),
    "other programs": (foreign, "_COUNTERS", {"total_ops"}),
    "TensorFlow": (ugatit_tensorflow, "generator_table", _swapped),
    "PaddleGAN": (paddlegan, "_SCALE", paddlegan.re.compile(r"DownBlock\.(?:2|6)\.scale")),
    "values": (values, "_is_odd", lambda array: bool(np.isnan(array).any())),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_in_its_file(name):
    identify._cached_layout.cache_clear()
    assert conversion.case_entry(name)["verdict"] == "aligned"
    file = FAULTS[name][0].__name__.replace(".", "/") + ".py"
    with in_force([FAULTS[name]]):
        identify._cached_layout.cache_clear()
        try:
            entry = conversion.case_entry(name)
            assert (entry["verdict"], entry["paddle"]) == ("diverged", file), entry["blamed"]
        except rules.WeightError as error:  # the port itself refuses its files
            assert name in ("SAGAN", "StyleGAN2"), error
    identify._cached_layout.cache_clear()


def test_the_command_without_files(tmp_path, capsys, monkeypatch):
    few = {name: case for name, case in conversion.conversion_cases().items() if name in ("AdaIN, both", "PaddleGAN")}
    monkeypatch.setattr(round_trip, "conversion_cases", lambda: few)
    report = tmp_path / "report.json"
    assert round_trip.main(["--json", str(report)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 4 and said[-1].startswith("ALIGNED: round_trip: ")
    noted = json.loads(report.read_text())
    assert noted["check"] == "round_trip" and [case["name"] for case in noted["cases"]] == list(few)
    assert "Conversion: PaddleGAN" in render([noted])
    with in_force([FAULTS["PaddleGAN"]]):
        assert round_trip.main([]) == 1
    assert "DIVERGED" in capsys.readouterr().out
    assert round_trip.main(["only.pt"]) == 2
