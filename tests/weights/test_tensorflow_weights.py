"""The TensorFlow code's checkpoints: every variable arrives where it belongs, and the networks compute the same."""

import os
from pathlib import Path

import numpy as np
import paddle
import pytest
import torch

from align.compare import tensorflow_names
from align.compare.tensorflow_names import SCOPES
from paddle_ugatit import formats, weights
from paddle_ugatit.cli import convert as command
from paddle_ugatit.cli import train
from paddle_ugatit.data.faces.folder import make_dataset
from paddle_ugatit.inference.translate import evaluating
from tests import tensorflow_files as tf
from torch_ref.models.ugatit import Discriminator, ResnetGenerator

PUBLIC = Path(os.environ.get("UGATIT_PUBLIC_FILES", "/nonexistent"))  # files that the public programs wrote
SIZE = 32


def randomised(network, seed):
    """A network with values at which no difference can hide: rho below 0.1 and above 0.9, biases away from 0."""
    rng = np.random.default_rng(seed)
    for key, tensor in network.state_dict().items():
        leaf = key.rpartition(".")[2]
        if leaf == "rho":
            values = rng.uniform(-0.05, 1.05, tensor.shape).clip(0, 1)
        elif tensor.ndim < 2 and leaf in ("weight", "bias") or leaf in ("gamma", "beta"):
            values = float(leaf in ("weight", "gamma")) + 0.3 * rng.standard_normal(tensor.shape)
        else:
            continue
        tensor.copy_(torch.from_numpy(values.astype("float32")))
    return network


def made(older=False, light=False):
    torch.manual_seed(3)
    options = {"revision": "tensorflow", "older_cam": older}
    nets = {name: ResnetGenerator(3, 3, 2, 4, SIZE, light, **options) for name in ("genA2B", "genB2A")}
    nets |= {name: Discriminator(3, 2, 6 if "G" in name else 4, **options) for name in list(SCOPES)[2:]}
    return {name: randomised(net, i).eval() for i, (name, net) in enumerate(nets.items())}


def saved(nets, older, adam=False):
    arrays = tensorflow_names.saved(nets, 4, older)
    if adam:
        slots = {f"{name}/{slot}": array for name, array in arrays.items() for slot in ("Adam", "Adam_1")}
        arrays |= slots | {"beta1_power": np.float32(0.5).reshape(()), "beta2_power_1": np.float32(0.9).reshape(())}
    return arrays


@pytest.mark.parametrize(("older", "light"), [(False, False), (True, True), (True, False)])
def test_the_networks_compute_what_those_of_the_file_do(tmp_path, older, light):
    nets = made(older, light)
    tf.write(tmp_path / "x", saved(nets, older, adam=True))
    rng = np.random.default_rng(5)
    image = rng.uniform(-1, 1, (2, 3, 48, 48) if light else (2, 3, SIZE, SIZE))
    with pytest.warns(UserWarning, match="state of the optimiser Adam"):
        ours = weights.load_networks(tmp_path / "x", "float64")
    assert list(ours) == list(SCOPES)
    for name, theirs in nets.items():
        x = image if name.startswith("gen") else rng.uniform(-1, 1, (2, 3, 48, 48))
        for _ in range(2):  # the discriminators' spectral norms iterate at every forward
            with evaluating(ours[name]), torch.no_grad():
                results = ours[name](paddle.to_tensor(x))
                expected = theirs.double()(torch.from_numpy(x))
            for result, right in zip(results, expected, strict=True):
                assert np.abs(result.numpy() - right.numpy()).max() <= 1e-12 * np.abs(right.numpy()).max()


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("suffix", [".pdparams", ".pt", ".safetensors"])
def test_conversion_is_bit_for_bit_and_has_its_inverse(tmp_path, suffix, older, capsys):
    nets = made(older)
    source, there = tf.write(tmp_path / "x", saved(nets, older)), tmp_path / f"there{suffix}"
    assert command.main([os.fspath(source), os.fspath(there)]) == 0
    assert "model: ugatit-tensorflow (from its keys)" in capsys.readouterr().out
    back, _ = weights.convert(formats.read(there), "torch", there)
    assert back.metadata["model"] == "ugatit-tensorflow"
    for name, net in nets.items():
        state = net.state_dict()
        assert back.networks[name].keys() == state.keys()
        for key, array in back.networks[name].items():
            if not key.endswith("weight_v"):
                assert array.tobytes() == state[key].numpy().tobytes()


def test_one_generator_is_read_alone(tmp_path):
    arrays = saved(made(), False)
    only = {name: array for name, array in arrays.items() if name.startswith("generator_B/")}
    checkpoint, notes = weights.convert(formats.read(tf.write(tmp_path / "x", only)), "paddle", tmp_path / "x")
    assert list(checkpoint.networks) == ["genA2B"] and any("has no genB2A" in note for note in notes)
    path = tf.write(tmp_path / "y", arrays)
    data = path / "UGATIT.model-1000.data-00000-of-00001"
    whole = bytearray(data.read_bytes())
    whole[10] ^= 1  # in discriminator_A, which is not asked for
    data.write_bytes(whole)
    with pytest.warns(UserWarning, match="not asked for"):
        assert list(weights.load_networks(path, only=("genA2B",))) == ["genA2B"]
    with pytest.raises(formats.CheckpointError, match="CRC-32C"):
        weights.load_networks(path)


def test_what_is_missing_or_malformed_is_named(tmp_path):
    arrays = saved(made(), False)

    def refused(changes=None, without=()):
        kept = {name: array for name, array in arrays.items() if name not in without} | (changes or {})
        with pytest.raises(formats.CheckpointError) as caught:
            weights.convert(formats.read(tf.write(tmp_path / "x", kept)), "paddle", tmp_path / "x")
        return str(caught.value)

    bias = "generator_B/up_conv_0/conv2d/bias"
    assert f"genA2B: lacks {bias!r}" in refused(without=[bias])
    assert "not 4 axes" in refused({"generator_A/conv/conv2d/kernel": np.zeros((7, 7, 6), "float32")})
    assert "the network needs" in refused({bias: np.zeros(9, "float32")})
    assert "does not fit its kernel" in refused({"discriminator_A/local/conv_1/u": np.zeros((1, 9), "float32")})
    with pytest.raises(weights.WeightError, match="not a TensorFlow checkpoint of U-GAT-IT"):
        weights.convert(formats.read(tf.write(tmp_path / "y", {"w": arrays[bias]})), "paddle", tmp_path / "y")


def test_variables_that_are_not_needed_are_named(tmp_path):
    arrays = saved(made(), False) | {"generator_B/odd/kernel": np.zeros(2, "float32")}
    checkpoint, _ = weights.convert(formats.read(tf.write(tmp_path / "x", arrays)), "paddle", tmp_path / "x")
    assert checkpoint.account.dropped == {"generator_B/odd/kernel": "not needed by the networks"}
    arrays = {n: a for n, a in arrays.items() if not (n.startswith("discriminator_A/local") and n.endswith("/u"))}
    checkpoint, _ = weights.convert(formats.read(tf.write(tmp_path / "y", arrays)), "paddle", tmp_path / "y")
    assert "without spectral" in checkpoint.account.dropped["discriminator_A/local"]
    assert "disLA" not in checkpoint.networks


def test_smoothing_that_the_folder_denies_is_noted(tmp_path):
    arrays = {n: a for n, a in saved(made(), False).items() if n.startswith("generator")}
    for name, noted in (("UGATIT_x_sn", True), ("UGATIT_x_sn_smoothing", False)):
        path = tf.write(tmp_path / name, arrays)
        _, notes = weights.convert(formats.read(path), "paddle", path)
        assert any("without smoothing" in note for note in notes) is noted


def test_the_revision_is_told_by_keys(tmp_path):
    path = tf.write(tmp_path / "x", saved(made(), False))
    read = formats.read(path)
    with pytest.raises(weights.WeightError, match="is of the model ugatit-tensorflow by its keys, not ugatit"):
        weights.convert(read, "paddle", path, "ugatit")
    torch.manual_seed(0)
    plain = {key: tensor.numpy() for key, tensor in ResnetGenerator(3, 3, 2, 1, 16).state_dict().items()}
    with pytest.raises(weights.WeightError, match="is of the model ugatit by its keys, not ugatit-tensorflow"):
        weights.convert(formats.Checkpoint({"": plain}, "torch"), "paddle", "x", "ugatit-tensorflow")


def test_training_goes_on_from_the_file(tmp_path, capsys):
    nets = made(light=True)
    source = tf.write(tmp_path / "x", saved(nets, False, adam=True))
    make_dataset(tmp_path / "data", 2, 1, 96, 0)
    small = ["light=true", "img_size=96", "ch=2", "n_res=4", "global_layers=6", "local_layers=4", "iteration=1"]
    (tmp_path / "tiny.yaml").write_text("".join(f"{line.replace('=', ': ')}\n" for line in small))
    line = ["--config", tmp_path / "tiny.yaml", "--data", tmp_path / "data", "--init", source]
    run = [*map(str, line), "--out", str(tmp_path / "run")]
    assert train.main(run) == 1 and "revision=tensorflow" in capsys.readouterr().err
    assert train.main([*run[:-1], str(tmp_path / "new"), "revision=tensorflow", "lr=0"]) == 0
    found = formats.read(tmp_path / "new/checkpoints/latest/weights.pdparams").networks["genA2B"]
    assert np.array_equal(found["cam_fc.bias"], nets["genA2B"].cam_fc.bias.detach().numpy())
    assert np.array_equal(found["DownBlock.2.weight"], nets["genA2B"].DownBlock[2].weight.detach().numpy())


def test_a_report_names_what_the_file_holds_and_why_it_is_refused(tmp_path, capsys):
    arrays = saved(made(light=True), False)
    source = tf.write(tmp_path / "x", arrays)
    assert command.main([os.fspath(source), "--report"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("  ") for line in printed) == len(arrays)
    assert "  generator_B/CAM_logit/kernel float32 [8, 1]" in printed
    assert printed[-1] == "accepted: model ugatit-tensorflow"
    del arrays["generator_B/MLP/gamma/dense/kernel"]
    assert command.main([os.fspath(tf.write(tmp_path / "y", arrays)), "--report"]) == 0
    refused = capsys.readouterr().out.splitlines()[-1]
    assert refused.startswith("refused: ") and "MLP/gamma/dense/kernel" in refused
    data = next(source.glob("*.data*"))
    data.write_bytes(data.read_bytes()[:-9])
    assert command.main([os.fspath(source), "--report"]) == 0
    printed = capsys.readouterr().out
    assert "refused: " in printed and "7z" in printed and f"{data.name}: " in printed
    with pytest.raises(SystemExit, match="2"):
        command.main([os.fspath(source)])
    assert "arguments are required: DST, unless --report" in capsys.readouterr().err


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="needs UGATIT_PUBLIC_FILES")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("folder", ["tf_full", "tf_light_old_names_adam"])
def test_outputs_of_the_public_program(folder):
    outputs = np.load(PUBLIC / folder / "outputs.npz")
    x = outputs["input_nhwc"].transpose(0, 3, 1, 2).astype("float64")
    compared = 0
    for name, net in weights.load_networks(PUBLIC / folder, "float64").items():
        with evaluating(net):
            image, cam, heatmap = (each.numpy() for each in net(paddle.to_tensor(x)))
        scope, part = (SCOPES[name].split("/") + [""])[:2]
        image = image.transpose(0, 2, 3, 1)
        results = {f"{part}{'_' * bool(part)}cam": cam, f"{part}{'_' * bool(part)}heatmap": heatmap}
        results |= {part: image} if part else {}
        results |= {"image_rows_24_to_56": image[:, 24:56], "image_32_to_64_square": image[:, 32:64, 32:64]}
        for what, result in results.items():
            if (key := f"{scope}|{what}|float64") in outputs.files:
                right = outputs[key].reshape(-1)
                assert np.abs(result.reshape(-1) - right).max() <= 1e-10 * np.abs(right).max()
                compared += 1
    assert compared >= 15
