"""MTCNN against its twin and the program it was published with, on the published weights where these are installed."""

import importlib.util
import sys
import types

import numpy as np
import paddle
import pytest
import torch

import torch_ref.models.mtcnn as twins
from align.cases import CASES
from align.checks.layers import check_case
from align.compare.bits import differences
from align.compare.reference import measure
from align.compare.torch_side import TorchSide
from paddle_ugatit import formats, weights
from paddle_ugatit.inference.published_faces import NETWORKS, published_file
from paddle_ugatit.layers.prelu import PReLU
from paddle_ugatit.models import mtcnn

NAMES = ["mtcnn-pnet", "mtcnn-pnet-odd", "mtcnn-rnet", "mtcnn-onet"]
SIDES = {"pnet": 25, "rnet": 24, "onet": 48}
needs_wheel = pytest.mark.skipif(published_file("pnet") is None, reason="facenet-pytorch is not installed")


@pytest.mark.parametrize("check", ["forward", "backward"])
@pytest.mark.parametrize("name", NAMES)
def test_networks_equal_their_twins(name, check):
    reference = measure(CASES[name], TorchSide, float32=False)
    entry = check_case(CASES[name], reference, check, ["float64"])
    assert entry["verdict"] == "aligned" and max(row["error"] for row in entry["rows"]) < 1e-12
    assert entry["options"]["weights"].startswith("real" if published_file("pnet") else "random")


def test_without_the_wheel_the_weights_are_random(monkeypatch):
    monkeypatch.setattr("paddle_ugatit.inference.published_faces.find_spec", lambda name: None)
    reference = measure(CASES["mtcnn-rnet"], TorchSide, float32=False)
    entry = check_case(CASES["mtcnn-rnet"], reference, "backward", ["float64"])
    assert entry["verdict"] == "aligned" and entry["options"]["weights"].startswith("random")


@needs_wheel
def test_published_weights_are_those_compared():
    weights_of = {name: CASES[f"mtcnn-{name}"].published.weights() for name in NETWORKS}
    reference = measure(CASES["mtcnn-onet"], TorchSide, float32=False, backward=False)
    for key, array in torch.load(published_file("onet"), weights_only=True).items():
        np.testing.assert_array_equal(weights_of["onet"][key], array.numpy())
        np.testing.assert_array_equal(reference.weights[key], array.numpy())


@pytest.mark.parametrize(
    "fault",
    [
        lambda x: x.flatten(1),
        lambda x: x.transpose([0, 2, 3, 1]).flatten(1),
    ],
    ids=["row by row", "channels last"],
)
def test_another_order_of_the_map_is_found(monkeypatch, fault):
    reference = measure(CASES["mtcnn-rnet"], TorchSide, float32=False, backward=False)
    monkeypatch.setattr(mtcnn, "column_by_column", fault)
    entry = check_case(CASES["mtcnn-rnet"], reference, "forward", ["float64"])
    assert entry["verdict"] == "diverged" and entry["blamed"]["layer"].startswith("dense4")


def test_a_slope_is_that_of_its_channel():
    x = paddle.to_tensor([[-2.0, 3.0], [4.0, -5.0]])
    layer = PReLU(2)
    layer.weight.set_value(np.array([0.5, 10.0], "float32"))
    assert layer(x).tolist() == [[-1.0, 3.0], [4.0, -50.0]]


@pytest.mark.parametrize("module", [mtcnn, twins])
def test_a_picture_smaller_than_a_window_is_refused(module):
    ones = (paddle if module is mtcnn else torch).ones([1, 3, 11, 40])
    with pytest.raises(ValueError, match="images of 12x12 pixels or more, got 11x40"):
        module.PNet()(ones)


@needs_wheel
@pytest.mark.parametrize("suffix", [".pdparams", ".safetensors"])
@pytest.mark.parametrize("name", NETWORKS)
def test_published_files_come_back_bit_for_bit(name, suffix, tmp_path):
    path = published_file(name)
    ours, notes = weights.convert(formats.read(path), "paddle", path)
    assert ours.metadata["networks"] == {"": {"kind": name}} and not notes
    formats.write(tmp_path / f"ours{suffix}", ours)
    back, _ = weights.convert(formats.read(tmp_path / f"ours{suffix}"), "torch", "ours")
    formats.write(tmp_path / "back.pt", back)
    states = [torch.load(file, weights_only=True) for file in (path, tmp_path / "back.pt")]
    assert differences(*states)[0] == []


def published_program(monkeypatch):
    """The module with the networks in the wheel, without the torchvision that its other modules need."""
    folder = published_file("pnet").parent.parent / "models"
    stub = types.ModuleType("wheel.utils.detect_face")
    stub.detect_face = stub.extract_face = None
    for name, module in (("wheel", types.ModuleType("wheel")), ("wheel.utils", types.ModuleType("utils"))):
        module.__path__ = []
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, stub.__name__, stub)
    spec = importlib.util.spec_from_file_location("wheel.mtcnn", folder / "mtcnn.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_wheel
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_equal_the_published_program(name, monkeypatch):
    class_name = {"pnet": "PNet", "rnet": "RNet", "onet": "ONet"}[name]
    theirs = getattr(published_program(monkeypatch), class_name)(pretrained=False).double()
    theirs.load_state_dict(torch.load(published_file(name), weights_only=True))
    (ours,) = weights.load_networks(published_file(name), "float64").values()
    x = np.random.default_rng(1).uniform(-1, 1, (3, 3, SIDES[name], SIDES[name]))
    found, wanted = ours(paddle.to_tensor(x)), theirs(torch.from_numpy(x))
    assert len(found) == len(wanted)
    for own, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(own.numpy(), other.detach().numpy(), rtol=0, atol=1e-12)
