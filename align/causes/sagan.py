"""Mistakes to try around SAGAN's layers: `sagan_mistakes` yields (name, plant); `plant` takes the whole twin."""

import torch

from align.planting import run
from torch_ref.layers.spectral_norm import SpectralNormWrapper, unit
from torch_ref.models.sagan import SelfAttention


def sagan_mistakes(model, path):
    """Yield mistakes of every self-attention, and of the spectral-norm wrapper around the layer at `path`."""
    for place, module in model.named_modules():
        if isinstance(module, SelfAttention):
            for name, mistake in ATTENTIONS.items():
                yield name, _at(place, lambda own, layer, x, m=mistake: _attended(layer, x, **m))
        if isinstance(module, SpectralNormWrapper) and path == f"{place}.module".removeprefix("."):
            for name, mistake in WRAPPERS.items():
                yield name, _at(place, lambda own, layer, x, m=mistake: _wrapped(layer, x, **m))


def _at(place, forward):
    return lambda model: run(forward)(model.get_submodule(place))


ATTENTIONS = {
    "attention transposed": {"transposed": True},
    "query and key swapped": {"swapped": True},
    "energy divided by the root of the key's channels": {"rooted": True},
    "gamma missing": {"gamma": False},
    "gamma detached": {"detached": "gamma"},
    "attention detached": {"detached": "attention"},
    "attention without its skip": {"skip": False},
    "value not convolved": {"value": False},
}


def _attended(layer, x, transposed=False, swapped=False, rooted=False, gamma=True, detached="", skip=True, value=True):
    """SelfAttention's forward with an option for each mistake."""
    query, key = layer.query_conv(x).flatten(2), layer.key_conv(x).flatten(2)
    mixed = layer.value_conv(x).flatten(2) if value else x.flatten(2)
    energy = key.mT @ query if swapped else query.mT @ key
    attention = layer.softmax(energy / query.shape[1] ** 0.5 if rooted else energy)
    used = attention.detach() if detached == "attention" else attention
    out = (mixed @ (used if transposed else used.mT)).reshape(x.shape)
    weight = layer.gamma.detach() if detached == "gamma" else layer.gamma
    out = weight * out if gamma else out + 0 * weight
    return out + x if skip else out, used


WRAPPERS = {
    "power iteration skipped": {"count": 0},
    "two power iterations": {"count": 2},
    "power iteration in evaluation too": {"always": True},
    "sigma detached": {"detached": True},
    "spectral norm over the wrong dim": {"second": True},
    "u and v iterated but not kept": {"kept": False},
}


def _wrapped(layer, x, count=1, always=False, detached=False, second=False, kept=True):
    """SpectralNormWrapper's forward with an option for each mistake."""
    module = layer.module
    weight = module.weight_bar.transpose(0, 1) if second else module.weight_bar
    matrix, u, v = weight.flatten(1), module.weight_u.clone(), module.weight_v.clone()
    with torch.no_grad():
        for _ in range(count if layer.training or always else 0):
            v = unit(matrix.t().mv(u), layer.eps, added=True)
            u = unit(matrix.mv(v), layer.eps, added=True)
        if kept:
            module.weight_u.copy_(u)
            module.weight_v.copy_(v)
    sigma = u.dot(matrix.mv(v))
    module.weight = module.weight_bar / (sigma.detach() if detached else sigma)
    return module(x)
