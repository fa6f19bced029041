"""Generators at work on images of any size: no gradients, evaluation mode, memory of one batch."""

from contextlib import contextmanager

import numpy as np
import paddle

from paddle_ugatit.backend.errors import InputError

_SMALLEST = 5  # pixels, of what a light generator takes


@contextmanager
def evaluating(*networks):
    """No gradients and evaluation mode within the block; afterwards each layer is in the mode it was in."""
    modes = [(layer, layer.training) for network in networks for layer in network.sublayers(include_self=True)]
    for network in networks:
        network.eval()
    try:
        with paddle.no_grad():
            yield
    finally:
        for layer, training in modes:
            layer.training = training


def generate(network, images) -> tuple[np.ndarray, np.ndarray]:
    """Images (B,3,H,W) in [-1,1] through a generator: translated images (B,3,H,W), heatmaps (B,h,w).

    A light generator takes any size: what 4 does not divide is padded by reflection below and to the right, and cut
    off again, of the heatmap too as far as its coarser grid permits. Raises InputError for a size that the generator
    cannot take, and where it gives NaN.
    """
    height, width = images.shape[2:]
    require_size(network, height, width)
    below, right = -height % 4, -width % 4
    padded = np.pad(images, ((0, 0), (0, 0), (0, below), (0, right)), "reflect") if below or right else images
    with evaluating(network):
        dtype = next(iter(network.parameters())).dtype
        translated, _, heatmap = network(paddle.to_tensor(padded).astype(dtype))
    translated = translated.astype("float32").numpy()[:, :, :height, :width]
    require_finite(translated)
    return translated, heatmap.astype("float32").numpy()[:, 0]


def require_finite(images, network="generator"):
    """Raise InputError where what a network gave is no picture."""
    if not np.isfinite(images).all():
        raise InputError(f"the {network} gives NaN: its weights are damaged")


def require_size(network, height, width):
    """Raise InputError unless the generator takes images of this size."""
    if not network.light and (height, width) != (network.img_size, network.img_size):
        raise InputError(
            f"this is a full model, which takes {network.img_size}x{network.img_size} pixels only, "
            f"not {width}x{height}: resize"
        )
    if min(height, width) < _SMALLEST:
        raise InputError(f"{width}x{height} pixels are too few: {_SMALLEST}x{_SMALLEST} or more")
