"""export of a TensorFlow checkpoint: the authors' files, whose networks have another head and biases everywhere."""

import hashlib

import pytest

from paddle_ugatit.cli import export
from paddle_ugatit.deploy.onnx_file import read_onnx
from tests import tensorflow_files
from tests.weights.test_tensorflow_weights import SIZE, made, saved


@pytest.mark.parametrize(("older", "light"), [(False, False), (True, True)])
def test_a_tensorflow_checkpoint_is_exported_and_proved(tmp_path, older, light):
    tensorflow_files.write(tmp_path / "x", saved(made(older, light), older))
    assert export.main(["--weights", str(tmp_path / "x"), "--out", str(tmp_path / "out"), "--picture"]) == 0
    graph = read_onnx(tmp_path / "out" / "a2b-picture.onnx")
    assert graph.metadata["revision"] == "tensorflow" and graph.metadata["light"] == str(light).lower()
    side = "height" if light else SIZE
    assert graph.inputs[0].shape[1] == side
    (index,) = (tmp_path / "x").glob("*.index")
    assert graph.metadata["sha256"] == hashlib.sha256(index.read_bytes()).hexdigest()
