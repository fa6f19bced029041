"""Layers one after another; a border, and an upsampling before it, become part of the convolution that follows.

Contents: chain, Sequential. Twin: torch.nn.Sequential. That is the same sum without the padded and the enlarged map, in
other code: where someone watches a layer (a hook, or a forward of its own, as the parity harness has), the layers run
one by one. The harness compares both with PyTorch.
"""

from paddle import nn

from paddle_ugatit.layers.basic import Conv2D, ReflectionPad2D, Upsample
from paddle_ugatit.layers.convolution import bordered_conv, has_bordered_conv

GROUPS = (Upsample, ReflectionPad2D, Conv2D), (ReflectionPad2D, Conv2D)


def chain(x, *layers):
    """What the layers make of x, each of what the one before it gave."""
    done = 0
    while done < len(layers):
        group = next((group for group in GROUPS if _as_one(layers[done : done + len(group)], group, x)), ())
        last = layers[done + len(group) - 1] if group else layers[done]
        x = bordered_conv(x, last.weight, twice=Upsample in group) if group else last(x)
        done += len(group) or 1
    return x


def _as_one(layers, group, x):
    """Whether these layers are such a group, alike in all that the shortcut takes for granted."""
    if tuple(type(layer) for layer in layers) != group or any(map(_watched, layers)):
        return False
    *_, border, conv = layers
    plain = conv.bias is None and (conv.stride, conv.padding, conv.raw) == (1, 0, "weight")
    return plain and border.padding == 1 and has_bordered_conv(x, conv.weight)


def _watched(layer):
    return "forward" in vars(layer) or bool(layer._forward_pre_hooks) or bool(layer._forward_post_hooks)


class Sequential(nn.Sequential):
    """Layers one after another: the shapes are theirs."""

    def forward(self, x):
        return chain(x, *self)
