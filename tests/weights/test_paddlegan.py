"""PaddleGAN's files of U-GAT-IT: the frozen parameters of norms are dropped if they change nothing."""

import os
import pickle
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddle_ugatit import formats, weights
from paddle_ugatit.inference.translate import evaluating
from paddle_ugatit.models.ugatit import Discriminator, ResnetGenerator

PUBLIC = Path(os.environ.get("UGATIT_PUBLIC_FILES", "/nonexistent")) / "paddlegan_light"  # that PaddleGAN wrote
NORMS = {2: 4, 6: 8, 10: 16}  # place -> channels


def generator():
    state = {key: value.numpy() for key, value in ResnetGenerator(3, 3, 4, 2, 32, light=True).state_dict().items()}
    norms = {f"DownBlock.{place}": width for place, width in NORMS.items()}
    norms |= {f"DownBlock.{12 + block}.conv_block.{place}": 16 for block in range(2) for place in (2, 6)}
    for name, width in norms.items():
        state |= {f"{name}.scale": np.ones(width, "float32"), f"{name}.bias": np.zeros(width, "float32")}
    return state


def discriminator(layers):
    return {key: value.numpy() for key, value in Discriminator(3, 2, layers).state_dict().items()}


def written(path, content, protocol=4):
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def converted(path):
    return weights.convert(formats.read(path), "paddle", path)


@pytest.mark.parametrize("protocol", [2, 4])
def test_weights_and_whole_trainings(tmp_path, protocol):
    nets = {"genA2B": generator(), "genB2A": generator(), "disGA": discriminator(6), "disLA": discriminator(4)}
    adam = {"w_moment1_0": np.zeros(3, "float32"), "LR_Scheduler": {"last_epoch": 3, "last_lr": 1e-4}}
    for content in (nets, nets | {"epoch": 3, "optimG": adam, "optimD": adam}):
        checkpoint, notes = converted(written(tmp_path / "x.pdparams", content, protocol))
        assert list(checkpoint.networks) == list(nets)
        assert any("dropped 28 frozen parameters" in note for note in notes)
        for name, state in checkpoint.networks.items():
            for key, array in state.items():
                assert array.tobytes() == nets[name][key].tobytes()
    assert {"epoch", "optimG", "optimD"} <= {name.split("/")[0] for name in checkpoint.account.dropped}


def test_one_generator_with_or_without_them(tmp_path):
    state = generator()
    bare, _ = converted(written(tmp_path / "bare.pdparams", state))
    named, _ = converted(written(tmp_path / "named.pdparams", {"genA2B": state}))
    plain = {key: array for key, array in state.items() if key in bare.networks[""]}
    assert converted(written(tmp_path / "plain.pdparams", plain))[0].networks[""].keys() == plain.keys()
    assert named.networks["genA2B"].keys() == plain.keys()


@pytest.mark.parametrize("leaf", ["scale", "bias"])
def test_trained_ones_are_refused(tmp_path, leaf):
    state = generator()
    state[f"DownBlock.13.conv_block.6.{leaf}"][3] += np.float32(1e-6)
    with pytest.raises(weights.WeightError, match=rf"DownBlock.13.conv_block.6.{leaf}' is not [01] everywhere"):
        converted(written(tmp_path / "x.pdparams", {"genA2B": state}))


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="needs UGATIT_PUBLIC_FILES")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("file", ["epoch_1_weight.pdparams", "paddle20_style_generators.pdparams"])
def test_outputs_of_paddlegan(file):
    outputs = np.load(PUBLIC / "outputs.npz")
    x = paddle.to_tensor(outputs["input"].astype("float64"))
    compared = 0
    for name, net in weights.load_networks(PUBLIC / file, "float64").items():
        with evaluating(net):
            image, cam, heatmap = (each.numpy() for each in net(x))
        for what, result in (("out", image), ("cam", cam), ("heatmap", heatmap)):
            if (key := f"{name}|eval|{what}|float64") in outputs.files:
                right = outputs[key]
                cuts = [result, result[:, :, 24:56], result[:, :, 32:64, 32:64]] if what == "out" else [result]
                errors = [np.abs(cut - right).max() for cut in cuts if cut.shape == right.shape]
                assert min(errors) <= 1e-9 * np.abs(right).max()
                compared += 1
    assert compared >= 2
