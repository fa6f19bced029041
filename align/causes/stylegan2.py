"""Likely mistakes in StyleGAN2, made in PyTorch's twin: in a layer, around layers, and in a step (MISTAKES)."""

import torch
import torch.nn.functional as F
from torch.nn.grad import conv2d_input, conv2d_weight

from align.causes.steps import ADAM, attached, keeping, options, rates, replaced
from align.planting import put, run
from torch_ref import losses
from torch_ref.layers import twice_differentiable as smooth
from torch_ref.models import stylegan2
from torch_ref.training import stylegan2 as training

noise_map, augment = stylegan2.noise_map, training.augment
penalty_of, lengths_of = losses.gradient_penalty, losses.path_lengths


def layer_mistakes(leaf):
    """Yield (name, plant) for a blur, an EqualLinear or a modulated convolution; nothing for other layers."""
    if isinstance(leaf, smooth.Blur):
        for mode, word in (("constant", "zero"), ("replicate", "edge"), ("circular", "circular")):
            yield f"blur's border {word}", run(lambda own, layer, x, m=mode: _blurred(x, layer.f / layer.f.sum(), m))
        yield "blur not divided by its sum", run(lambda own, layer, x: own(x) * layer.f.sum() ** 2)
        yield "blur left out", run(lambda own, layer, x: x * 1)
    if isinstance(leaf, stylegan2.EqualLinear):
        for factor in (1.0, leaf.lr_mul**2, leaf.lr_mul / leaf.weight.shape[1] ** 0.5):
            yield f"lr_mul {factor:g}", put(lr_mul=factor)
        yield "lr_mul of the weight alone", run(lambda own, layer, x: own(x) + layer.bias * (1 - layer.lr_mul))
    if isinstance(leaf, stylegan2.Conv2DMod):
        yield f"demod {not leaf.demod}", put(demod=not leaf.demod)
        yield "demodulation by the weight without its style", run(_demodulated_plainly)


def _blurred(x, f, mode):
    kernel = (f[:, None] * f[None, :]).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode), kernel, groups=x.shape[1])


def _demodulated_plainly(own, layer, x, y):
    weight = layer.weight * torch.rsqrt((layer.weight**2).sum((1, 2, 3), keepdim=True) + layer.eps)
    return F.conv2d(x * (y[:, :, None, None] + 1), weight, padding=layer.padding)


# Name -> (owner, attribute, replacement).
GRAPH_MISTAKES = {
    "noise's height and width not swapped": (stylegan2, "noise_map", lambda noise: noise.permute(0, 3, 1, 2)),
    "noise detached": (stylegan2, "noise_map", lambda noise: noise_map(noise).detach()),
}


class _FilterGradientCut(torch.autograd.Function):
    """A convolution whose filter gradient is not differentiated with respect to the output gradient."""

    @staticmethod
    def forward(ctx, x, weight, options):
        ctx.save_for_backward(x, weight)
        ctx.options = options
        return F.conv2d(x, weight, **options)

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        of_x = conv2d_input(x.shape, weight, grad, **ctx.options) if ctx.needs_input_grad[0] else None
        return of_x, conv2d_weight(x, weight.shape, grad.detach(), **ctx.options), None


def _filter_gradient_cut(theirs):
    """Plant: in the first modulated convolution, whose filter depends on the style while its input does not."""
    first = theirs.networks["G"].blocks[0].conv1

    def forward(x, y):
        batch, channels, height, width = x.shape
        weight = first.weight[None] * (y[:, None, :, None, None] + 1)
        weight = weight * torch.rsqrt((weight**2).sum((2, 3, 4), keepdim=True) + first.eps)
        options = {"padding": first.padding, "groups": batch}
        out = _FilterGradientCut.apply(x.reshape(1, batch * channels, height, width), weight.flatten(0, 1), options)
        return out.reshape(batch, -1, height, width)

    first.forward = forward


def _with(name, replacement):
    return replaced(name, lambda right: replacement)


def _config(**changes):
    return options(lambda config: changes)


def _mean_moved_first(theirs):
    half = theirs._g_losses

    def g_losses(random, measured):
        found = half(random, measured)
        if measured and theirs.path_length is not None:
            before, lengths = theirs.path_length, found["g_path_length"]
            theirs._note_path_length(lengths.item())
            found = half(random, measured)
            theirs.path_length = before
        return found

    theirs._g_losses = g_losses


def _penalty_of_real_images(theirs):
    """Plant: the gradient penalty covers real images only, as if the gradient of generated ones were zero."""
    half = theirs._d_losses

    def d_losses(real, random, penalised):
        found = half(real, random, False)
        if penalised:
            on_real = theirs.networks["D"](theirs._augmented(real, random, "real"))
            gradient = torch.autograd.grad(on_real.sum(), real, create_graph=True)[0]
            penalty = theirs.config.penalty_weight * losses.gradient_penalty(gradient)
            found |= {"d_penalty": penalty, "d_loss": found["d_adv"] + penalty}
        return found

    theirs._d_losses = d_losses


# Name -> (what differs first, plant).
MISTAKES = {
    "both networks at one learning rate": ("learning rate", rates(lambda right: dict.fromkeys(right, right["gen"]))),
    "the gradient penalty in every step": ("loss", _config(penalty_every=1)),
    "the gradient penalty times the steps between two": (
        "loss",
        options(lambda config: {"penalty_weight": config.penalty_weight * config.penalty_every}),
    ),
    "the gradient penalty halved": ("loss", options(lambda config: {"penalty_weight": config.penalty_weight / 2})),
    "the gradient penalty with weight 1": ("loss", _config(penalty_weight=1.0)),
    "path lengths in every step": ("loss", _config(path_every=1)),
    **{f"path_decay {decay}": ("loss", _config(path_decay=decay)) for decay in (0.0, 0.9, 0.999)},
    "the hinge's sign not inverted": ("loss", _with("SIGN", 1)),
    "the gradient penalty of real images alone": ("loss", _penalty_of_real_images),
    "the gradient penalty centred at 1": (
        "loss",
        _with("gradient_penalty", lambda gradients: (gradients.flatten(1).norm(dim=1) - 1).square().mean()),
    ),
    "images not augmented": ("loss", _with("augment", lambda images, numbers, kinds: images)),
    "cutout before translation": (
        "loss",
        _with("augment", lambda images, numbers, _: _in_order(images, numbers, ("color", "cutout", "translation"))),
    ),
    "the running mean of path lengths moved before it is used": ("loss", _mean_moved_first),
    "the gradient penalty detached": ("moment1", _with("gradient_penalty", lambda g: penalty_of(g.detach()))),
    "the path lengths detached": ("moment1", _with("path_lengths", lambda g: lengths_of(g.detach()))),
    "the second derivative through the first filter lost": ("moment1", _filter_gradient_cut),
    **{f"mean_decay {decay}": ("parameter", _config(mean_decay=decay)) for decay in (0.9, 0.99, 0.999)},
    "running means never copied": ("parameter", _config(copy_until=0)),
    "the generator keeps the gradient of the discriminator's step": ("moment1", attached(keeping("gen", "dis"))),
    **ADAM,
}


def _in_order(images, numbers, kinds):
    for kind in kinds:
        images = augment(images, numbers, (kind,))
    return images
