"""Inference with a generator on images of any size, in evaluation mode and without gradients."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import paddle
from paddle import nn

from paddle_ugatit.backend import device
from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.models.ugatit import ResnetGenerator

SMALLEST = 5  # pixels: the smallest side that a light generator takes


@contextmanager
def evaluating(*networks: nn.Layer) -> Iterator[None]:
    """Within the block, networks are in evaluation mode and gradients are off; each layer's mode is restored after."""
    modes = [(layer, layer.training) for network in networks for layer in network.sublayers(include_self=True)]
    for network in networks:
        network.eval()
    try:
        with paddle.no_grad():
            yield
    finally:
        for layer, training in modes:
            layer.training = training


def generate(network: ResnetGenerator, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Translate images in [-1,1]: (B,3,H,W) -> translated images (B,3,H,W), heatmaps (B,h,w).

    A light generator takes any size: a side that is not a multiple of 4 is padded by reflection below or to the right,
    and the padding is cut from the result. Raises InputError if the generator does not take images of this size or
    returns NaN.
    """
    height, width = images.shape[2:]
    require_size(network, height, width)
    below, right = -height % 4, -width % 4
    padded = np.pad(images, ((0, 0), (0, 0), (0, below), (0, right)), "reflect") if below or right else images
    with evaluating(network):
        dtype = next(iter(network.parameters())).dtype
        batch = paddle.to_tensor(padded).astype(dtype)
        # A CPU is faster with one image at a time, whose maps stay in its caches.
        found = [network(part) for part in (batch.split(len(batch)) if device.on_cpu(batch) else [batch])]
    translated, heatmaps = (np.concatenate([outputs[n].astype("float32").numpy() for outputs in found]) for n in (0, 2))
    translated = translated[:, :, :height, :width]
    require_finite(translated)
    return translated, heatmaps[:, 0]


def require_finite(images: np.ndarray, network: str = "generator") -> None:
    """Raise InputError if a network returned NaN or infinity."""
    if not np.isfinite(images).all():
        raise InputError(f"the {network} gives NaN: its weights are damaged")


def require_size(network: ResnetGenerator, height: int, width: int) -> None:
    """Raise InputError if the generator does not take images of this size."""
    if not network.light and (height, width) != (network.img_size, network.img_size):
        raise InputError(
            f"a full model takes images of {network.img_size}x{network.img_size} pixels only, "
            f"not {width}x{height}: resize"
        )
    if min(height, width) < SMALLEST:
        raise InputError(f"{width}x{height} pixels are too few: at least {SMALLEST}x{SMALLEST} are needed")
