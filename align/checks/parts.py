"""Parts that no case of a layer shows: vectors of spectral norms, losses of large logits, StyleGAN2's augmentation."""

import copy
from contextlib import nullcontext

import numpy as np
import paddle
import torch
from paddle import nn

from align.compare.values import same, told
from align.compare.verdict import Row
from paddle_ugatit import losses
from paddle_ugatit.backend.compat import default_dtype
from paddle_ugatit.layers.convolution import Conv2D
from paddle_ugatit.layers.fast import dispatch
from paddle_ugatit.layers.fast.dispatch import plain
from paddle_ugatit.layers.linear import Linear
from paddle_ugatit.layers.spectral_norm import (
    iterating_spectral_norm,
    passes_in_one,
    power_iteration,
    same_iterations,
    spectral_norm,
)
from paddle_ugatit.training.augment import AUGMENTATIONS, COUNT, augment
from torch_ref import losses as torch_losses
from torch_ref.training.augment import augment as torch_augment

WAYS = (
    "sums",
    "statistics",
    "folded",
    "reflection",
    "leaky",
    "tiles",
    "scattered",
    "unfolded",
    "gathered",
    "partial sums",
    "fused",
)
SIZE = 40  # of augmented images; at 16 pixels a ninth is rounded as an eighth is


def vector_rows() -> list[Row]:
    """Return the rows of u and v: their dtype, their lengths, whose graph they are in, and copies of layers."""
    rows = []
    for name, dtype in (("float64", "float32"), ("float32", "float64")):
        with default_dtype(name):
            layer = Conv2D(3, 4, 2)
        with default_dtype(dtype):  # as it may be when a norm is added later
            spectral_norm(layer)
        vectors = layer.weight_u, layer.weight_v
        rows.append(same(f"dtypes beside {dtype}", [str(v.dtype) for v in vectors], [str(layer.weight_orig.dtype)] * 2))
        lengths = [float((v * v).sum()) for v in vectors]
        rows.append(told(f"lengths in {name}", "" if np.allclose(lengths, 1, atol=1e-5) else f"are {lengths}"))
    for make in (spectral_norm, iterating_spectral_norm):
        rows += _copied(make) + _kept_apart(make)
    return rows + _contexts() + _two_passes()


def _two_passes() -> list[Row]:
    """A forward that stands for two passes gives what two forwards give, for as many outputs as passes, too."""
    rows = []
    with default_dtype("float64"):
        x = paddle.rand([4, 6, 5, 5])
        for outputs in (2, 3):
            for way in (nullcontext, plain):
                one = nn.Sequential(spectral_norm(Conv2D(6, outputs, 3)))
                two = copy.deepcopy(one)
                with way():
                    wanted = np.concatenate([two(half).numpy() for half in x.chunk(2)])
                    with passes_in_one(one, 2):
                        found = one(x).numpy()
                error = float(np.abs(found - wanted).max())
                name = f"two passes in one, {outputs} outputs{', plain' if way is plain else ''}"
                rows.append(told(name, "" if error < 1e-12 else f"error {error:.1e}"))
    return rows


def _contexts() -> list[Row]:
    """Within the contexts forwards make other power iterations, and after them those of before."""
    network, x, rows = nn.Sequential(spectral_norm(Linear(30, 20))), paddle.rand([4, 30]), []
    layer = network[0]
    for name, context, iterations in (
        ("no context", nullcontext(), 1),
        ("two passes", passes_in_one(network, 2), 2),
        ("after them", nullcontext(), 1),
        ("the same", same_iterations([network]), 0),
        ("not the same", same_iterations([network], False), 1),
        ("after it", nullcontext(), 1),
    ):
        u, v, matrix = layer.weight_u, layer.weight_v, layer.spectral.matrix()
        for _ in range(iterations):
            u, v = power_iteration(matrix, u, v, 1e-12)
        with context:
            network(x)
        rows.append(same(f"{name}: u", layer.weight_u.numpy(), u.numpy()))
        rows.append(same(f"{name}: sigmas", list(layer.spectral.sigma.shape), [2 if name == "two passes" else 1]))
    return rows


def _copied(make) -> list[Row]:
    """A copy of a layer, or of its norm alone, computes the same and shares nothing."""
    layer, x = make(Linear(3, 2)), paddle.rand([2, 3])
    layer(x)
    found = []
    for copied in (copy.deepcopy(layer), copy.deepcopy(layer.spectral).layer):
        own = copied.spectral.layer is copied and copied.spectral is not layer.spectral
        found.append(own and copied.spectral.sigma is None and not copied.spectral.pairs)
        copied.eval(), layer.eval()
        found.append(np.array_equal(copied(x).numpy(), layer(x).numpy()) or make is iterating_spectral_norm)
        copied.weight_u.set_value(copied.weight_u * 0)
        found.append(bool(layer.weight_u.any()))
        layer.train()
    return [same(f"copies of a layer with {make.__name__}", found, [True] * 6)]


def _kept_apart(make) -> list[Row]:
    """Gradients of a forward are those of its own u and v, whatever forwards come before its backward pass."""
    rows = []
    for way in ("", "by plain formulas"):
        for training in (True, False):
            with plain() if way else nullcontext():
                found = [_gradient(make, training, between) for between in (False, True)]
            mode = "training" if training else "evaluation"
            rows.append(same(f"{make.__name__} in {mode} {way}: a forward between", found[1], found[0]))
    return rows


def _gradient(make, training: bool, between: bool) -> np.ndarray:
    paddle.seed(0)
    with default_dtype("float64"):
        layer = make(Conv2D(3, 4, 2))
        x = paddle.rand([2, 3, 5, 5])
    layer.train() if training else layer.eval()
    out = layer(x)
    if between:
        layer.train()
        with paddle.no_grad():
            layer(x)
    (out * out).sum().backward()
    return layer.weight_orig.grad.numpy()


def way_rows() -> list[Row]:
    """Return the rows of the faster ways: which are taken, and that each can be switched off."""
    x, rows = paddle.zeros([1, 2, 3, 3]), []
    rows.append(same("ways on a CPU", [way for way in WAYS if not dispatch.taken(way, x)], []))
    for dtype, wanted in (("float32", True), ("float64", True), ("int64", False)):
        rows.append(same(f"taken for {dtype}", dispatch.taken("sums", x.astype(dtype)), wanted))
    with plain():
        rows.append(same("without any", [way for way in WAYS if dispatch.taken(way, x)], []))
    for way in WAYS:
        with plain(way):
            rows.append(same(f"without {way}", [each for each in WAYS if not dispatch.taken(each, x)], [way]))
        rows.append(same(f"{way} again", dispatch.taken(way, x), True))
    state = lambda: (dispatch.is_twice_differentiable(), dispatch.taken("sums", x))  # noqa: E731
    with dispatch.twice_differentiable():
        rows.append(same("for second derivatives", state(), (True, False)))
    return [*rows, same("for them no more", state(), (False, True))]


def loss_rows() -> list[Row]:
    """Return the rows of losses for logits as far from 0 as those of a discriminator that has learnt."""
    rng, rows = np.random.default_rng(0), []
    one, other = (20 * rng.standard_normal((3, 5)) for _ in range(2))
    calls = [("hinge", (one, side)) for side in (1, -1)]
    calls += [("hinge_discriminator_loss", (one, other, *sign)) for sign in ((), (1,), (-1,))]
    calls += [("hinge_generator_loss", (one, *sign)) for sign in ((), (1,), (-1,))]
    calls += [("least_squares", (one, target)) for target in (0, 1)] + [("least_squares", (one, other))]
    calls += [("cross_entropy", (one, target)) for target in (0, 1)] + [("l1", (one, other))]
    calls += [("wasserstein", (one, side)) for side in (1, -1)]
    for name, given in calls:
        found, wanted = (
            getattr(side, name)(*(tensor(a) if isinstance(a, np.ndarray) else a for a in given)).item()
            for side, tensor in ((losses, paddle.to_tensor), (torch_losses, torch.tensor))
        )
        note = "" if abs(found - wanted) <= 1e-12 * abs(wanted) else f"is {found}, not {wanted}"
        rows.append(told(f"{name} {', '.join(str(a) for a in given if not isinstance(a, np.ndarray))}", note))
    return rows


def augmentation_rows() -> list[Row]:
    """Return the rows of every augmentation alone and of all together, at the ends of the ranges of what is drawn."""
    rng, rows = np.random.default_rng(0), []
    images = rng.random((9, 3, SIZE, SIZE))
    numbers = rng.random((9, COUNT))
    numbers[0], numbers[1] = 0.0, np.nextafter(1, 0)
    numbers[2, 3:], numbers[3, 3:] = (0.0, 0.999, 0.0, 0.999), (0.999, 0.0, 0.999, 0.0)
    for kinds in (*((kind,) for kind in AUGMENTATIONS), AUGMENTATIONS, AUGMENTATIONS[::2], ()):
        found = augment(paddle.to_tensor(images), paddle.to_tensor(numbers), kinds).numpy()
        wanted = torch_augment(torch.tensor(images), torch.tensor(numbers), kinds).numpy()
        error, name = float(np.abs(found - wanted).max()), ", ".join(kinds) or "nothing"
        rows.append(told(f"augmented by {name}", "" if error < 1e-12 else f"error {error:.1e}"))
    found = augment(paddle.to_tensor(images), paddle.to_tensor(numbers)).numpy()
    wanted = torch_augment(torch.tensor(images), torch.tensor(numbers)).numpy()
    return [*rows, told("augmented by default", "" if np.abs(found - wanted).max() < 1e-12 else "differs")]
