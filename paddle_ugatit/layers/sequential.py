"""Layers in order, where a reflected border, and an upsampling before it, are fused with the convolution that follows.

Contents: chain, Sequential. Twin: torch.nn.Sequential. The fused form computes the same sum without storing the padded
and the enlarged map. A layer with a hook is run by itself, so that the hook sees its input and output;
`plain("fused")` of fast/dispatch.py runs every layer by itself.
"""

import paddle
from paddle import nn

from paddle_ugatit.layers.channels import channel_shift
from paddle_ugatit.layers.convolution import Conv2D
from paddle_ugatit.layers.fast import dispatch
from paddle_ugatit.layers.fast.bordered import bordered_conv
from paddle_ugatit.layers.recompute import recomputed
from paddle_ugatit.layers.reflection_pad import ReflectionPad2D
from paddle_ugatit.layers.upsample import Upsample

GROUPS = {(Upsample, ReflectionPad2D, Conv2D), (ReflectionPad2D, Conv2D)}


def chain(x: paddle.Tensor, *layers: nn.Layer) -> paddle.Tensor:
    """Apply the layers to x in order; the shapes are those of the layers."""
    done = 0
    while done < len(layers):
        group = next((group for group in GROUPS if _as_one(layers[done : done + len(group)], group, x)), ())
        last = layers[done + len(group) - 1] if group else layers[done]
        x = _fused(x, last, twice=Upsample in group) if group else last(x)
        done += len(group) or 1
    return x


def _fused(x: paddle.Tensor, conv: Conv2D, twice: bool) -> paddle.Tensor:
    out = bordered_conv(x, conv.weight, twice=twice)
    return out if conv.bias is None else channel_shift(out, conv.bias.reshape([1, -1, 1, 1]))


def _as_one(layers: tuple[nn.Layer, ...], group: tuple[type[nn.Layer], ...], x: paddle.Tensor) -> bool:
    """Return whether these layers are such a group, with the options that the fused form assumes."""
    if tuple(type(layer) for layer in layers) != group or any(map(_watched, layers)):
        return False
    *_, border, conv = layers
    simple = conv.spectral is None and (conv.stride, conv.padding) == (1, 0)
    return simple and border.padding == border.after == 1 and dispatch.fused(x, conv.weight, Upsample in group)


def _watched(layer: nn.Layer) -> bool:
    return "forward" in vars(layer) or bool(layer._forward_pre_hooks) or bool(layer._forward_post_hooks)


class Sequential(nn.Sequential):
    """Apply layers in order; the shapes are those of the layers. With `recompute` no map between them is kept."""

    recompute = False  # see layers/recompute.py

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return recomputed(self._applied, x) if self.recompute else self._applied(x)

    def _applied(self, x: paddle.Tensor) -> paddle.Tensor:
        return chain(x, *self)
