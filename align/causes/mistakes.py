"""Mistakes to try in PyTorch's model: `layer_mistakes` in a layer, `graph_mistakes` around it, `call_mistakes`.

A Mistake changes a freshly built twin in place, or replaces functions while it runs. It is named as the cause only if
the twin then gives what Paddle gave; so a mistake may be far-fetched, but its name must be exact.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations

import torch
import torch.nn.functional as F
from torch import nn

from align.causes import generic, stylegan2
from align.causes.norms import norm_mistakes, spectral_mistakes
from align.causes.sagan import sagan_mistakes
from align.compare import torch_side
from align.planting import grid_matrix, put, run
from torch_ref.layers.norm import ILN, AdaILN
from torch_ref.models import ugatit

attend = ugatit.attend


@dataclass(frozen=True)
class Mistake:
    """One mistake: `plant(layer)` makes it in a layer, `patches` (owner, attribute, replacement) in functions.

    If `whole`, `plant` takes the model instead of the blamed layer.
    """

    name: str
    plant: Callable | None = None
    patches: tuple = ()
    whole: bool = False


def layer_mistakes(model, path, arguments, size):
    """Yield mistakes of the leaf at `path`, given the shapes of its arguments and of its first output."""
    leaf = model.get_submodule(path)
    for name, plant in _layer_plants(model, path, leaf, arguments, size):
        yield Mistake(name, plant)


def _layer_plants(model, path, leaf, arguments, size):
    yield from getattr(leaf, "mistakes", dict)().items()  # those that a layer declares itself
    yield from norm_mistakes(leaf)
    yield from spectral_mistakes(leaf)
    yield from stylegan2.layer_mistakes(leaf)
    if isinstance(leaf, nn.ReflectionPad2d | nn.ZeroPad2d | nn.ReplicationPad2d):
        yield from _pads(leaf)
    if isinstance(leaf, nn.AvgPool1d | nn.AvgPool2d | nn.AvgPool3d | nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d):
        for name in ("ceil_mode", "count_include_pad"):
            if hasattr(leaf, name):
                yield f"{name} {not getattr(leaf, name)}", put(**{name: not getattr(leaf, name)})
    if isinstance(leaf, nn.ConvTranspose2d):
        for padding in ((0, 0), (1, 1)):
            yield f"output padding {padding[0]}", put(output_padding=padding)
    if hasattr(leaf, "p"):
        yield "dropout scales in evaluation, not in training", run(lambda own, layer, *a: own(*a) * (1 - layer.p))
    if len(arguments) == 1 and not list(leaf.parameters()):
        if len(arguments[0]) in (3, 4, 5) and arguments[0][2:] != size[2:]:
            yield from _resizes(size)
        if arguments[0] == size:
            yield from _activations(leaf)
    yield from generic.layer_mistakes(leaf, arguments)
    yield from _inputs(arguments)
    yield from _parameters(model, path, leaf)


def _pads(leaf):
    for mode in ("constant", "replicate", "circular", "reflect"):
        word = "zero" if mode == "constant" else mode
        yield f"{word} pad", run(lambda own, layer, x, mode=mode: F.pad(x, layer.padding, mode))
    names = ("left", "right", "top", "bottom")
    for order in permutations(range(4)):
        shuffled = tuple(leaf.padding[i] for i in order)
        if shuffled != tuple(leaf.padding):
            yield f"pad order {', '.join(names[i] for i in order)}", put(padding=shuffled)


def _resizes(size):
    for mode in ("nearest", "nearest-exact", "area"):
        yield f"resize {mode}", run(lambda own, layer, x, mode=mode: F.interpolate(x, tuple(size[2:]), mode=mode))
    for mode in {3: ("linear",), 4: ("bilinear", "bicubic"), 5: ("trilinear",)}[len(size)]:
        for corners in (False, True):
            options = {"mode": mode, "align_corners": corners}
            name = f"resize {mode}, align_corners {corners}"
            yield name, run(lambda own, layer, x, o=options: F.interpolate(x, tuple(size[2:]), **o))

    if len(size) != 4:
        return

    def asymmetric(own, layer, x):
        rows, columns = (torch.from_numpy(grid_matrix(x.shape[i], size[i], "asymmetric")).to(x) for i in (2, 3))
        return rows @ x @ columns.t()

    yield "resize bilinear, asymmetric grid", run(asymmetric)


ACTIVATIONS = {
    "none": lambda x: x * 1,
    "ReLU": F.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "GELU": F.gelu,
    "GELU by tanh": lambda x: F.gelu(x, approximate="tanh"),
    "SiLU": F.silu,
    "ELU": F.elu,
    "hardtanh": F.hardtanh,
    "ReLU6": F.relu6,
    "Mish": F.mish,
    "softplus": F.softplus,
    "SELU": F.selu,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "SiLU with 1.702 (quick GELU)": lambda x: x * torch.sigmoid(1.702 * x),
    **{f"slope {slope:g}": lambda x, slope=slope: F.leaky_relu(x, slope) for slope in (0.01, 0.02, 0.1, 0.2, 0.3)},
}


def _activations(leaf):
    for name, function in ACTIVATIONS.items():
        yield f"activation: {name}", run(lambda own, layer, x, f=function: f(x))
    slope = getattr(leaf, "negative_slope", 0.0)
    for at_zero in (0, 0.5, 1):

        def gradient(own, layer, x, at_zero=at_zero):
            inside = (x > 0).to(x) + slope * (x < 0).to(x) + at_zero * (x == 0).to(x)
            return x * inside

        yield f"gradient {at_zero:g} at exactly zero", run(gradient)


def _inputs(arguments):
    for i, shape in enumerate(arguments):
        for j in range(i + 1, len(arguments)):
            if shape == arguments[j]:
                order = [j if n == i else i if n == j else n for n in range(len(arguments))]
                yield f"arguments {i} and {j} swapped", run(lambda own, layer, *a, o=order: own(*(a[n] for n in o)))
            if (len(shape), len(arguments[j])) == (2, 1) and shape == (arguments[j][0], 1):
                yield "(N,1) with (N,) broadcast to (N,N)", run(_broadcast)
        if len(shape) == 4 and shape[2] == shape[3]:
            yield f"height and width of argument {i} swapped", _argument(i, lambda x: x.transpose(2, 3))
        if len(shape) == 4:
            yield f"channels of argument {i} reversed", _argument(i, lambda x: x.flip(1))
        for shift in (1, -1):
            yield f"argument {i} shifted by {shift:+d}", _argument(i, lambda x, shift=shift: x + shift)
        yield f"argument {i} rounded to float32", _argument(i, lambda x: x.float().to(x.dtype))
        yield f"argument {i} detached", _argument(i, lambda x: x.detach())


def _argument(i, change):
    return run(lambda own, layer, *a: own(*(change(x) if n == i else x for n, x in enumerate(a))))


def _broadcast(own, layer, x, target):
    n = x.shape[0]
    return own(x.expand(n, n).reshape(n * n, 1), target.expand(n, n).reshape(n * n))


def _parameters(model, path, leaf):
    for leaf_name, parameter in leaf.named_parameters():
        yield f"{leaf_name} zero", _set(leaf_name, torch.zeros_like)
        yield f"{leaf_name} without a gradient", _freeze(leaf_name)
        if parameter.ndim > 1 and parameter.shape[0] == parameter.shape[1]:
            turned = lambda p: p.transpose(0, 1)  # noqa: E731
            yield f"{leaf_name} transposed", _set(leaf_name, turned, turned)
        if parameter.ndim == 4:
            yield f"{leaf_name} mirrored", _set(leaf_name, lambda p: p.flip(2, 3))
        for other, value in model.named_parameters():
            if value.shape == parameter.shape and value is not parameter:
                values = value.detach().clone()
                yield f"{other} for {leaf_name}", _set(leaf_name, lambda p, values=values: values)


def _set(name, change, back=None):
    def plant(layer):
        parameter = getattr(layer, name)
        parameter.data = change(parameter.detach()).clone()
        if back:
            parameter.register_hook(back)  # the gradient is that of the array as it is stored

    return plant


def _freeze(name):
    return lambda layer: getattr(layer, name).requires_grad_(False)


# Around the layer.


def graph_mistakes(model, path):
    """Yield mistakes in the code between layers."""
    for name, function in ATTENTIONS.items():
        yield Mistake(name, None, ((ugatit, "attend", function), (torch_side, "attend", function)))
    for name, replaced in _TENSORFLOW.items():
        yield Mistake(name, None, (replaced,))
    for name, replaced in stylegan2.GRAPH_MISTAKES.items():
        yield Mistake(name, None, (replaced,))
    for name, plant in sagan_mistakes(model, path):
        yield Mistake(name, plant, whole=True)
    yield from _softmaxes()
    parents = [".".join(path.split(".")[:n]) for n in range(path.count(".") + 1)]
    for parent in dict.fromkeys([*reversed(parents), ""]):
        module = model.get_submodule(parent)
        if isinstance(module, nn.Sequential):
            for i in range(len(module) - 1):
                name = f"layers {parent}.{i} and {parent}.{i + 1} in the other order"
                yield Mistake(name, lambda m, parent=parent, i=i: _swap(m.get_submodule(parent), i), whole=True)
    for place, module in model.named_modules():
        if hasattr(module, "revision") and not isinstance(module, AdaILN | ILN):
            other = "initial" if module.revision == "current" else "current"
            name = f"revision {other} of {place or 'the model'} (skip {'absent' if other == 'initial' else 'present'})"
            plant = lambda m, place=place, other=other: put(revision=other)(m.get_submodule(place))  # noqa: E731
            yield Mistake(name, plant, whole=True)


def strange_mistakes(model):
    """Yield mistakes of somebody's model: functions called with other arguments, layers without weights left out."""
    for place, module in model.named_modules():
        if place and not list(module.children()) and not list(module.parameters()):
            plant = lambda m, place=place: run(_identity)(m.get_submodule(place))  # noqa: E731
            yield Mistake(f"{place} ({type(module).__name__}) left out", plant, whole=True)
    for name, patches in generic.call_mistakes():
        yield Mistake(name, None, patches)


def _softmaxes():
    """Every softmax over another axis, however it is called."""
    for axis in (-1, -2, -3, 0, 1):
        for owner in (F, torch, torch.Tensor):
            yield Mistake(f"softmax over axis {axis}", None, ((owner, "softmax", _softmax_over(owner.softmax, axis)),))


def _softmax_over(right, axis):
    def softmax(x, *_dim, **_options):  # a function, since only functions become methods of a tensor
        return right(x, axis)

    return softmax


def _swap(sequence, i):
    layers = list(sequence)
    layers[i], layers[i + 1] = layers[i + 1], layers[i]
    names = list(sequence._modules)
    names[i], names[i + 1] = names[i + 1], names[i]
    sequence._modules.clear()
    sequence._modules.update(zip(names, layers, strict=True))


def call_mistakes(model, path):
    """Yield mistakes for a layer that only one side calls: it or a parent is left out, or called once more.

    Every `plant` takes the whole model.
    """
    parts = path.split(".")
    for n in range(1, len(parts) + 1):
        place = ".".join(parts[:n])
        yield Mistake(f"{place} left out", lambda m, place=place: run(_identity)(m.get_submodule(place)))
        yield Mistake(f"{place} called once more", lambda m, place=place: run(_once_more)(m.get_submodule(place)))

    def all_again(m, first=parts[0]):
        def forward(own, layer, *arguments):
            out = own(*arguments)
            layer.get_submodule(first)(*arguments)
            return out

        run(forward)(m)

    yield Mistake(f"{parts[0]} called once more, after all", all_again)
    for name, plant in sagan_mistakes(model, path):
        yield Mistake(name, plant)


def _identity(own, layer, x, *more):
    return x * 1


def _once_more(own, layer, *arguments):
    own(*arguments)
    return own(*arguments)


def _attention(change):
    """`attend` with changed weights; `change(gap_fc, gmp_fc, gap_weight, gmp_weight)` returns the two."""

    def wrong(x, gap_fc, gmp_fc, gap_weight, gmp_weight):
        _, logit = attend(x, gap_fc, gmp_fc, gap_weight, gmp_weight)
        gap, gmp = change(gap_fc, gmp_fc, gap_weight, gmp_weight)
        return torch.cat([x * gap[:, :, None, None], x * gmp[:, :, None, None]], 1), logit

    return wrong


def _ties_shared(x, gap_fc, gmp_fc, gap_weight, gmp_weight):
    gap = x * gap_weight[:, :, None, None]
    gmp = x * gmp_weight[:, :, None, None]
    logits = [gap_fc(x.mean((2, 3))), gmp_fc(x.amax((2, 3)))]
    return torch.cat([gap, gmp], 1), torch.cat(logits, 1)


ATTENTIONS = {
    "attention by the normalised weight": _attention(lambda a, b, gap, gmp: (a.weight, b.weight)),
    "gmp by gap's weight": _attention(lambda a, b, gap, gmp: (gap, gap)),
    "gap by gmp's weight": _attention(lambda a, b, gap, gmp: (gmp, gmp)),
    "gap's and gmp's weights swapped": _attention(lambda a, b, gap, gmp: (gmp, gap)),
    "attention: gap's weight detached": _attention(lambda a, b, gap, gmp: (gap.detach(), gmp)),
    "attention: gmp's weight detached": _attention(lambda a, b, gap, gmp: (gap, gmp.detach())),
    "attention: both weights detached": _attention(lambda a, b, gap, gmp: (gap.detach(), gmp.detach())),
    "tied maxima share the gradient": _ties_shared,
}


def _factor_without_bias(generator, x):
    head = generator.logit_fc if generator.older_cam else generator.cam_fc
    return ugatit.attend_twice(x, generator.cam_fc.weight), ugatit.cam_logits(x, head)


_TENSORFLOW = {  # slips of who ports the TensorFlow code's generators
    "rows of the first Linear by channel, height, width": (
        (ugatit.ResnetGenerator, "_flatten", lambda generator, x: x.flatten(1))
    ),
    "attention without the head's bias": (ugatit.ResnetGenerator, "_attend", _factor_without_bias),
}
