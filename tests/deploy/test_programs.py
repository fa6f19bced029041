"""Paddle's inference format: proved against the network, in paddle.inference with oneDNN and without, on any size."""

import json

import numpy as np
import paddle
import pytest
from deployed import generator

from paddle_ugatit.deploy import exports, program, program_files, rules
from paddle_ugatit.deploy.graph import as_float64
from paddle_ugatit.deploy.program import NAME, Predictor, folded, in_executor
from paddle_ugatit.deploy.program_files import SIDE, write_proved_program
from paddle_ugatit.deploy.run import OPERATIONS, run
from paddle_ugatit.formats.atomic import WriteError


@pytest.mark.parametrize("picture", [False, True], ids=["core", "picture"])
@pytest.mark.parametrize("kind", ["light", "full", "initial", "tensorflow"])
def test_a_program_is_proved(tmp_path, kind, picture):
    options = {"light": kind != "full", "revision": kind if kind in ("initial", "tensorflow") else "current"}
    measured = write_proved_program(tmp_path / "p", exports.export_generator(generator(**options), picture))
    assert measured.double.keys() == {"translated", "heatmap", "levels" if picture else "cam_logit"}
    assert kind == "initial" or max(measured.double.values()) <= 1e-12  # it enlarges rounding errors
    assert measured.runtimes.keys() == {"paddle.inference", "its oneDNN"}
    assert all(error <= 4 * measured.floor[name] for each in measured.runtimes.values() for name, error in each.items())
    assert paddle.in_dynamic_mode()


def test_what_lies_in_the_folder(tmp_path):
    exported = exports.export_generator(generator())
    write_proved_program(tmp_path / "p", exported)
    suffix = ".pdmodel" if paddle.__version__.startswith("2.") else ".json"
    assert {path.name for path in (tmp_path / "p").iterdir()} == {f"{NAME}{suffix}", f"{NAME}.pdiparams", SIDE}
    side = json.loads((tmp_path / "p" / SIDE).read_text())
    assert [value["name"] for value in side["outputs"]] == ["translated", "cam_logit", "heatmap"]
    assert side["inputs"][0] == {
        "name": "image",
        "dtype": "float32",
        "shape": [-1, 3, -1, -1],
        "sizes": ["batch", "3", "height", "width"],
        "meaning": exports.MEANINGS["image"],
    }
    assert all(value["meaning"] for value in side["outputs"]) and side["model"]["light"] == "true"
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_the_order_in_the_side_file_is_that_of_the_outputs(tmp_path):
    exported = exports.export_generator(generator())
    write_proved_program(tmp_path / "p", exported)
    names = [value["name"] for value in json.loads((tmp_path / "p" / SIDE).read_text())["outputs"]]
    image = exports.random_image(7, 3, 3, 13, 24)
    wanted = run(exported.graph, {"image": image})
    for one_dnn in (False, True):
        found = Predictor(tmp_path / "p", names, one_dnn).run({"image": image})
        for name, array in wanted.items():
            assert found[name].shape == array.shape
            np.testing.assert_allclose(found[name], array, atol=1e-4 * np.abs(array).max())


def test_two_exports_are_the_same_bytes(tmp_path):
    for name in "ab":
        write_proved_program(tmp_path / name, exports.export_generator(generator()))
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)


def test_what_depends_on_no_input_is_computed_before():
    graph = exports.export_generator(generator(revision="tensorflow")).graph
    small = folded(graph)
    assert len(small.nodes) < len(graph.nodes) and small.arrays.keys() >= {"conv1x1.bias"}
    assert {array.dtype.name for array in small.arrays.values()} <= {"float32", "int64"}
    image = {"image": exports.random_image(0, 1, 3, 9, 12).astype("float64")}
    one, two = run(as_float64(graph), image), run(as_float64(folded(as_float64(graph))), image)
    assert all(np.abs(one[name] - two[name]).max() <= 1e-12 * np.abs(one[name]).max() for name in one)


@pytest.mark.parametrize("fault", ["upsample", "round", "mean"])
def test_a_wrong_operation_is_found(tmp_path, fault, monkeypatch):
    wrong = {
        "upsample": ("Resize", lambda x, roi, scales, **how: paddle.concat([paddle.concat([x, x], 2)] * 2, 3)),
        "round": ("Round", paddle.floor),
        "mean": ("ReduceMean", program._reduced(paddle.sum)),
    }
    monkeypatch.setitem(program.PROGRAM, *wrong[fault])
    with pytest.raises(exports.ProofError, match="does not compute what the network does"):
        write_proved_program(tmp_path / "p", exports.export_generator(generator(), picture=True))
    assert not list(tmp_path.iterdir()) and paddle.in_dynamic_mode()


def test_a_fault_of_the_graph_leaves_the_folder_that_is_there(tmp_path, monkeypatch):
    write_proved_program(tmp_path / "p", exports.export_generator(generator()))
    before = {path.name: path.read_bytes() for path in (tmp_path / "p").iterdir()}
    monkeypatch.setattr(rules, "unbiased", lambda g, var, n: var)
    with pytest.raises(exports.ProofError):
        write_proved_program(tmp_path / "p", exports.export_generator(generator()))
    assert {path.name: path.read_bytes() for path in (tmp_path / "p").iterdir()} == before


def test_a_folder_of_others_is_left_alone(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "photo.png").touch()
    (tmp_path / "q").touch()
    for name in "pq":
        with pytest.raises(WriteError, match="something else is there"):
            write_proved_program(tmp_path / name, exports.export_generator(generator()))
    assert (tmp_path / "p" / "photo.png").exists()


def test_every_operation_has_a_rule_in_both():
    assert program.PROGRAM.keys() == OPERATIONS.keys()


def test_values_within_can_be_asked_for():
    exported = exports.export_generator(generator(), picture=True)
    (found,) = in_executor(exported.graph, exported.inputs[2:], ["levels", "nothing of that name"])
    assert found.keys() == {"translated", "heatmap", "levels"}
    assert np.abs(found["levels"] - found["translated"]).max() <= 0.5


def test_the_folder_is_named_in_what_is_said(tmp_path):
    with pytest.raises(WriteError, match="no/p: cannot be written") as found:
        (tmp_path / "no").touch()
        write_proved_program(tmp_path / "no" / "p", exports.export_generator(generator()))
    assert "unfinished" not in str(found.value)
    assert program_files.described(exports.export_generator(generator()), tmp_path)["files"] == ["no"]


def test_no_folder_of_this_machine_is_in_the_files(tmp_path):
    program.write_program(tmp_path, exports.export_generator(generator()).graph)
    for path in tmp_path.iterdir():
        assert b"paddle_ugatit" not in path.read_bytes(), path
