"""StyleGAN2's public files: one state dict with prefixes, D twice, a version; both ways, bit for bit."""

import numpy as np
import paddle
import pytest

from align.checks import command
from paddle_ugatit import formats, weights
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.cli import convert as convert_weights
from paddle_ugatit.models import stylegan2
from paddle_ugatit.training import start
from paddle_ugatit.training import stylegan2 as stylegan2_training

torch = pytest.importorskip("torch")
twins = pytest.importorskip("torch_ref.models.stylegan2")


def public_networks(size=16, latent=6, depth=3, capacity=2, fmap_max=512):
    widths = capacity, fmap_max
    return {
        "S": twins.StyleVectorizer(latent, depth),
        "G": twins.Generator(size, latent, *widths),
        "D": twins.Discriminator(size, *widths),
        "SE": twins.StyleVectorizer(latent, depth),
        "GE": twins.Generator(size, latent, *widths),
    }


def public_state(networks):
    state = {f"{name}.{key}": value for name, net in networks.items() for key, value in net.state_dict().items()}
    return state | {f"D_aug.D.{key}": value for key, value in networks["D"].state_dict().items()}


def public_file(path, change=lambda state: None, version="1.5.1", **sizes):
    networks = public_networks(**sizes)
    state = public_state(networks)
    change(state)
    torch.save({"GAN": state, "version": version}, path)
    return networks


def test_a_public_file_comes_back_bit_for_bit(tmp_path, capsys):
    names = [
        str(tmp_path / name) for name in ("model_7.pt", "model.pdparams", "back.pt", "again.safetensors", "third.pt")
    ]
    public_file(names[0])
    for source, destination in zip(names, names[1:], strict=False):
        assert convert_weights.main([source, destination]) == 0
    printed = capsys.readouterr().out
    assert "repeat those of D" in printed and "version '1.5.1'" in printed and "model: stylegan2" in printed
    for name in (names[2], names[4]):
        before, after = (torch.load(path, weights_only=True) for path in (names[0], name))
        assert list(after) == ["GAN", "version"] and after["version"] == "1.5.1"
        assert list(after["GAN"]) == list(before["GAN"])
        assert all(torch.equal(after["GAN"][key], value) for key, value in before["GAN"].items())


def test_converted_networks_compute_what_the_originals_do(tmp_path):
    theirs = public_file(tmp_path / "model_7.pt")
    ours = weights.load_networks(str(tmp_path / "model_7.pt"), "float64")
    z, noise = np.random.default_rng(0).standard_normal((2, 6)), np.random.default_rng(1).uniform(0, 1, (2, 16, 16, 1))
    with torch.no_grad():
        style = theirs["S"].double()(torch.tensor(z))
        image = theirs["G"].double()(style[:, None].repeat(1, 3, 1), torch.tensor(noise))
        wanted = [style, image, theirs["D"].double()(image)]
    style = ours["S"](paddle.to_tensor(z))
    image = ours["G"](style.unsqueeze(1).tile([1, 3, 1]), paddle.to_tensor(noise))
    for a, b in zip(wanted, [style, image, ours["D"](image)], strict=True):
        assert np.abs(a.numpy() - b.numpy()).max() <= 1e-12 * max(1.0, np.abs(a.numpy()).max())


@pytest.mark.parametrize(
    "sizes",
    [{}, {"size": 8, "capacity": 3}, {"capacity": 4, "fmap_max": 8}, {"latent": 16, "capacity": 2}, {"size": 4}],
)
def test_sizes_are_found_from_the_shapes(tmp_path, sizes):
    public_file(tmp_path / "m.pt", **sizes)
    found = weights.load_networks(str(tmp_path / "m.pt"))
    assert found["G"].image_size == found["D"].image_size == sizes.get("size", 16)
    assert found["G"].latent_dim == sizes.get("latent", 6) and len(found["S"].net) == 6


def _one_bit(state):
    state["D_aug.D.final_conv.bias"] = state["D.final_conv.bias"] * (1 + 2e-7)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_one_bit, "D_aug.D.final_conv.bias differs from D.final_conv.bias"),
        (lambda state: state.pop("D_aug.D.final_conv.bias"), "do not have the same keys: 'final_conv.bias'"),
        (
            lambda state: state.update({"D_cl.net.0.weight": torch.zeros(2, 2)}),
            "was made with --cl-reg ('D_cl.net.0.weight'",
        ),
        (lambda state: state.update({"X.weight": torch.zeros(2, 2)}), "'X.weight' belongs to none"),
        (lambda state: state.pop("G.blocks.1.conv2.weight"), "G: lacks 'blocks.1.conv2.weight'"),
        (lambda state: state.update({"S.net.2.weight": torch.zeros(6, 7)}), "'net.2.weight' has the shape"),
        (lambda state: state.pop("G.initial_block"), "G: is not a known network"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path, capsys, change, told):
    public_file(tmp_path / "m.pt", change)
    assert convert_weights.main([str(tmp_path / "m.pt"), str(tmp_path / "m.pdparams")]) == 1
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not (tmp_path / "m.pdparams").exists()


def test_networks_of_a_public_file_are_aligned(tmp_path, capsys):
    public_file(tmp_path / "m.pt")
    assert command.main("backward", ["--weights", str(tmp_path / "m.pt")]) == 0
    assert "ALIGNED" in (printed := capsys.readouterr().out) and printed.count("\naligned") == 5


def test_training_goes_on_from_a_public_file(tmp_path):
    theirs = public_file(tmp_path / "m.pt")
    config = stylegan2_training.Config(img_size=16, load_size=16, latent_dim=6, style_depth=3, network_capacity=2)
    system = start.system_of(config)
    start.take_weights(system, str(tmp_path / "m.pt"))
    wanted = theirs["GE"].state_dict()["blocks.1.conv2.weight"].numpy()
    assert np.array_equal(system.networks["GE"].blocks[1].conv2.weight.numpy(), wanted)
    with pytest.raises(InputError, match="has the shape"):
        start.take_weights(start.system_of(config.replaced(network_capacity=4)), str(tmp_path / "m.pt"))


def test_a_generator_alone_is_known(tmp_path):
    torch.save(public_networks()["G"].state_dict(), tmp_path / "g.pt")
    assert isinstance(weights.load_networks(str(tmp_path / "g.pt"))[""], stylegan2.Generator)


def test_every_key_has_a_rule_by_its_owner():
    rules = weights.layout(stylegan2.Generator(16, 6, 2)) | weights.layout(stylegan2.StyleVectorizer(6, 2))
    turned = {key for key, rule in rules.items() if rule.transpose}
    assert turned == {key for key in rules if key.endswith(".weight") and ("to_style" in key or "to_noise" in key)} | {
        "net.0.weight",
        "net.2.weight",
    }


def test_a_text_that_is_none_is_left_aside(tmp_path):
    torch.save({"GAN": public_state(public_networks()), "version": "x" * 200}, tmp_path / "m.pt")
    read = formats.read(str(tmp_path / "m.pt"))
    assert read.texts == {} and read.account.dropped == {"version": "of type str"}


def test_files_of_other_versions_of_the_public_code(tmp_path):
    """Before July 2020 the state dict was the file; a run with --fp16 keeps its loss scalers beside it."""
    networks = public_networks()
    state = public_state(networks)
    scalers = {"loss_scaler0": {"loss_scale": 65536.0, "unskipped": 0}}
    torch.save(state, tmp_path / "bare.pt")
    torch.save({"GAN": state, "version": "0.20", "amp": scalers}, tmp_path / "fp16.pt")
    for name in ("bare", "fp16"):
        converted, notes = weights.convert(formats.read(tmp_path / f"{name}.pt"), "torch", f"{name}.pt")
        assert list(converted.networks["GAN"]) == list(state)
        assert any("loss_scale" in note for note in notes) is (name == "fp16")


def made_with(option):
    """Return a function that changes a public state as the option would."""

    def change(state):
        if option == "--no-const":
            state["G.to_initial_block.weight"] = state.pop("G.initial_block")
        elif option == "--transparent":
            state["D.blocks.0.conv_res.weight"] = state["D_aug.D.blocks.0.conv_res.weight"] = torch.zeros(8, 4, 1, 1)
        elif option == "August 2020":
            for name in ("G.initial_conv", "GE.initial_conv"):
                del state[f"{name}.weight"], state[f"{name}.bias"]
        else:
            key = {"--attn-layers": "G.attns.1.0.fn.g", "--fq-layers": "D.quantize_blocks.1.fn.embed"}[option]
            state[key] = torch.zeros(1)
            if key.startswith("D."):
                state[f"D_aug.{key}"] = torch.zeros(1)

    return change


@pytest.mark.parametrize("option", ["--no-const", "--transparent", "--attn-layers", "--fq-layers", "August 2020"])
def test_options_that_are_not_here_are_named(tmp_path, capsys, option):
    public_file(tmp_path / "m.pt", made_with(option))
    assert convert_weights.main([str(tmp_path / "m.pt"), str(tmp_path / "m.pdparams")]) == 1
    error = capsys.readouterr().err
    assert option in error and error.count("\n") == 1


def styles_of(path, **options):
    z = paddle.to_tensor(np.random.default_rng(0).standard_normal((2, 6)))
    return weights.load_networks(str(path), "float64", **options)["S"](z).numpy()


def test_the_factor_of_the_style_network_comes_from_the_public_options(tmp_path, capsys):
    """lr_mlp shows in no shape: it is read from .config.json, or said, or given; and it stays with the weights."""
    public = twins.StyleVectorizer(6, 3, 0.2).double()
    path = tmp_path / "run" / "model_7.pt"
    path.parent.mkdir()
    public_file(path, lambda state: state.update({f"S.{k}": v.float() for k, v in public.state_dict().items()}))
    public.load_state_dict({key: value.float() for key, value in public.state_dict().items()})
    with torch.no_grad():
        wanted = public(torch.tensor(np.random.default_rng(0).standard_normal((2, 6)))).numpy()
    with pytest.warns(UserWarning, match=r"has no .config.json beside it: lr_mlp is taken to be 0.1"):
        assert np.abs(styles_of(path) - wanted).max() > 0.01
    (path.parent / ".config.json").write_text('{"image_size": 16, "lr_mlp": 0.2}')
    assert np.abs(styles_of(path) - wanted).max() < 1e-12
    (path.parent / ".config.json").write_text('{"image_size": 64, "lr_mlp": 0.2}')
    with pytest.warns(UserWarning, match="is not believed: it is of 64 pixels"):
        assert np.abs(styles_of(path) - wanted).max() > 0.01
    for i, (source, *options) in enumerate(
        [(path, "--lr-mlp", "0.2"), (tmp_path / "0.pdparams",), (tmp_path / "1.pt",)]
    ):
        suffix = ("pdparams", "pt", "safetensors")[i]
        assert convert_weights.main([str(source), str(tmp_path / f"{i}.{suffix}"), *options]) == 0
        assert np.abs(styles_of(tmp_path / f"{i}.{suffix}") - wanted).max() < 1e-12
    assert "lr_mul 0.2" in capsys.readouterr().out
    config = stylegan2_training.Config(img_size=16, load_size=16, latent_dim=6, style_depth=3, network_capacity=2)
    with pytest.raises(InputError, match="has lr_mul 0.2"):
        start.take_weights(start.system_of(config), str(tmp_path / "0.pdparams"))
    for value in ("0", "-1"):
        assert convert_weights.main([str(path), str(tmp_path / "x.pdparams"), "--lr-mlp", value]) == 2
    (path.parent / ".config.json").write_text("[")
    assert convert_weights.main([str(path), str(tmp_path / "x.pdparams")]) == 1
    assert ".config.json: cannot be read" in capsys.readouterr().err
