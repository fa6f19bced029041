"""U-GAT-IT's networks on both frameworks: sizes, names, shapes, initial values, precision, spectral norm's state."""

import math

import numpy as np
import paddle
import pytest

import paddle_ugatit  # first: it sets the process up before Paddle, and so before PyTorch
from paddle_ugatit.weights import to_paddle

torch = pytest.importorskip("torch")
import torch_ref  # noqa: E402  without torch there is nothing to compare with

SMALL = {"input_nc": 3, "output_nc": 3, "ngf": 2, "n_blocks": 2, "img_size": 16}
REVISIONS = ("current", "initial")
GENERATORS = [{"light": light, "revision": revision} for light in (True, False) for revision in REVISIONS]


def twins(name, **options):
    """The network on both frameworks, in float64 and with the same weights."""
    before = paddle.get_default_dtype(), torch.get_default_dtype()
    paddle.set_default_dtype("float64")
    torch.set_default_dtype(torch.float64)
    try:
        ours, theirs = getattr(paddle_ugatit, name)(**options), getattr(torch_ref, name)(**options)
    finally:
        paddle.set_default_dtype(before[0])
        torch.set_default_dtype(before[1])
    state = {key: value.numpy() for key, value in theirs.state_dict().items()}
    for key, value in to_paddle(state, ours).items():
        ours.state_dict()[key].set_value(np.ascontiguousarray(value))
    return ours, theirs


def image(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def assert_same_outputs(ours, theirs, x, shapes):
    for got, wanted, shape in zip(ours(paddle.to_tensor(x)), theirs(torch.tensor(x)), shapes, strict=True):
        assert tuple(got.shape) == tuple(wanted.shape) == shape
        np.testing.assert_allclose(got.numpy(), wanted.detach().numpy(), atol=1e-10)


def count(parameters):
    return sum(math.prod(parameter.shape) for parameter in parameters)


# Sizes.


@pytest.mark.parametrize(
    ("name", "options", "millions", "tensors"),
    [
        ("ResnetGenerator", {"input_nc": 3, "output_nc": 3, "n_blocks": 4, "light": True}, 10.59, 44),
        ("ResnetGenerator", {"input_nc": 3, "output_nc": 3, "n_blocks": 4, "light": False}, 278.96, 44),
        ("Discriminator", {"input_nc": 3, "n_layers": 5}, 3.29, 13),
        ("Discriminator", {"input_nc": 3, "n_layers": 7}, 53.13, 17),
    ],
)
def test_parameter_counts_of_the_paper(name, options, millions, tensors):
    """Without a gigabyte of weights; two generators hold 88 tensors, two discriminators of each kind 60."""
    with torch.device("meta"):
        theirs = list(getattr(torch_ref, name)(**options).parameters())
    assert (round(count(theirs) / 1e6, 2), len(theirs)) == (millions, tensors)
    if name == "ResnetGenerator":
        with paddle.LazyGuard():
            ours = paddle_ugatit.ResnetGenerator(**options).parameters()
    else:  # spectral norm reads its weights, so a smaller one stands for it
        options |= {"ndf": 4}
        ours, theirs = (list(getattr(room, name)(**options).parameters()) for room in (paddle_ugatit, torch_ref))
    assert (count(ours), len(ours)) == (count(theirs), tensors)


# Names.


def generator_keys(n_blocks):
    """As the public checkpoint has them, in its order."""
    downs = [f"DownBlock.{i}.weight" for i in (1, 5, 9)]
    downs += [f"DownBlock.{12 + i}.conv_block.{j}.weight" for i in range(n_blocks) for j in (1, 5)]
    head = [f"{name}.weight" for name in ("gap_fc", "gmp_fc", "conv1x1")] + ["conv1x1.bias"]
    style = [f"{name}.weight" for name in ("FC.0", "FC.2", "gamma", "beta")]
    leaves = ("conv1.weight", "norm1.rho", "conv2.weight", "norm2.rho")
    blocks = [f"UpBlock1_{i + 1}.{leaf}" for i in range(n_blocks) for leaf in leaves]
    ups = []
    for conv, norm in ((2, 3), (7, 8)):
        ups += [f"UpBlock2.{conv}.weight"] + [f"UpBlock2.{norm}.{leaf}" for leaf in ("rho", "gamma", "beta")]
    return downs + head + style + blocks + ups + ["UpBlock2.11.weight"]


def discriminator_keys(n_layers):
    """Parameters first, then the state of the spectral norms."""
    normed = [f"model.{1 + 3 * i}" for i in range(n_layers - 1)] + ["gap_fc", "gmp_fc", "conv"]
    biases = [f"model.{1 + 3 * i}.bias" for i in range(n_layers - 1)] + ["conv1x1.bias"]
    parameters = [f"{name}.weight_orig" for name in normed] + biases + ["conv1x1.weight"]
    return parameters, [f"{name}.{leaf}" for name in normed for leaf in ("weight_u", "weight_v")]


@pytest.mark.parametrize("options", GENERATORS)
@pytest.mark.parametrize("n_blocks", [0, 1, 4])
def test_generator_keys(n_blocks, options):
    ours, theirs = (
        room.ResnetGenerator(**SMALL | {"n_blocks": n_blocks}, **options) for room in (paddle_ugatit, torch_ref)
    )
    keys = generator_keys(n_blocks)
    assert list(theirs.state_dict()) == list(ours.state_dict()) == keys
    assert [name for name, _ in theirs.named_parameters()] == [name for name, _ in ours.named_parameters()] == keys


@pytest.mark.parametrize("n_layers", [3, 5, 7])
def test_discriminator_keys(n_layers):
    ours, theirs = (room.Discriminator(3, 2, n_layers) for room in (paddle_ugatit, torch_ref))
    parameters, buffers = discriminator_keys(n_layers)
    assert set(theirs.state_dict()) == set(ours.state_dict()) == {*parameters, *buffers}
    assert {name for name, _ in ours.named_parameters()} == set(parameters)
    assert {name for name, _ in ours.named_buffers()} == {name for name, _ in theirs.named_buffers()} == set(buffers)


def test_parameters_come_in_the_same_order():
    """An optimiser's state goes by position: bias and weight_orig too, whose order a hook may turn round."""
    ours, theirs = (room.Discriminator(3, 2, 5) for room in (paddle_ugatit, torch_ref))
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]


def test_layers_of_both_twins_have_the_same_paths():
    for name, options in (("ResnetGenerator", SMALL), ("Discriminator", {"input_nc": 3, "ndf": 2})):
        ours, theirs = (getattr(room, name)(**options) for room in (paddle_ugatit, torch_ref))
        paths = [path for path, _ in theirs.named_modules()]
        assert [path for path, _ in ours.named_sublayers(include_self=True)] == paths


# Image sizes.


@pytest.mark.parametrize("height,width", [(5, 5), (16, 16), (37, 30), (6, 51)])
@pytest.mark.parametrize("revision", REVISIONS)
def test_light_generator_takes_any_size_from_5(height, width, revision):
    ours, theirs = twins("ResnetGenerator", light=True, revision=revision, **SMALL)
    h, w = math.ceil(height / 4), math.ceil(width / 4)  # two strides of 2, each rounding up
    assert_same_outputs(ours, theirs, image(2, 3, height, width), [(2, 3, 4 * h, 4 * w), (2, 2), (2, 1, h, w)])


@pytest.mark.parametrize("size", [8, 12, 20])
@pytest.mark.parametrize("n_blocks", [0, 1])
def test_full_generator_of_any_multiple_of_4(size, n_blocks):
    ours, theirs = twins("ResnetGenerator", **SMALL | {"img_size": size, "n_blocks": n_blocks})
    h = size // 4
    assert_same_outputs(ours, theirs, image(2, 3, size, size), [(2, 3, size, size), (2, 2), (2, 1, h, h)])


@pytest.mark.parametrize("n_layers,height,width", [(3, 6, 9), (5, 24, 24), (5, 35, 42), (7, 96, 97)])
def test_discriminator_of_any_size(n_layers, height, width):
    ours, theirs = twins("Discriminator", input_nc=3, ndf=2, n_layers=n_layers)
    h, w = (size // 2 ** (n_layers - 2) - 1 for size in (height, width))
    assert_same_outputs(ours, theirs, image(2, 3, height, width), [(2, 1, h - 1, w - 1), (2, 2), (2, 1, h, w)])


def test_local_discriminator_maps_256_pixels_to_30():
    logits, _, _ = paddle_ugatit.Discriminator(3, 1, 5)(paddle.zeros([1, 3, 256, 256]))
    assert logits.shape == [1, 1, 30, 30]


@pytest.mark.parametrize("room", [paddle_ugatit, torch_ref])
@pytest.mark.parametrize("size", [4, 7, 10, 255, 0])
def test_full_generator_refuses_other_sizes(room, size):
    with pytest.raises(ValueError, match=f"multiple of 4 and at least 8, got {size}$"):
        room.ResnetGenerator(**SMALL | {"img_size": size})


@pytest.mark.parametrize("room", [paddle_ugatit, torch_ref])
def test_light_generator_refuses_less_than_5(room):
    with pytest.raises(ValueError, match="img_size of 5 or more, got 4$"):
        room.ResnetGenerator(**SMALL | {"img_size": 4}, light=True)


@pytest.mark.parametrize("room", [paddle_ugatit, torch_ref])
def test_wrong_images_are_refused_in_one_line(room):
    zeros = paddle.zeros if room is paddle_ugatit else torch.zeros
    with pytest.raises(ValueError, match="light generator needs images of 5x5 pixels or more, got 4x9$"):
        room.ResnetGenerator(**SMALL, light=True)(zeros([1, 3, 4, 9]))
    for height, width in ((20, 20), (16, 20)):
        with pytest.raises(ValueError, match=f"this full generator takes 16x16 images only, got {height}x{width}$"):
            room.ResnetGenerator(**SMALL)(zeros([1, 3, height, width]))
    with pytest.raises(ValueError, match="5 layers needs images of 24x24 pixels or more, got 23x40"):
        room.Discriminator(3, 2, 5)(zeros([1, 3, 23, 40]))


@pytest.mark.parametrize("room", [paddle_ugatit, torch_ref])
def test_wrong_options_are_refused_in_one_line(room):
    with pytest.raises(ValueError, match="n_layers >= 3, got 2$"):
        room.Discriminator(3, 2, 2)
    with pytest.raises(ValueError, match="revision must be one of current, initial, tensorflow, got 'old'$"):
        room.ResnetGenerator(**SMALL, revision="old")
