"""Mistakes to try in PyTorch's normalisations: `norm_mistakes` and `spectral_mistakes` yield (name, plant)."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.spectral_norm import SpectralNorm

from align.planting import put, run
from torch_ref.layers.norm import ILN, AdaILN, AdaIN, moments

EPSILONS = (1e-3, 1e-4, 2e-5, 1e-5, 5e-6, 1e-6, 1e-7, 1e-8, 1e-10, 1e-12, 0.0)


def norm_mistakes(leaf):
    """Yield mistakes of any layer with an eps, and of ILN, AdaILN, AdaIN, instance and batch normalisation."""
    batch_norm = hasattr(leaf, "eps") and hasattr(leaf, "momentum") and getattr(leaf, "running_var", None) is not None
    if batch_norm and leaf.momentum is not None:
        yield "running variance from the biased one", run(_biased_running)
    for name, plant in _of_numbers(leaf, batch_norm and leaf.momentum is not None):
        yield name, plant
        if batch_norm and leaf.training:  # which a port that uses Paddle's own layer has besides
            yield f"{name}, and running variance from the biased one", _both(plant, run(_biased_running))
    if isinstance(leaf, ILN | AdaILN):
        yield from _revisions(leaf)
        for name, options in _FORMULAS.items():
            yield name, run(lambda own, layer, *a, o=options: _formula(layer, *a, **o))
    if isinstance(leaf, AdaIN):
        for name, options in _TRANSFERS.items():
            yield name, run(lambda own, layer, x, y, o=options: _transfer(layer, x, y, **o))
    if isinstance(leaf, nn.InstanceNorm2d):
        for name, correction in (("unbiased variance", 1), ("biased variance", 0)):
            yield name, run(lambda own, layer, x, c=correction: _instance(layer, x, c))


def _revisions(leaf):
    """The formulas of the other revisions; for the TensorFlow code's, its differences one by one."""
    if leaf.revision != "tensorflow":
        other = "initial" if leaf.revision == "current" else "current"
        name = "nested variance for a single one" if other == "initial" else "single variance for a nested one"
        yield name, put(revision=other)
        return
    yield "unbiased variance", run(lambda own, layer, *a: _formula(layer, *a, revision="current"))
    if isinstance(leaf, AdaILN):
        yield "rho without smoothing", run(lambda own, layer, *a: _formula(layer, *a, smoothing=False))
        yield "unbiased variance, rho without smoothing", put(revision="current")


def _rho(layer, smoothing):
    """The share of the instance's normalisation: the TensorFlow code's AdaILN smooths it."""
    smoothed = smoothing and layer.revision == "tensorflow" and isinstance(layer, AdaILN)
    return (layer.rho - 0.1).clamp(0, 1) if smoothed else layer.rho


def _of_numbers(leaf, with_momentum):
    """Mistakes in the numbers of a norm."""
    if with_momentum:
        yield "momentum's meaning inverted", put(momentum=1 - leaf.momentum)
        for eps, momentum in ((leaf.momentum, leaf.eps), (leaf.momentum, leaf.momentum)):
            yield f"eps {eps:g} and momentum {momentum:g}", put(eps=eps, momentum=momentum)
        for momentum in (0.1, 0.01, 0.9, 0.99):
            if momentum != leaf.momentum:
                yield f"momentum {momentum:g} for {leaf.momentum:g}", put(momentum=momentum)
    if hasattr(leaf, "eps"):
        for eps in EPSILONS:
            if eps != leaf.eps:
                yield f"eps {eps:g} for {leaf.eps:g}", put(eps=eps)


def _both(first, second):
    """Plant two mistakes."""

    def plant(layer):
        first(layer)
        second(layer)

    return plant


def _biased_running(own, layer, x):
    count, before = x.numel() // x.shape[1], layer.running_var.clone()
    out = own(x)
    with torch.no_grad():
        var = x.transpose(0, 1).flatten(1).var(1)
        share = (layer.running_var - before) / (var - before)  # the momentum, as it was rounded
        layer.running_var.sub_(share * var / count)
    return out


def _instance(layer, x, correction):
    mean, var = x.mean((2, 3), keepdim=True), x.var((2, 3), correction=correction, keepdim=True)
    out = (x - mean) / torch.sqrt(var + layer.eps)
    return out * layer.weight[:, None, None] + layer.bias[:, None, None] if layer.affine else out


def _formula(
    layer,
    x,
    gamma=None,
    beta=None,
    ddof=(1, 1),
    swap=False,
    rho=None,
    outside=False,
    detach=False,
    plus=0,
    revision=None,
    smoothing=True,
):
    """Equation 1 of the paper, with an option for each mistake."""
    if gamma is None:
        gamma, beta = layer.gamma, layer.beta
    else:
        gamma, beta = gamma[:, :, None, None], beta[:, :, None, None]
    gamma, beta = (beta, gamma) if swap else (gamma, beta)
    parts = []
    for dims, correction in zip(((2, 3), (1, 2, 3)), ddof, strict=True):
        mean, var = moments(x, dims, revision or layer.revision)
        count = torch.tensor([x.shape[d] for d in dims]).prod().item()
        var = var * ((count - 1) / count) if correction == 0 else var
        if correction == "folded":  # made from the channels' biased variances, as if they were unbiased
            offset, pixels = x.mean((2, 3)) - mean.flatten(1), x.shape[2] * x.shape[3]
            inner = x.var((2, 3), correction=0) * (pixels - 1) + pixels * offset**2
            var = inner.sum(1).reshape(-1, 1, 1, 1) / (x.shape[1] * pixels - 1)
        mean, var = (mean.detach(), var.detach()) if detach else (mean, var)
        parts.append((x - mean) / (torch.sqrt(var) + layer.eps if outside else torch.sqrt(var + layer.eps)))
    share = _rho(layer, smoothing)
    share = share if rho is None else rho(share)
    return (share * parts[0] + (1 - share) * parts[1]) * (gamma + plus) + beta


_FORMULAS = {
    "biased variance of the layer": {"ddof": (1, 0)},
    "biased variance of the instance": {"ddof": (0, 1)},
    "biased variances": {"ddof": (0, 0)},
    "biased variance of the instance, and the layer's made from it": {"ddof": (0, "folded")},
    "gamma and beta swapped": {"swap": True},
    "eps outside the root": {"outside": True},
    "1 - rho for rho": {"rho": lambda rho: 1 - rho},
    "instance normalisation only": {"rho": torch.ones_like},
    "layer normalisation only": {"rho": torch.zeros_like},
    "statistics detached": {"detach": True},
    "gamma + 1 for gamma": {"plus": 1},
}


def _transfer(layer, x, y, ddof=(1, 1), outside=False, power=1, scale=True):
    """AdaIN with an option for each mistake; `ddof` is (content's, style's)."""

    def deviation(z, correction):
        var = z.var((2, 3), correction=correction, keepdim=True)
        return torch.sqrt(var) + layer.eps if outside else torch.sqrt(var + layer.eps)

    centred = x - x.mean((2, 3), keepdim=True)
    scaled = centred / deviation(x, ddof[0]) * deviation(y, ddof[1]) ** power if scale else centred
    return scaled + y.mean((2, 3), keepdim=True)


_TRANSFERS = {
    "biased variances": {"ddof": (0, 0)},
    "biased variance of the content": {"ddof": (0, 1)},
    "biased variance of the style": {"ddof": (1, 0)},
    "eps outside the root": {"outside": True},
    "variance of the style for its deviation": {"power": 2},
    "means only": {"scale": False},
}


class _Wrong(SpectralNorm):
    """PyTorch's hook with one mistake, chosen by `mistake`."""

    mistake = ""

    def __call__(self, module, inputs):
        iterate = module.training or self.mistake == "always"
        kept = [getattr(module, f"{self.name}_{x}").clone() for x in "uv"]
        setattr(module, self.name, self.compute_weight(module, do_power_iteration=iterate))
        if self.mistake == "frozen":
            for x, vector in zip("uv", kept, strict=True):
                getattr(module, f"{self.name}_{x}").copy_(vector)

    def compute_weight(self, module, do_power_iteration):
        if self.mistake == "dim":
            return self._over_the_other_dim(module, do_power_iteration)
        if self.mistake == "gradient" and do_power_iteration:
            return self._with_gradient(module)
        weight = super().compute_weight(module, do_power_iteration)
        if self.mistake == "detached":
            raw = getattr(module, self.name + "_orig")
            sigma = self._sigma(module, self.reshape_weight_to_matrix(raw)).detach()
            return raw / sigma
        return weight

    def _sigma(self, module, matrix):
        u, v = (getattr(module, f"{self.name}_{x}").clone() for x in "uv")
        return torch.dot(u, torch.mv(matrix, v))

    def _over_the_other_dim(self, module, iterate):
        raw = getattr(module, self.name + "_orig")
        matrix = raw.transpose(0, 1).flatten(1)
        if iterate:
            with torch.no_grad():
                v = F.normalize(torch.mv(matrix.t(), getattr(module, self.name + "_u")), dim=0, eps=self.eps)
                getattr(module, self.name + "_v").copy_(v)
                getattr(module, self.name + "_u").copy_(F.normalize(torch.mv(matrix, v), dim=0, eps=self.eps))
        return raw / self._sigma(module, matrix)

    def _with_gradient(self, module):
        raw = getattr(module, self.name + "_orig")
        matrix = self.reshape_weight_to_matrix(raw)
        u, v = (getattr(module, f"{self.name}_{x}") for x in "uv")
        new_v = F.normalize(torch.mv(matrix.t(), u.clone()), dim=0, eps=self.eps)
        new_u = F.normalize(torch.mv(matrix, new_v), dim=0, eps=self.eps)
        u.copy_(new_u.detach())
        v.copy_(new_v.detach())
        return raw / torch.dot(new_u, torch.mv(matrix, new_v))


def _hook(leaf):
    return next((hook for hook in leaf._forward_pre_hooks.values() if isinstance(hook, SpectralNorm)), None)


def spectral_mistakes(leaf):
    """Yield mistakes of a layer with spectral normalisation."""
    if _hook(leaf) is None:
        return
    for name, mistake in (
        ("sigma detached", "detached"),
        ("power iteration with a gradient", "gradient"),
        ("power iteration in evaluation too", "always"),
        ("spectral norm over the wrong dim", "dim"),
        ("u and v iterated but not kept", "frozen"),
    ):
        yield name, lambda layer, mistake=mistake: _mistaken(layer, mistake)
    for count, name in ((0, "power iteration skipped"), (2, "two power iterations"), (3, "three power iterations")):
        yield name, lambda layer, count=count: _count(layer, count)


def _mistaken(layer, mistake):
    hook = _hook(layer)
    hook.__class__ = type("Wrong", (_Wrong,), {"mistake": mistake})


def _count(layer, count):
    hook = _hook(layer)
    hook.n_power_iterations = count
    if not count:
        hook.__class__ = type("Never", (SpectralNorm,), {"__call__": _never})


def _never(self, module, inputs):
    setattr(module, self.name, self.compute_weight(module, do_power_iteration=False))
