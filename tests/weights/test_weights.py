"""Conversion rules: every key by its owner, both ways bit-exact; converted networks compute what the originals do."""

import subprocess
import sys

import numpy as np
import paddle
import pytest

from paddle_ugatit import Discriminator, ResnetGenerator, formats, weights
from paddle_ugatit.formats.torch_upgrade import modernised
from paddle_ugatit.layers.convolution import Conv2D
from paddle_ugatit.layers.linear import Linear
from paddle_ugatit.layers.norm import ILN, AdaILN
from paddle_ugatit.layers.spectral_norm import spectral_norm

NETWORKS = {
    "full": lambda: ResnetGenerator(3, 2, ngf=2, n_blocks=2, img_size=16),
    "light": lambda: ResnetGenerator(1, 3, ngf=3, n_blocks=3, light=True),
    "local": lambda: Discriminator(3, ndf=2, n_layers=5),
    "global": lambda: Discriminator(3, ndf=2, n_layers=7),
}
OPTIONS = {
    "full": dict(kind="generator", input_nc=3, output_nc=2, ngf=2, n_blocks=2, img_size=16, light=False),
    "light": dict(kind="generator", input_nc=1, output_nc=3, ngf=3, n_blocks=3, img_size=None, light=True),
    "local": dict(kind="discriminator", input_nc=3, ndf=2, n_layers=5),
    "global": dict(kind="discriminator", input_nc=3, ndf=2, n_layers=7),
}


def arrays(layer):
    return {key: tensor.numpy() for key, tensor in layer.state_dict().items()}


def torch_state(layer, dtype="float32"):
    return {key: formats.cast(array, dtype) for key, array in weights.to_torch(arrays(layer), layer).items()}


def six(generator="light"):
    made = {name: NETWORKS[generator]() for name in ("genA2B", "genB2A")}
    made |= {name: NETWORKS["global"]() for name in ("disGA", "disGB")}
    return made | {name: NETWORKS["local"]() for name in ("disLA", "disLB")}


def converted(networks, framework="paddle", model=None, source="torch", metadata=None):
    return weights.convert(formats.Checkpoint(networks, source, metadata or {}), framework, "x.pt", model)


@pytest.mark.parametrize(
    ("layer", "torch_shapes"),
    [
        (AdaILN(4), {"rho": (1, 4, 1, 1)}),
        (ILN(4), {"rho": (1, 4, 1, 1), "gamma": (1, 4, 1, 1), "beta": (1, 4, 1, 1)}),
        (Linear(2, 3), {"weight": (3, 2), "bias": (3,)}),
        (paddle.nn.Linear(2, 3, bias_attr=False), {"weight": (3, 2)}),
        (Conv2D(2, 3, 5), {"weight": (3, 2, 5, 5), "bias": (3,)}),
        (spectral_norm(Linear(2, 3, bias=False)), {"weight_orig": (3, 2), "weight_u": (3,), "weight_v": (2,)}),
        (spectral_norm(Conv2D(2, 3, 4, bias=False)), dict(weight_orig=(3, 2, 4, 4), weight_u=(3,), weight_v=(32,))),
        (paddle.nn.ReLU(), {}),
    ],
)
def test_layout_of_single_layers(layer, torch_shapes):
    rules = weights.layout(layer)
    assert {key: rule.shape_torch for key, rule in rules.items()} == torch_shapes
    assert {key: rule.shape_paddle for key, rule in rules.items()} == {
        key: tuple(tensor.shape) for key, tensor in layer.state_dict().items()
    }
    wanted = {"weight", "weight_orig"} & set(rules) if isinstance(layer, paddle.nn.Linear) else set()
    assert {key for key, rule in rules.items() if rule.transpose} == wanted


def test_a_layer_without_a_rule_is_an_error():
    with pytest.raises(weights.WeightError, match="no conversion rule for '1.weight', '1.bias', '1._mean' and 1 more"):
        weights.layout(paddle.nn.Sequential(Linear(2, 3), paddle.nn.BatchNorm2D(3)))


@pytest.mark.parametrize("name", NETWORKS)
def test_keys_and_shapes_are_those_of_the_twin(name):
    pytest.importorskip("torch")
    twins = pytest.importorskip("torch_ref")
    options = {key: value for key, value in OPTIONS[name].items() if key != "kind" and value is not None}
    twin = (twins.ResnetGenerator if OPTIONS[name]["kind"] == "generator" else twins.Discriminator)(**options)
    shapes = {key: tuple(tensor.shape) for key, tensor in twin.state_dict().items()}
    assert {key: rule.shape_torch for key, rule in weights.layout_of(OPTIONS[name]).items()} == shapes


@pytest.mark.parametrize("name", NETWORKS)
def test_options_and_layout_from_shapes(name):
    network = NETWORKS[name]()
    assert weights.infer_options(arrays(network), "paddle") == OPTIONS[name]
    assert weights.infer_options(torch_state(network), "torch") == OPTIONS[name]
    assert weights.layout_of(OPTIONS[name]) == weights.layout(network)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_there_and_back_is_bit_exact(name, dtype):
    network = NETWORKS[name]()
    state = torch_state(network, dtype)
    there = weights.to_paddle(state, network)
    back = weights.to_torch(there, weights.layout(network))
    assert list(there) == list(network.state_dict())
    for key, array in state.items():
        assert array.dtype == back[key].dtype and array.tobytes() == back[key].tobytes()


def test_square_linears_are_transposed_too():
    state = torch_state(NETWORKS["light"]())
    there = weights.to_paddle(state, weights.layout_of(OPTIONS["light"]))
    for key in ("gamma.weight", "beta.weight", "FC.0.weight", "FC.2.weight"):
        assert state[key].shape == there[key].shape
        assert np.array_equal(there[key], state[key].T) and not np.array_equal(there[key], state[key])


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("gap_fc.weight", None, "here: lacks 'gap_fc.weight'"),
        ("surplus", lambda _: np.zeros(1, "f4"), "here: has 'surplus', which the network does not"),
        ("gap_fc.weight", np.transpose, r"'gap_fc.weight' has the shape \(12, 1\), .*\(1, 12\)"),
        ("gamma.weight", lambda array: array.astype("f8"), "'gamma.weight' is float64, but 'DownBlock"),
        ("gamma.weight", lambda array: array.astype("i8"), "'gamma.weight' is int64, weights are float32"),
    ],
)
def test_what_does_not_fit_is_named(key, change, message):
    state = torch_state(NETWORKS["light"]())
    array = state.pop(key, None)
    if change:
        state[key] = change(array)
    with pytest.raises(weights.WeightError, match=message):
        weights.to_paddle(state, weights.layout_of(OPTIONS["light"]), "here")


@pytest.mark.parametrize(
    ("name", "key", "value", "message"),
    [
        ("full", "FC.0.weight", np.zeros((8, 9)), "has 9 inputs: neither 8 nor 8 times a square"),
        ("full", "FC.0.weight", np.zeros((8, 8 * 4**2 + 8)), "nor 8 times a square"),
        ("full", "DownBlock.1.weight", np.zeros(3), "not 4 axes"),
        ("full", "DownBlock.1.weight", np.zeros((10**9, 0, 7, 7)), "not 4 axes of 1 or more"),
        ("full", "UpBlock2.11.weight", None, "lacks 'UpBlock2.11.weight'"),
        ("local", "model.4.weight_orig", None, "lacks 'model.4.weight_orig'"),
        ("local", "model.1.weight_orig", None, "is not a known network"),
        ("local", "model.10.weight_orig", np.zeros((16, 1, 1, 1)), r"the network needs \(16, 8, 4, 4\)"),
    ],
)
def test_options_that_cannot_be_told(name, key, value, message):
    state = torch_state(NETWORKS[name]())
    state.pop(key) if value is None else state.update({key: value})
    with pytest.raises(weights.WeightError, match=message):
        weights.infer_options(state, "torch")


def test_names_and_kinds_of_networks():
    states = {name: torch_state(network) for name, network in six().items()}
    assert list(converted(states)[0].networks) == list(weights.ugatit.NAMES)
    for kept in (["genA2B"], ["genA2B", "genB2A"], ["disLA"], ["genA2B", "genB2A", "disGA", "disLA"]):
        found, notes = converted({name: states[name] for name in kept})
        assert list(found.networks) == kept
        assert ("x.pt: has no disGB, disLB" in notes) is ("disGA" in kept)
    for bare in ("genA2B", "disLA"):
        assert list(converted({"": states[bare]})[0].networks) == [""]
    refused = {
        "'genC' is none of genA2B": {"genC": states["genA2B"]},
        "disGA holds a generator": states | {"disGA": states["genA2B"]},
        "x.pt: genB2A: lacks 'gamma.weight', 'beta.weight'": {
            "genB2A": {key: a for key, a in states["genA2B"].items() if key not in ("gamma.weight", "beta.weight")}
        },
    }
    for message, networks in refused.items():
        with pytest.raises(weights.WeightError, match=message):
            converted(networks)


def test_model_comes_from_the_metadata_or_the_caller():
    states = {"": torch_state(NETWORKS["light"]())}
    assert converted(states)[0].metadata["revision"] == "current"
    assert converted(states, model="ugatit-initial")[0].metadata["revision"] == "initial"
    initial = {"model": "ugatit-initial"}
    assert converted(states, metadata=initial)[0].metadata["revision"] == "initial"
    for metadata, model in ((initial, "ugatit"), ({"model": "cyclegan"}, None), ({"model": [1]}, None)):
        with pytest.raises(weights.WeightError, match=r"^x\.pt: is of the model"):
            converted(states, metadata=metadata, model=model)


def sigma(state, key):
    return state[f"{key}_u"] @ state[f"{key}_orig"].reshape(len(state[f"{key}_u"]), -1) @ state[f"{key}_v"]


def test_old_checkpoint_after_a_step_as_pytorch_loads_it():
    """In float64, where PyTorch's own recovery is sound; in float32 its pseudo-inverse of W^T W is noise."""
    torch = pytest.importorskip("torch")
    from torch.nn.utils import spectral_norm as torch_spectral_norm

    made, loaded = (torch_spectral_norm(torch.nn.Conv2d(3, 8, 4)).double() for _ in range(2))
    made(torch.randn(1, 3, 8, 8, dtype=torch.float64))
    old = {key: value.clone() for key, value in made.state_dict().items() if key != "weight_v"}
    old["weight"] = made.weight.detach().clone()
    old["weight_orig"] += 1e-3 * torch.randn_like(old["weight_orig"]) * old["weight_orig"]  # a step after the forward
    loaded.load_state_dict(old)
    state = modernised({key: value.numpy() for key, value in old.items()}, "x", [])
    assert np.abs(state["weight_v"] - loaded.weight_v.numpy()).max() < 1e-10
    assert abs(np.linalg.norm(state["weight_v"]) - 1) > 1e-6


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("with_v", [True, False])
def test_old_checkpoints_without_v(dtype, with_v):
    network = Discriminator(3, ndf=24, n_layers=4)
    network(paddle.randn([1, 3, 32, 32]))  # u and v by a power step on these weights
    state = torch_state(network, dtype)
    old = {key: array for key, array in state.items() if with_v or not key.endswith("weight_v")}
    if dtype != "bfloat16":
        old |= {key[:-5]: array / sigma(state, key[:-5]) for key, array in state.items() if key.endswith("weight_orig")}
    found, notes = converted({"": old})
    for key, array in state.items():
        if not key.endswith("weight_v"):
            continue
        wanted, got = formats.widened(array), formats.widened(found.networks[""][key])
        assert found.networks[""][key].dtype == array.dtype
        tolerance = 0.2 if dtype == "bfloat16" else 2e-5  # of u itself: it has 8 or 24 bits
        assert np.abs(got - wanted).max() <= (0 if with_v else tolerance)
    assert any("recovered 6 weight_v" in note for note in notes) is not with_v
    assert any("dropped 6 normalised weights" in note for note in notes) is (dtype != "bfloat16")


@pytest.mark.parametrize("rows", [4, 40])
def test_v_of_wide_and_tall_matrices(rows):
    random = np.random.default_rng(0)
    weight, start = random.standard_normal((rows, 3, 2, 2)), random.standard_normal(rows)
    v = weight.reshape(rows, 12).T @ start
    v /= np.linalg.norm(v)
    u = weight.reshape(rows, 12) @ v
    state = modernised({"weight_orig": weight, "weight_u": u / np.linalg.norm(u)}, "x", [])
    assert np.abs(state["weight_v"] - v).max() < 1e-12


@pytest.mark.parametrize("suffix", [".pt", ".pdparams", ".safetensors"])
def test_load_networks(tmp_path, suffix):
    made = six("full")
    framework = "paddle" if suffix == ".pdparams" else "torch"
    states = {name: arrays(net) if framework == "paddle" else torch_state(net) for name, net in made.items()}
    formats.write(tmp_path / f"x{suffix}", formats.Checkpoint(states, framework, {"model": "ugatit-initial"}))
    loaded = weights.load_networks(tmp_path / f"x{suffix}")
    for name, network in made.items():
        assert all(np.array_equal(array, arrays(loaded[name])[key]) for key, array in arrays(network).items())
    assert loaded["genA2B"].UpBlock1_1.revision == "initial"
    wide = weights.load_networks(tmp_path / f"x{suffix}", dtype="float64", revision="initial")
    assert {tensor.dtype for tensor in wide["disGA"].state_dict().values()} == {paddle.float64}
    assert paddle.get_default_dtype() == "float32"
    with pytest.raises(weights.WeightError, match="is of the model ugatit-initial"):
        weights.load_networks(tmp_path / f"x{suffix}", revision="current")
    for wrong in ({"dtype": "int8"}, {"revision": "first"}):
        with pytest.raises(ValueError, match="must be one of"):
            weights.load_networks(tmp_path / f"x{suffix}", **wrong)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_load_networks_of_half_width(tmp_path, dtype):
    state = torch_state(NETWORKS["local"](), dtype)
    formats.write(tmp_path / "x.pt", formats.Checkpoint({"": state}, "torch"))
    (network,) = weights.load_networks(tmp_path / "x.pt").values()
    assert {tensor.dtype for tensor in network.state_dict().values()} == {getattr(paddle, dtype)}
    for key, array in weights.to_torch(arrays(network), network).items():
        assert array.tobytes() == state[key].tobytes(), key


@pytest.mark.parametrize("name", NETWORKS)
def test_converted_networks_compute_what_the_twin_does(tmp_path, name):
    torch = pytest.importorskip("torch")
    twins = pytest.importorskip("torch_ref")
    options = {key: value for key, value in OPTIONS[name].items() if key != "kind" and value is not None}
    twin = (twins.ResnetGenerator if OPTIONS[name]["kind"] == "generator" else twins.Discriminator)(**options)
    torch.save(twin.double().state_dict(), tmp_path / "x.pt")
    (network,) = weights.load_networks(tmp_path / "x.pt").values()
    size = 16 if "gen" in OPTIONS[name]["kind"] else 96
    image = np.random.default_rng(0).standard_normal((1, options["input_nc"], size, size))
    twin.eval(), network.eval()
    with torch.no_grad(), paddle.no_grad():
        wanted, found = twin(torch.from_numpy(image)), network(paddle.to_tensor(image))
    for one, other in zip(wanted, found, strict=True):
        assert np.allclose(one.numpy(), other.numpy(), rtol=1e-10, atol=1e-10)


def test_layout_of_the_full_generator_allocates_no_weights():
    code = """
import resource
from paddle_ugatit import weights
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
options = dict(kind="generator", input_nc=3, output_nc=3, ngf=64, n_blocks=4, img_size=256, light=False)
assert weights.layout_of(options)["FC.0.weight"].shape_paddle == (1048576, 256)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    pytest.importorskip("resource")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 50 << 10  # KiB; the weights alone are 1.1 GB
