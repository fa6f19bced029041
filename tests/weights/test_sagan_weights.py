"""SAGAN's checkpoints: the public files in and out, bit for bit, and what is said of their oddities."""

import numpy as np
import paddle
import pytest
import torch

from paddle_ugatit import formats, weights
from paddle_ugatit.cli import convert as convert_weights
from paddle_ugatit.models import sagan
from paddle_ugatit.weights import WeightError
from torch_ref.models import sagan as torch_sagan


@pytest.fixture(scope="module")
def public():
    """Trained a little, so that no buffer is at its initial value: "G" and "D" -> network."""
    torch.manual_seed(3)
    networks = {"G": torch_sagan.Generator(64, 20, 8), "D": torch_sagan.Discriminator(64, 8)}
    for _ in range(3):
        networks["D"](networks["G"](torch.randn(2, 20))[0])
    return networks


def arrays_of(network):
    return {key: value.numpy() for key, value in network.state_dict().items()}


def assert_same(one, other):
    assert one.keys() == other.keys() and len(one) > 20
    for key in one:
        assert one[key].dtype == other[key].dtype and one[key].tobytes() == other[key].tobytes(), key


@pytest.mark.parametrize("name", ["G", "D"])
@pytest.mark.parametrize("suffix", [".pdparams", ".safetensors"])
def test_round_trip_is_exact(public, name, suffix, tmp_path, capsys):
    source, middle, back = tmp_path / f"100_{name}.pth", tmp_path / f"x{suffix}", tmp_path / "back.pth"
    torch.save(public[name].state_dict(), source)
    assert convert_weights.main([str(source), str(middle)]) == 0
    assert convert_weights.main([str(middle), str(back)]) == 0
    printed = capsys.readouterr().out
    assert "SAGAN" in printed and "model: sagan (from its keys)" in printed and "note" not in printed
    assert_same(arrays_of(public[name]), {k: v.numpy() for k, v in torch.load(back, weights_only=True).items()})
    public[name].load_state_dict(torch.load(back, weights_only=True))  # strictly


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_loaded_networks_compute_what_pytorch_does(public, dtype, tmp_path):
    """In evaluation mode, where a wrong u, v, mean or variance shows."""
    for name, shape in (("G", (3, 20)), ("D", (3, 3, 64, 64))):
        torch.save(public[name].state_dict(), tmp_path / f"{name}.pth")
        (network,) = weights.load_networks(tmp_path / f"{name}.pth", dtype).values()
        network.eval()
        twin = type(public[name])(*((64, 20, 8) if name == "G" else (64, 8))).eval().to(getattr(torch, dtype))
        twin.load_state_dict(public[name].state_dict())
        x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
        for found, wanted in zip(network(paddle.to_tensor(x)), twin(torch.tensor(x)), strict=True):
            wanted = wanted.detach().numpy()
            limit = (1e-13 if dtype == "float64" else 1e-5) * np.abs(wanted).max()
            np.testing.assert_allclose(found.numpy(), wanted, atol=limit)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_weights_keep_whole_counts(public, dtype, tmp_path):
    """A bfloat16 would count 256, 258, 260; what was loaded can be converted again."""
    state = arrays_of(public["G"]) | {"l1.1.num_batches_tracked": np.array(257)}
    formats.write(tmp_path / "G.pt", formats.Checkpoint({"": state}, "torch", {}))
    (network,) = weights.load_networks(tmp_path / "G.pt", dtype).values()
    assert int(network.l1[1].num_batches_tracked) == 257
    assert str(network.l1[1].weight.dtype).endswith(dtype) and str(network.l1[1].running_var.dtype).endswith(dtype)
    held = {key: value.numpy() for key, value in network.state_dict().items()}
    assert weights.to_torch(held, network)["l1.1.num_batches_tracked"] == 257


def test_both_networks_in_one_file(public, tmp_path):
    networks = {name: arrays_of(network) for name, network in public.items()}
    converted, notes = weights.convert(formats.Checkpoint(networks, "torch", {}), "paddle", "x")
    assert converted.metadata["model"] == "sagan" and not notes
    assert converted.metadata["networks"]["G"] == dict(kind="SAGAN generator", image_size=64, z_dim=20, conv_dim=8)
    back, _ = weights.convert(converted, "torch", "x")
    for name in networks:
        assert_same(networks[name], back.networks[name])


def test_the_prefix_of_data_parallel_is_left_out_and_said(public):
    """It is there twice in a wrapped layer, "module.l1.0.module.bias": only the first is left out."""
    state = {f"module.{key}": array for key, array in arrays_of(public["D"]).items()}
    converted, notes = weights.convert(formats.Checkpoint({"": state}, "torch", {}), "torch", "x_D.pth")
    assert_same(arrays_of(public["D"]), converted.networks[""])
    assert notes == [f"x_D.pth: dropped the prefix 'module.', which a wrapper adds, from {len(state)} keys"]


def test_a_file_from_before_batches_were_counted(public):
    state = {key: array for key, array in arrays_of(public["G"]).items() if not key.endswith("num_batches_tracked")}
    converted, notes = weights.convert(formats.Checkpoint({"": state}, "torch", {}), "paddle", "x_G.pth")
    assert notes == ["x_G.pth: set 4 num_batches_tracked to 0: PyTorch before 0.4.1 saved none"]
    assert converted.networks[""]["l1.1.num_batches_tracked"] == 0
    assert_same(state, {key: array for key, array in converted.networks[""].items() if key in state})


@pytest.mark.parametrize(
    ("key", "array", "message"),
    [
        ("attn1.gamma", None, "lacks 'attn1.gamma'"),
        ("extra", np.zeros(1, np.float32), "has 'extra'"),
        ("l2.0.module.weight_bar", np.zeros((9, 32, 4, 4), np.float32), r"needs \(64, 32, 4, 4\)"),
        ("l2.0.module.weight_bar", None, "needs"),
        ("l1.1.num_batches_tracked", np.zeros((), np.float32), "a count is int64"),
        ("l1.0.module.weight_u", np.zeros(64, np.float32), r"needs \(20,\)"),
        ("last.0.weight", None, "lacks 'last.0.weight'"),
    ],
)
def test_damaged_files_are_refused_by_name(public, key, array, message):
    state = arrays_of(public["G"])
    if array is None:
        del state[key]
    else:
        state[key] = array
    with pytest.raises(WeightError, match=message):
        weights.convert(formats.Checkpoint({"": state}, "torch", {}), "paddle", "x")


def test_networks_under_each_others_names_are_refused(public):
    with pytest.raises(WeightError, match="G holds a SAGAN discriminator"):
        weights.convert(formats.Checkpoint({"G": arrays_of(public["D"])}, "torch", {}), "paddle", "x")
    with pytest.raises(WeightError, match="'genA2B' is none of G, D"):
        weights.convert(formats.Checkpoint({"genA2B": arrays_of(public["G"])}, "torch", {}), "paddle", "x")


def test_a_matrix_of_the_second_axis_would_be_noticed(public):
    """PyTorch's own hook has u of a transposed convolution as long as its outputs: that file is another."""
    state = arrays_of(public["G"])
    u, v = "l2.0.module.weight_u", "l2.0.module.weight_v"
    state[u], state[v] = np.zeros(32, np.float32), np.zeros(64 * 16, np.float32)
    with pytest.raises(WeightError, match=r"'l2.0.module.weight_u' has the shape \(32,\), the network needs \(64,\)"):
        weights.to_paddle(state, sagan.Generator(64, 20, 8), "x")
