"""The graphs of networks equal the networks in float64, are read as they were written, and are what ONNX wants."""

import numpy as np
import pytest
from deployed import generator

from paddle_ugatit import ResnetGenerator
from paddle_ugatit.deploy import exports, proof
from paddle_ugatit.deploy.graph import FLOAT, Graph, as_float64, pruned
from paddle_ugatit.deploy.onnx_file import decoded, encoded, read_onnx, write_onnx
from paddle_ugatit.deploy.run import run
from paddle_ugatit.formats import CheckpointError

KINDS = [
    {"light": light, "revision": revision, "older_cam": older}
    for light in (True, False)
    for revision, older in (("current", False), ("initial", False), ("tensorflow", False), ("tensorflow", True))
]
IDS = ["-".join(str(value) for value in kind.values()) for kind in KINDS]


def reread(graph):
    return decoded(memoryview(b"".join(encoded(graph))))


@pytest.mark.parametrize("picture", [False, True], ids=["core", "picture"])
@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_every_generator_is_proved(tmp_path, kind, picture):
    exported = exports.export_generator(generator(**kind), picture)
    measured = exports.write_proved(tmp_path / "a.onnx", exported)
    assert set(measured.double) == {"translated", "heatmap", "levels" if picture else "cam_logit"}
    if kind["revision"] != "initial":  # whose nested variances enlarge rounding errors
        assert max(measured.double.values()) <= 1e-12 and not measured.shaken
    assert max(measured.double.values()) < 1e-6
    assert max(measured.floor.values()) > 1e-7


def test_other_numbers_of_channels(tmp_path):
    exported = exports.export_generator(generator(inputs=1, outputs=2))
    assert exports.write_proved(tmp_path / "a.onnx", exported).faults() == []
    with pytest.raises(ValueError, match="3 input and 3 output channels"):
        exports.export_generator(generator(inputs=1), picture=True)


def test_a_size_may_be_fixed(tmp_path):
    for size in (9, 16):
        exported = exports.export_generator(generator(), size=size)
        assert exported.graph.outputs[2].shape == ("batch", 1, -(-size // 4), -(-size // 4))
        assert exports.write_proved(tmp_path / "a.onnx", exported).faults() == []
    with pytest.raises(ValueError, match="5 pixels or more"):
        exports.export_generator(generator(), size=4)
    with pytest.raises(ValueError, match="16 pixels only"):
        exports.export_generator(generator(light=False), size=32)


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_every_parameter_is_there_and_nothing_is_left_over(kind):
    network = generator(**kind)
    graph = exports.export_generator(network).graph
    assert dict(network.named_parameters()).keys() <= graph.arrays.keys()
    assert pruned(graph).nodes == graph.nodes and pruned(graph).arrays.keys() == graph.arrays.keys()
    assert graph.weights.keys() >= {name for name, _ in network.named_parameters() if name.endswith("conv1.weight")}


def test_a_graph_is_read_as_it_was_written(tmp_path):
    graph = exports.export_generator(generator(revision="tensorflow")).graph
    write_onnx(tmp_path / "a.onnx", graph)
    again = read_onnx(tmp_path / "a.onnx")
    assert (again.nodes, again.inputs, again.outputs) == (graph.nodes, graph.inputs, graph.outputs)
    assert again.metadata == graph.metadata and list(again.arrays) == sorted(graph.arrays)
    for name, array in graph.arrays.items():
        assert again.arrays[name].dtype == array.dtype and np.array_equal(again.arrays[name], array), name
        assert again.arrays[name].shape == array.shape


@pytest.mark.parametrize("damage", ["text", "empty", "cut", "no graph", "folder"])
def test_what_is_no_file_of_ours_is_a_line(tmp_path, damage):
    path = tmp_path / "a.onnx"
    whole = b"".join(encoded(exports.export_generator(generator()).graph))
    if damage == "folder":
        path.mkdir()
    else:
        path.write_bytes({"text": b"hello there", "empty": b"", "cut": whole[:999], "no graph": whole[:2]}[damage])
    with pytest.raises(CheckpointError, match="a.onnx"):
        read_onnx(path)


def test_numbers_are_exact_in_float64():
    graph = Graph()
    graph.output(graph.apply("Add", graph.input("x", "float32"), graph.number(1e-5)), "y", "float32")
    found = run(as_float64(reread(graph)), {"x": np.float64(0)})["y"]
    assert found.dtype == np.float64 and found == 1e-5
    single = run(reread(graph), {"x": np.float32(0)})["y"]
    assert single.dtype == np.float32 and single == np.float32(1e-5)


def test_two_arrays_of_one_name_are_refused():
    graph = Graph()
    graph.array("a", np.zeros(2))
    graph.array("a", np.zeros(2))
    with pytest.raises(ValueError, match="named a"):
        graph.array("a", np.ones(2))


def test_a_stated_shape_is_checked():
    graph = Graph()
    graph.output(graph.apply("Relu", graph.input("x", "float32", "batch", 3)), "y", "float32", "batch", 3)
    assert run(graph, {"x": np.zeros((2, 3), np.float32)})["y"].shape == (2, 3)
    for shape in ((2, 4), (2,), (2, 3, 1)):
        with pytest.raises(ValueError, match="x has the shape"):
            run(graph, {"x": np.zeros(shape, np.float32)})
    with pytest.raises(ValueError, match="needs the inputs x"):
        run(graph, {})


def test_a_layer_without_a_rule_is_named():
    network = generator()
    network.UpBlock2[12].__class__ = type("Unknown", (network.UpBlock2[12].__class__,), {})
    with pytest.raises(ValueError, match="UpBlock2.12: no rule for exporting a Unknown"):
        exports.export_generator(network)


@pytest.mark.parametrize("picture", [False, True], ids=["core", "picture"])
@pytest.mark.parametrize("light", [True, False], ids=["light", "full"])
def test_onnx_accepts_the_file_and_computes_the_same(tmp_path, light, picture):
    onnx = pytest.importorskip("onnx")
    reference = pytest.importorskip("onnx.reference")
    exported = exports.export_generator(generator(light=light), picture)
    write_onnx(tmp_path / "a.onnx", exported.graph)
    model = onnx.load(str(tmp_path / "a.onnx"))
    onnx.checker.check_model(model, full_check=True)
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)
    assert {each.key: each.value for each in model.metadata_props} == exported.graph.metadata
    write_onnx(tmp_path / "double.onnx", as_float64(exported.graph))
    evaluator = reference.ReferenceEvaluator(str(tmp_path / "double.onnx"))
    inputs = proof.widened(exported)[0]
    wanted = proof._computed(exported, proof.network_of(exported.network, exported.graph, "float64"), inputs)
    for value, found in zip(exported.graph.outputs, evaluator.run(None, inputs), strict=True):
        assert proof.relative_error(found, wanted[value.name]) <= 1e-12, value.name


def test_the_proof_has_the_runtime_s_errors_where_that_is_installed(tmp_path):
    pytest.importorskip("onnxruntime")
    measured = exports.write_proved(tmp_path / "a.onnx", exports.export_generator(generator()))
    (errors,) = measured.runtimes.values()
    assert errors.keys() == measured.double.keys()
    assert 0 < max(errors.values()) < 1e-4
    errors["heatmap"] = 5 * measured.floor["heatmap"]
    assert [fault for fault in measured.faults() if "heatmap" in fault and "ONNX Runtime" in fault]


def test_shaking_leaves_the_network_as_it_was(tmp_path):
    network = ResnetGenerator(3, 3, ngf=4, n_blocks=1, light=True)
    exported = exports.export_generator(network)
    measured = proof.Proof()
    inputs = {"image": exports.random_image(0, 1, 3, 16, 16).astype("float64")}
    double = proof.network_of(network, exported.graph, "float64")
    wanted = proof._computed(exported, double, inputs)
    proof._shake(measured, exported, double, [(inputs, wanted)])
    assert all(0 < error < 1e-11 for error in measured.shaken.values())
    assert all(error > 1e-9 for error in measured.floor.values())
    again = proof._computed(exported, double, inputs)
    assert all((again[name] == wanted[name]).all() for name in wanted)


def test_an_error_that_is_no_number_is_no_small_one():
    wanted = np.array([1.0, 2.0])
    assert proof.relative_error(np.array([1.0, 2.5]), wanted) == 0.25
    assert proof.relative_error(np.array([1, 3], np.uint8), wanted) == 0.25
    for found in (np.array([1.0, np.nan]), np.array([1.0, np.inf]), np.array([1.0])):
        errors = {}
        proof._note(errors, {"y": found}, {"y": wanted})
        assert errors == {"y": np.inf}
        proof._note(errors, {"y": wanted}, {"y": wanted})
        assert proof.Proof(errors, {"y": 1e-7}).faults()


def test_casts_to_float_alone_become_double():
    graph = Graph()
    graph.output(graph.apply("Cast", graph.input("x", "uint8"), to=FLOAT), "y", "float32")
    assert run(as_float64(graph), {"x": np.uint8(3)})["y"].dtype == np.float64
    assert graph.nodes[0].attributes == {"to": FLOAT}
