"""StyleGAN2: second derivatives by the gradients of parameters, augmentation, sizes, and refusals."""

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from align.cases import randomise
from align.compare.paddle_side import PaddleSide
from align.compare.torch_side import TorchSide
from paddle_ugatit import losses
from paddle_ugatit.layers import twice_differentiable as smooth
from paddle_ugatit.models import stylegan2
from paddle_ugatit.training import augment

torch = pytest.importorskip("torch")
import torch_ref.losses  # noqa: E402
import torch_ref.training.augment  # noqa: E402

LIMIT = 1e-11  # relative to a tensor's largest value, in float64
SIDES = TorchSide("float64"), PaddleSide("float64")
SIZE, LATENT, BATCH = 16, 6, 3


def twins(build):
    """A network on both sides with the same weights."""
    theirs, ours = (side.build(build, 0) for side in SIDES)
    state = randomise(SIDES[0].state(theirs), 1)
    SIDES[0].load(theirs, state)
    SIDES[1].load(ours, state)
    return theirs, ours


def both(*shape, uniform=False):
    """The same array as a tensor of each framework, whose gradient may be asked."""
    rng = np.random.default_rng([7, *shape])
    array = rng.uniform(0, 1, shape) if uniform else rng.standard_normal(shape)
    return SIDES[0].tensor(array, grad=True), SIDES[1].tensor(array, grad=True)


def distance(wanted, found):
    wanted, found = (np.asarray(tensor.detach()) for tensor in (wanted, found))
    return np.abs(wanted - found).max() / (np.abs(wanted).max() or 1)


def parameter_gradients(theirs, ours):
    """Name -> relative difference of its gradients; a gradient of none stands for zeros here."""
    wanted, found = SIDES[0].parameter_gradients(theirs), SIDES[1].parameter_gradients(ours)
    assert wanted.keys() == found.keys()
    zeros = {name: np.zeros(parameter.shape) for name, parameter in theirs.named_parameters()}
    pairs = {name: [zeros[name] if g[name] is None else g[name] for g in (wanted, found)] for name in wanted}
    return {name: np.abs(a - b).max() / (np.abs(a).max() or 1) for name, (a, b) in pairs.items()}


def penalty():
    """Relative differences of the penalty, and of its gradient in each of D's parameters."""
    theirs, ours = twins(lambda L: L.stylegan2.Discriminator(SIZE, 2))
    image, same = both(BATCH, 3, SIZE, SIZE, uniform=True)
    wanted = torch_ref.losses.gradient_penalty(torch.autograd.grad(theirs(image).sum(), image, create_graph=True)[0])
    found = losses.gradient_penalty(paddle.grad(ours(same).sum(), [same], create_graph=True)[0])
    wanted.backward()
    found.backward()
    return distance(wanted, found), parameter_gradients(theirs, ours)


def path():
    """Relative differences of the path length loss, and of its gradient in each parameter of G."""
    theirs, ours = twins(lambda L: L.stylegan2.Generator(SIZE, LATENT, 2))
    style, same = both(BATCH, 3, LATENT)
    noise, directions = both(BATCH, SIZE, SIZE, 1, uniform=True), both(BATCH, 3, SIZE, SIZE)
    total = (theirs(style, noise[0]) * directions[0]).sum()
    wanted = torch_ref.losses.path_lengths(torch.autograd.grad(total, style, create_graph=True)[0])
    total = (ours(same, noise[1]) * directions[1]).sum()
    found = losses.path_lengths(paddle.grad(total, [same], create_graph=True)[0])
    ((wanted - 1) ** 2).mean().backward()
    ((found - 1) ** 2).mean().backward()
    return distance(wanted, found), parameter_gradients(theirs, ours)


def test_the_penalty_reaches_every_parameter_as_in_pytorch():
    loss, gradients = penalty()
    assert loss < LIMIT and max(gradients.values()) < LIMIT and len(gradients) == 34


def test_the_path_length_reaches_every_parameter_as_in_pytorch():
    loss, gradients = path()
    assert loss < LIMIT and max(gradients.values()) < LIMIT and len(gradients) == 42


def test_in_the_articles_form_paddle_gets_the_path_lengths_gradient_wrong(monkeypatch):
    """Why the activations are modulated: the loss is right to the last digits, its gradients are not."""
    monkeypatch.setattr(stylegan2.Conv2DMod, "grouped", True)
    loss, gradients = path()
    assert loss < LIMIT
    wrong = [name for name, difference in gradients.items() if difference > 0.01]
    assert "blocks.0.conv2.weight" in wrong and len(wrong) > 10


@pytest.mark.parametrize("make", [lambda: smooth.SmoothConv2D(3, 4, 3, 2, 1), smooth.BilinearUpsample, smooth.Blur])
def test_layers_have_a_second_derivative(make):
    """Of sum(layer(x)^3) along two directions, against differences of the first derivative."""
    layer = SIDES[1].build(lambda L: make(), 0)
    x, v = (both(2, 3, 6, 8)[1], both(2, 3, 6, 8, uniform=True)[1].detach())

    def gradient(at):
        return paddle.grad((layer(at) ** 3).sum(), [at], create_graph=True)[0]

    found = paddle.grad((gradient(x) * v).sum(), [x])[0]
    ahead, behind = (paddle.to_tensor((x + h * v).numpy(), stop_gradient=False) for h in (1e-5, -1e-5))
    assert distance((gradient(ahead) - gradient(behind)) / 2e-5, found) < 1e-8


def test_paddles_interpolation_would_have_none():
    x = both(1, 2, 4, 4)[1]
    with pytest.raises(RuntimeError, match="grad"):
        out = F.interpolate(x, scale_factor=2, mode="bilinear")
        paddle.grad((out**2).sum(), [x], create_graph=True)[0].sum().backward()


def test_both_forms_of_the_modulated_convolution_are_one():
    layer = SIDES[1].build(lambda L: L.stylegan2.Conv2DMod(5, 4, 3), 0)
    x, y = both(BATCH, 5, 6, 7)[1], both(BATCH, 5)[1]
    one = layer(x, y)
    layer.grouped = True
    assert distance(one, layer(x, y)) < 1e-14


def test_the_noises_rows_are_the_maps_columns():
    """quirk: of the public code, (0,3,2,1)."""
    noise = paddle.zeros([1, 4, 4, 1])
    noise[0, 1, 3, 0] = 1.0
    turned = stylegan2.noise_map(noise)
    assert turned.shape == [1, 1, 4, 4] and turned[0, 0, 3, 1].item() == 1 and turned.sum().item() == 1


def test_sizes_at_64_pixels_are_the_published_ones():
    nets = stylegan2.Generator(64), stylegan2.Discriminator(64), stylegan2.StyleVectorizer()
    counts = [sum(p.size for p in net.parameters()) / 1e6 for net in nets]
    assert [round(count, 1) for count in counts] == [11.2, 22.7, 2.1]
    widths = [block.conv2.weight.shape[0] for block in nets[0].blocks]
    assert widths == [512, 256, 128, 64, 32]


@pytest.mark.parametrize("kinds", [("color",), ("translation",), ("cutout",), augment.AUGMENTATIONS])
def test_augmentation_is_the_twins(kinds):
    image, same = both(8, 3, SIZE, SIZE, uniform=True)
    numbers = both(8, augment.COUNT, uniform=True)
    wanted = torch_ref.training.augment.augment(image, numbers[0].detach(), kinds)
    found = augment.augment(same, numbers[1].detach(), kinds)
    assert distance(wanted, found) < 1e-14
    assert distance(image, found) > 0.1
    (wanted**3).sum().backward()
    (found**3).sum().backward()
    assert distance(image.grad, same.grad) < 1e-13


def test_augmentation_reaches_its_extremes():
    """The largest shifts, and holes that lie partly outside."""
    image, same = both(2, 3, SIZE, SIZE, uniform=True)
    for low, high in ((0.0, 1 - 2**-53), (1 - 2**-53, 0.0)):
        numbers = np.array([[low] * augment.COUNT, [high] * augment.COUNT])
        wanted = torch_ref.training.augment.augment(image, torch.tensor(numbers))
        assert distance(wanted, augment.augment(same, paddle.to_tensor(numbers))) < 1e-14


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: stylegan2.Conv2DMod(2, 2, 4), "needs an odd kernel, got 4"),
        (lambda: stylegan2.Generator(48), "a power of 2 and 4 or more, got 48"),
        (lambda: stylegan2.Discriminator(2), "a power of 2 and 4 or more, got 2"),
        (lambda: stylegan2.Discriminator(8, 1)(paddle.zeros([1, 3, 16, 16])), "takes 8x8 images only, got 16x16"),
        (lambda: stylegan2.Generator(8, 4, 1)(paddle.zeros([1, 3, 4]), paddle.zeros([1, 8, 8, 1])), r"\(B,2,4\)"),
        (lambda: stylegan2.Generator(8, 4, 1)(paddle.zeros([1, 2, 4]), paddle.zeros([1, 4, 8, 1])), r"\(B,8,8,1\)"),
        (lambda: smooth.Blur()(paddle.zeros([1, 1, 1, 4])), "cannot reflect the border of a 1x4 map"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()
