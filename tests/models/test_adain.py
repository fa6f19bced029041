"""AdaIN style transfer: identities of the norm, the public files' networks and keys, twins, conversion both ways."""

import math

import numpy as np
import paddle
import pytest

import paddle_ugatit  # noqa: F401  first: it sets the process up before Paddle, and so before PyTorch
from paddle_ugatit import formats, weights
from paddle_ugatit.cli import convert as convert_weights
from paddle_ugatit.formats import CheckpointError
from paddle_ugatit.inference.stylise import takes_vgg_levels
from paddle_ugatit.layers import norm
from paddle_ugatit.models import adain
from paddle_ugatit.training.adain import he_filters, random_filters

torch = pytest.importorskip("torch")
from align.checks.command import main as check  # noqa: E402
from align.checks.round_trip import main as check_round_trip  # noqa: E402
from torch_ref.models import adain as torch_adain  # noqa: E402

# Of the public files: place of each convolution -> outputs and inputs in units of `ch` (0 is RGB), kernel.
ENCODER = {0: (0, 0, 1), 2: (1, 0, 3), 5: (1, 1, 3), 9: (2, 1, 3), 12: (2, 2, 3), 16: (4, 2, 3)}
ENCODER |= {19: (4, 4, 3), 22: (4, 4, 3), 25: (4, 4, 3), 29: (8, 4, 3)}
UNREAD = {place: (8, 8, 3) for place in (32, 35, 38, 42, 45, 48, 51)}
DECODER = {1: (4, 8, 3), 5: (4, 4, 3), 8: (4, 4, 3), 11: (4, 4, 3), 14: (2, 4, 3)}
DECODER |= {18: (2, 2, 3), 21: (1, 2, 3), 25: (1, 1, 3), 28: (0, 1, 3)}


def public_shapes(places, ch=64):
    """Key -> shape, as a public file of that width has them in its order."""
    shapes = {}
    for place, (outputs, inputs, kernel) in places.items():
        outputs, inputs = (ch * n or 3 for n in (outputs, inputs))
        shapes |= {f"{place}.weight": (outputs, inputs, kernel, kernel), f"{place}.bias": (outputs,)}
    return shapes


def public_state(places, ch, seed=0):
    rng = np.random.default_rng(seed)
    shapes = public_shapes(places, ch)
    return {key: torch.from_numpy(rng.normal(0, 0.3, shape).astype("float32")) for key, shape in shapes.items()}


def vgg(ch):
    """The public code's VGG-19 to relu5_4, written down here layer by layer: 53 places."""
    layers, inputs = [torch.nn.Conv2d(3, 3, 1)], 3
    for outputs in [1, 1, "M", 2, 2, "M", 4, 4, 4, 4, "M", 8, 8, 8, 8, "M", 8, 8, 8, 8]:
        if outputs == "M":
            layers.append(torch.nn.MaxPool2d((2, 2), (2, 2), (0, 0), ceil_mode=True))
        else:
            layers += [torch.nn.ReflectionPad2d(1), torch.nn.Conv2d(inputs, ch * outputs, 3), torch.nn.ReLU()]
            inputs = ch * outputs
    return torch.nn.Sequential(*layers)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The two public files, narrow."""
    folder = tmp_path_factory.mktemp("public")
    torch.save(public_state(ENCODER | UNREAD, 4), folder / "vgg_normalised.pth")
    torch.save(public_state(DECODER, 4), folder / "decoder.pth")
    return folder


def maps(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


# The norm.


def test_adain_is_adailn_of_rho_1_under_the_styles_moments():
    x, y = (paddle.to_tensor(maps(2, 8, 9, 7, seed=seed)) for seed in (1, 2))
    layer = norm.AdaILN(8).to(dtype="float64")
    layer.rho.set_value(np.ones([1, 8, 1, 1]))
    mean, deviation = norm.channel_moments(y)
    wanted = layer(x, deviation.flatten(1), mean.flatten(1))
    found = norm.AdaIN()(x, y)
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), atol=1e-13)
    layer.rho.set_value(np.full([1, 8, 1, 1], 0.9))
    assert (found - layer(x, deviation.flatten(1), mean.flatten(1))).abs().max().item() > 1e-3


def test_adain_gives_the_styles_moments():
    x, y = maps(2, 3, 9, 7, seed=1), 3 + 5 * maps(2, 3, 5, 6, seed=2)
    found = norm.AdaIN(eps=0.0)(paddle.to_tensor(x), paddle.to_tensor(y)).numpy()
    np.testing.assert_allclose(found.mean((2, 3)), y.mean((2, 3)), atol=1e-12)
    np.testing.assert_allclose(found.std((2, 3), ddof=1), y.std((2, 3), ddof=1), atol=1e-12)


def test_equal_shares_are_none():
    x, y = (paddle.to_tensor(maps(2, 8, 9, 7, seed=seed)) for seed in (1, 2))
    plain, layer = norm.AdaIN()(x, y), norm.AdaIN()
    shared = layer(x, y, paddle.full([1, 1, 9, 7], 0.3, "float64"))
    np.testing.assert_allclose(shared.numpy(), plain.numpy(), atol=1e-13)


def test_a_share_of_half_the_map_normalises_that_half():
    x, y = maps(2, 8, 6, 7, seed=1), paddle.to_tensor(maps(2, 8, 5, 5, seed=2))
    x[:, :, 3:] += 10  # what is in the other half must not count
    share = np.zeros((1, 1, 6, 7))
    share[:, :, :3] = 1
    found = norm.AdaIN()(paddle.to_tensor(x), y, paddle.to_tensor(share)).numpy()[:, :, :3]
    np.testing.assert_allclose(found, norm.AdaIN()(paddle.to_tensor(x[:, :, :3]), y).numpy(), atol=1e-12)


def test_what_has_no_variance_is_refused():
    one, many = paddle.ones([1, 2, 1, 1]), paddle.ones([1, 2, 3, 3])
    for x, y in ((one, many), (many, one)):
        with pytest.raises(ValueError, match="single pixel"):
            norm.AdaIN()(x, y)
    share = np.zeros((1, 1, 3, 3), "float32")
    share[0, 0, 1, 1] = 0.7
    with pytest.raises(ValueError, match="share covers a single pixel"):
        norm.AdaIN()(many, many, paddle.to_tensor(share))


# Networks.


@pytest.mark.parametrize(("name", "places"), [("Encoder", ENCODER), ("Decoder", DECODER)])
def test_keys_and_sizes_are_those_of_the_public_file(name, places):
    with paddle.LazyGuard():
        ours = {key: tuple(value.shape) for key, value in getattr(adain, name)().named_parameters()}
    with torch.device("meta"):
        theirs = {key: tuple(value.shape) for key, value in getattr(torch_adain, name)().state_dict().items()}
    assert list(ours.items()) == list(theirs.items()) == list(public_shapes(places).items())
    assert round(sum(map(math.prod, ours.values())) / 1e6, 2) == 3.51
    assert len(getattr(adain, name)(1)) == {"Encoder": 31, "Decoder": 29}[name]


@pytest.mark.parametrize("size", [(32, 32), (9, 9), (37, 30)])
def test_taps_are_those_of_the_public_vgg(files, size):
    """From the 53 places of the public file, in float64: relu1_1, 2_1, 3_1 and 4_1, at sizes that halves round up."""
    theirs = vgg(4).double()
    theirs.load_state_dict(torch.load(files / "vgg_normalised.pth", weights_only=True))
    x, wanted = torch.from_numpy(maps(2, 3, *size)), []
    for place, layer in enumerate(theirs[:31]):
        x = layer(x)
        if place in (3, 10, 17, 30):
            wanted.append(x.detach().numpy())
    with pytest.warns(UserWarning, match="dropped 14 arrays"):
        encoder = weights.load_networks(files / "vgg_normalised.pth", "float64")[""]
    found = encoder(paddle.to_tensor(maps(2, 3, *size)))
    assert found[-1].shape == [2, 32, -(-size[0] // 8), -(-size[1] // 8)]
    for ours, truth in zip(found, wanted, strict=True):
        assert tuple(ours.shape) == truth.shape
        np.testing.assert_allclose(ours.numpy(), truth, rtol=0, atol=1e-12 * abs(truth).max())


@pytest.mark.parametrize("room", [adain, torch_adain])
def test_images_too_small_are_refused(room):
    ones = paddle.ones if room is adain else torch.ones
    with pytest.raises(ValueError, match="9x9 pixels or more, got 8x40"):
        room.Encoder(2)(ones([1, 3, 8, 40]))
    transfer = room.StyleTransfer(room.Encoder(2), room.Decoder(2))
    assert list(transfer(ones([1, 3, 9, 17]), ones([1, 3, 40, 9])).shape) == [1, 3, 16, 24]


def test_alpha_and_shares():
    transfer = adain.StyleTransfer(adain.Encoder(2), adain.Decoder(2)).to(dtype="float64")
    random_filters(transfer.encoder, 0)
    he_filters(transfer.decoder, 0)
    content, one, other = (paddle.to_tensor(np.random.default_rng(n).random((1, 3, 24, 24))) for n in range(3))

    def given(*styles, **options):
        return transfer(content, *styles, **options).numpy()

    decoded = transfer.decoder(transfer.encoder(content)[-1]).numpy()
    np.testing.assert_allclose(given(one, alpha=0.0), decoded, atol=1e-14)
    np.testing.assert_allclose(given(one, other, shares=(1.0, 0.0)), given(one), atol=1e-14)
    whole, none = paddle.ones([1, 1, 3, 3], "float64"), paddle.full([1, 1, 3, 3], 1e-9, "float64")
    np.testing.assert_allclose(given(one, other, shares=(whole, none)), given(one), atol=1e-6)
    halves = given(one, other, shares=(0.5, 0.5))
    np.testing.assert_allclose(halves, given(other, one, shares=(0.5, 0.5)), atol=1e-14)
    assert abs(halves - given(one)).max() > 1e-6 and abs(given(one, alpha=0.5) - given(one)).max() > 1e-6


def test_random_filters_keep_the_scale_and_repeat():
    encoders = [adain.Encoder(8) for _ in range(3)]
    for encoder, seed in zip(encoders, (0, 0, 1), strict=True):
        random_filters(encoder, seed)
    same, again, other = ([p.numpy() for p in encoder.parameters()] for encoder in encoders)
    assert all(np.array_equal(a, b) for a, b in zip(same, again, strict=True))
    assert not np.array_equal(same[2], other[2])
    image = paddle.to_tensor(np.random.default_rng(0).random((2, 3, 64, 64)).astype("float32"))
    for tap in encoders[0](image):
        assert 0.1 < tap.numpy().std() < 3 and (tap.numpy() > 0).any((0, 2, 3)).mean() > 0.6


def test_vgg_is_known_by_its_first_layer():
    encoder = adain.Encoder(2)
    random_filters(encoder, 0)
    assert not takes_vgg_levels(encoder)
    encoder[0].weight.set_value(255 * np.eye(3, dtype="float32")[::-1].reshape(3, 3, 1, 1).copy())
    assert takes_vgg_levels(encoder)


# Conversion.


def test_both_public_files_there_and_back(files, tmp_path, capsys):
    for name in ("vgg_normalised", "decoder"):
        source, middle, back = files / f"{name}.pth", tmp_path / f"{name}.pdparams", tmp_path / f"{name}.pt"
        assert convert_weights.main([str(source), str(middle)]) == 0
        assert convert_weights.main([str(middle), str(back)]) == 0
        told = capsys.readouterr().out
        assert "model: adain" in told and ("dropped 14 arrays" in told) == (name == "vgg_normalised")
        kept = public_state(ENCODER | UNREAD, 4) if name == "vgg_normalised" else public_state(DECODER, 4)
        kept = {key: value for key, value in kept.items() if int(key.split(".")[0]) < 31}
        torch.save(kept, tmp_path / "kept.pt")
        assert check_round_trip([str(tmp_path / "kept.pt"), str(back)]) == 0


def test_a_checkpoint_of_both(tmp_path):
    arrays = {name: public_state(places, 4) for name, places in (("encoder", ENCODER), ("decoder", DECODER))}
    torch.save(arrays, tmp_path / "both.pt")
    found = weights.load_networks(tmp_path / "both.pt")
    assert {name: (type(net), net.ch) for name, net in found.items()} == {
        "encoder": (adain.Encoder, 4),
        "decoder": (adain.Decoder, 4),
    }
    for name, net in found.items():
        for key, value in net.state_dict().items():
            assert np.array_equal(value.numpy(), arrays[name][key].numpy())


def _less(state, key):
    return {name: value for name, value in state.items() if name != key}


@pytest.mark.parametrize(
    ("networks", "told"),
    [
        (_less(public_state(ENCODER | UNREAD, 4), "45.bias"), "lacks '45.bias'"),
        (public_state(ENCODER | UNREAD, 4) | {"51.weight": torch.zeros(8, 8, 3, 3)}, "'51.weight' has the shape"),
        (public_state(ENCODER, 4) | {"33.weight": torch.zeros(1)}, "has '33.weight', which the network does not"),
        (_less(public_state(DECODER, 4), "14.bias"), "lacks '14.bias'"),
        (public_state(ENCODER, 4) | {"16.weight": torch.zeros(16, 8, 1, 1)}, "'16.weight' has the shape"),
        ({"decoder": public_state(ENCODER, 4)}, "network 'decoder' holds an encoder"),
        ({"genA2B": public_state(DECODER, 4)}, "network 'genA2B' holds a decoder"),
    ],
)
def test_other_arrays_are_refused(tmp_path, networks, told):
    torch.save(networks, tmp_path / "bad.pth")
    with pytest.raises(CheckpointError, match=told) as error:
        weights.convert(formats.read(tmp_path / "bad.pth"), "paddle", "bad.pth")
    assert "\n" not in str(error.value)


def test_the_networks_of_a_file_are_compared(files, capsys):
    for name in ("vgg_normalised", "decoder"):
        command = ["--weights", str(files / f"{name}.pth"), "--size", "24", "--dtype", "float64", "--layers", "none"]
        assert check("forward", command) == 0
        assert "ALIGNED" in capsys.readouterr().out
