"""SAGAN: names and sizes of its networks, its spectral norm against the public one, refusals, its training."""

import numpy as np
import paddle
import pytest
import torch

from paddle_ugatit.layers.batch_norm import BatchNorm2D
from paddle_ugatit.layers.convolution import Conv2D, ConvTranspose2D
from paddle_ugatit.layers.spectral_norm import SpectralNormWrapper
from paddle_ugatit.models import sagan
from paddle_ugatit.training.sagan import Config, Trainer
from torch_ref.layers.spectral_norm import SpectralNormWrapper as TorchWrapper
from torch_ref.models import sagan as torch_sagan

ROOMS = [sagan, torch_sagan]
WRAPPED = ("module.bias", "module.weight_bar", "module.weight_u", "module.weight_v")
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
ATTENTION = ("gamma", *(f"{name}_conv.{leaf}" for name in ("query", "key", "value") for leaf in ("weight", "bias")))


def generator_keys(layers):
    blocks = [
        f"l{i}.{place}.{leaf}"
        for i in range(1, layers + 1)
        for place, leaves in ((0, WRAPPED), (1, NORM))
        for leaf in leaves
    ]
    return [*blocks, "last.0.weight", "last.0.bias", *(f"attn{i}.{leaf}" for i in (1, 2) for leaf in ATTENTION)]


@pytest.mark.parametrize("room", ROOMS)
def test_keys_at_64_pixels_are_the_public_ones(room):
    generator, discriminator = room.Generator(64, 8, 8), room.Discriminator(64, 8)
    assert list(generator.state_dict()) == generator_keys(4)
    assert list(discriminator.state_dict()) == [key for key in generator_keys(4) if key.split(".")[1] != "1"]


@pytest.mark.parametrize("room", ROOMS)
def test_widths_of_the_published_networks(room):
    """z 128 and 64 channels: 512, 256, 128, 64 maps, attention on 128 and 64; 64 to 512, attention on 256 and 512."""
    generator, discriminator = room.Generator(64, 128, 64), room.Discriminator(64, 64)
    shapes = {key: list(value.shape) for key, value in generator.state_dict().items()}
    assert [shapes[f"l{i}.0.module.weight_bar"][:2] for i in range(1, 5)] == [
        [128, 512],
        [512, 256],
        [256, 128],
        [128, 64],
    ]
    # Matrix dim 0 first, of a transposed convolution too: u is as long as its inputs.
    assert shapes["l2.0.module.weight_u"] == [512] and shapes["l2.0.module.weight_v"] == [256 * 16]
    assert shapes["attn1.query_conv.weight"] == [16, 128, 1, 1] and shapes["attn2.value_conv.weight"] == [64, 64, 1, 1]
    shapes = {key: list(value.shape) for key, value in discriminator.state_dict().items()}
    assert shapes["attn1.key_conv.weight"] == [32, 256, 1, 1] and shapes["attn2.key_conv.weight"] == [64, 512, 1, 1]
    assert shapes["last.0.weight"] == [1, 512, 4, 4]


@pytest.mark.parametrize("size", [16, 32, 64])
def test_other_sizes_than_the_published_one(size):
    generator, discriminator = sagan.Generator(size, 5, 8), sagan.Discriminator(size, 8)
    image, *maps = generator(paddle.randn([2, 5]))
    assert image.shape == [2, 3, size, size] and float(image.abs().max()) <= 1
    assert [m.shape for m in maps] == [[2, (size // 4) ** 2] * 1 + [(size // 4) ** 2], [2] + [(size // 2) ** 2] * 2]
    logit, *maps = discriminator(image)
    assert logit.shape == [2] and [m.shape for m in maps] == [[2, 64, 64], [2, 16, 16]]
    np.testing.assert_allclose(maps[0].sum(-1).numpy(), 1, rtol=1e-5)


def test_a_single_image_has_a_logit_with_an_axis():
    """quirk of the article: squeeze() gives a batch of one no axis at all."""
    assert sagan.Discriminator(16, 8)(paddle.randn([1, 3, 16, 16]))[0].shape == [1]
    assert torch_sagan.Discriminator(16, 8)(torch.randn(1, 3, 16, 16))[0].shape == (1,)


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda room: room.Generator(48), "16, 32, 64"),
        (lambda room: room.Generator(8), "16, 32, 64"),
        (lambda room: room.Discriminator(64, 4), "conv_dim of 8"),
    ],
)
def test_wrong_sizes_are_refused(room, build, message):
    with pytest.raises(ValueError, match=message):
        build(room)


def test_a_wrong_image_is_refused():
    with pytest.raises(ValueError, match="16x16 images only"):
        sagan.Discriminator(16, 8)(paddle.randn([1, 3, 32, 32]))


def test_batch_norm_needs_more_than_one_value():
    layer = BatchNorm2D(3)
    with pytest.raises(ValueError, match="more than one value"):
        layer(paddle.ones([1, 3, 1, 1]))
    layer.eval()
    assert layer(paddle.ones([1, 3, 1, 1])).shape == [1, 3, 1, 1] and int(layer.num_batches_tracked) == 0


def test_initial_weights_keep_pytorchs_bound():
    layer = ConvTranspose2D(40, 50, 4)
    bound = 1 / np.sqrt(50 * 16)  # the second axis, which is the output here
    for values in (layer.weight.numpy(), layer.bias.numpy()):
        assert 0.9 * bound < np.abs(values).max() <= bound
    twin = torch.nn.ConvTranspose2d(40, 50, 4)
    assert 0.99 * bound < twin.weight.abs().max() <= bound


class PublicWrapper(torch.nn.Module):
    """Spectral norm as the public code has it: it iterates in every mode, and replaces what is in u and v."""

    def __init__(self, module):
        super().__init__()
        self.module = module
        self.weight = torch.nn.Parameter(module.weight.detach().clone())
        matrix = self.weight.detach().flatten(1)
        u, v = torch.randn(matrix.shape[0]), torch.randn(matrix.shape[1])
        self.u, self.v = (torch.nn.Parameter(x / x.norm(), requires_grad=False) for x in (u, v))
        del module.weight

    def forward(self, x):
        matrix = self.weight.flatten(1)
        v = matrix.detach().t().mv(self.u.data)
        self.v.data = v / (v.norm() + 1e-12)
        u = matrix.detach().mv(self.v.data)
        self.u.data = u / (u.norm() + 1e-12)
        self.module.weight = self.weight / self.u.dot(matrix.mv(self.v))
        return self.module(x)


def wrappers():
    """The public wrapper, our twin and the Paddle layer, with one weight and one u and v, in float64."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    paddle.set_default_dtype("float64")
    try:
        public = PublicWrapper(torch.nn.Conv2d(3, 4, 3))
        twin, layer = TorchWrapper(torch.nn.Conv2d(3, 4, 3)), SpectralNormWrapper(Conv2D(3, 4, 3))
    finally:
        torch.set_default_dtype(torch.float32)
        paddle.set_default_dtype("float32")
    arrays = {"weight_bar": public.weight, "weight_u": public.u, "weight_v": public.v, "bias": public.module.bias}
    for name, tensor in arrays.items():
        getattr(twin.module, name).data.copy_(tensor.data)
        getattr(layer.module, name).set_value(tensor.detach().numpy())
    return public, twin, layer


def test_lengths_are_divided_by_as_in_the_public_code():
    """By |x| + 1e-12, not max(|x|, 1e-12): small weights show it, by 1e-6 here."""
    x = np.random.default_rng(2).standard_normal((1, 3, 5, 5))
    public, twin, layer = wrappers()
    with torch.no_grad():
        for weight in (public.weight, twin.module.weight_bar):
            weight *= 1e-6
        layer.module.weight_bar.set_value(layer.module.weight_bar * 1e-6)
        wanted = public(torch.tensor(x)).numpy()
        for found in (twin(torch.tensor(x)).numpy(), layer(paddle.to_tensor(x)).numpy()):
            np.testing.assert_allclose(found, wanted, rtol=1e-11)
    length = np.linalg.norm(layer.module.weight_u.numpy())
    assert 1e-8 < 1 - length < 1e-4
    np.testing.assert_allclose(layer.module.weight_u.numpy(), public.u.detach().numpy(), rtol=1e-12)


def test_the_public_spectral_norm_iterates_in_evaluation_too():
    """Why samples of the public code depend on how many were drawn before; ours and its twin stay where they are."""
    x = np.random.default_rng(0).standard_normal((1, 3, 5, 5))
    public, twin, layer = (wrapper.eval() or wrapper for wrapper in wrappers())
    same = [wrapper(convert(x)) for wrapper in (public, twin) for convert in (torch.tensor, torch.tensor)]
    assert not torch.equal(same[0], same[1]) and torch.equal(same[2], same[3])
    assert paddle.equal_all(layer(paddle.to_tensor(x)), layer(paddle.to_tensor(x)))


def test_the_public_spectral_norm_sends_the_second_u_and_v_back_through_the_first_forward():
    """Real, then generated images, then one backward pass: the same outputs, but another gradient than theirs."""
    rng = np.random.default_rng(1)
    real, fake = rng.standard_normal((2, 1, 3, 5, 5))
    gradients, outputs = [], []
    public, twin, layer = wrappers()
    for wrapper, tensor, weight in (
        (public, torch.tensor, public.weight),
        (twin, torch.tensor, twin.module.weight_bar),
        (layer, paddle.to_tensor, layer.module.weight_bar),
    ):
        on_real, on_fake = wrapper(tensor(real)), wrapper(tensor(fake))
        ((on_real**2).sum() - (on_fake**3).sum()).backward()
        outputs.append(np.concatenate([on_real.detach().numpy(), on_fake.detach().numpy()]))
        gradients.append(weight.grad.numpy())
    for output in outputs[1:]:
        np.testing.assert_allclose(output, outputs[0], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(gradients[2], gradients[1], rtol=1e-11, atol=1e-12)
    assert np.abs(gradients[0] - gradients[1]).max() > 1e-3 * np.abs(gradients[1]).max()


SMALL = dict(img_size=16, load_size=16, conv_dim=8, z_dim=6, batch_size=4)


def test_config_reads_one_domain():
    assert Config().domains == ("B",) and Config(domain="A").domains == ("A",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"domain": "C"}, "domain must be one of A, B"),
        ({"img_size": 48}, "16, 32, 64"),
        ({"conv_dim": 7}, "conv_dim of 8"),
        ({"load_size": 32}, "less than img_size"),
        ({"accumulate": 2}, "whole batch"),
        ({"beta2": 1.0}, "below 1"),
        ({"z_dim": 0}, "z_dim must be 1 or more"),
    ],
)
def test_config_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        Config(**options)


def _moved(trainer, kind):
    """Whether each parameter has a gradient; Paddle leaves zeros where one was cleared."""
    return [p.grad is not None and float(p.grad.abs().max()) > 0 for p in trainer.networks[kind].parameters()]


def test_no_gradient_goes_where_it_is_not_wanted():
    """Of the discriminator's step into the generator, of the generator's into the discriminator."""
    paddle.seed(0)
    trainer, seen = Trainer(Config(**SMALL)), {}
    for kind, other in (("D", "G"), ("G", "D")):

        def watched(step=trainer.optimizers[kind].step, kind=kind, other=other):
            seen[kind] = any(_moved(trainer, kind)), any(_moved(trainer, other))
            step()

        trainer.optimizers[kind].step = watched
    trainer.step(paddle.randn([4, 3, 16, 16]))
    assert seen == {"D": (True, False), "G": (True, False)}


def test_a_step_moves_norms_as_often_as_the_public_code():
    """The generator makes two passes a step; the discriminator three, of which two in one batch."""
    paddle.seed(0)
    trainer = Trainer(Config(**SMALL))
    losses = trainer.step(paddle.randn([4, 3, 16, 16]))
    assert int(trainer.networks["G"].l1[1].num_batches_tracked) == 2
    assert set(losses) == {"d_real", "d_fake", "d_loss", "g_loss", *(f"{k}_gamma{n}" for k in "gd" for n in (1, 2))}
    assert all(loss.shape == [] for loss in losses.values())
    assert all(abs(float(losses[f"{k}_gamma{n}"])) > 0 for k in "gd" for n in (1, 2))  # they start at 0
    layer = trainer.networks["D"].l1[0].module
    before = layer.weight_u.numpy()
    trainer.networks["D"].eval()
    trainer.networks["D"](paddle.randn([1, 3, 16, 16]))
    assert np.array_equal(layer.weight_u.numpy(), before)
