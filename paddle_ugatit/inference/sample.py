"""Pictures out of nothing: what a generator makes of seeds, between them, and where it looks.

A sampler is a generator at work, in evaluation mode and without gradients. It has
    size                  pixels of its images, height and width
    latents(seeds)        a latent for each whole number, the same everywhere: (n,z)
    between(one, other, count)   `count` latents on the way from one (z,) to another, both included: (count,z)
    images(latents)       (n,3,S,S) in [-1,1], and its attention maps, (n,N,N) each; none where it has no attention
    stream(latents)       the images one by one, with the memory of a batch
`of` finds the sampler of a checkpoint's networks: Sagan here, StyleGan2 in styles.py.
"""

import cv2
import numpy as np
import paddle

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data.transforms import random_normal, to_pixels
from paddle_ugatit.inference import heatmaps
from paddle_ugatit.inference.sample_stylegan2 import StyleGan2
from paddle_ugatit.inference.sheets import sheet
from paddle_ugatit.inference.translate import evaluating, require_finite
from paddle_ugatit.models import sagan, stylegan2

BATCH = 16
PLACES = ((0.3, 0.35), (0.3, 0.65), (0.5, 0.5), (0.8, 0.5))  # down and across: where attention is looked at
DOTS = ((255, 0, 0), (0, 255, 0), (0, 128, 255), (255, 255, 0))


def slerp(one, other, count) -> np.ndarray:
    """`count` vectors at equal angles from one (z,) to another, as long as those on the way should be: (count,z).

    On a straight line between two normal latents the middle is shorter than any latent that training has seen.
    """
    length = np.linalg.norm(one) * np.linalg.norm(other)
    angle = np.arccos(np.clip(one @ other / length, -1, 1)) if length else 0.0
    steps = np.linspace(0, 1, count)[:, None]
    if np.sin(angle) < 1e-6:
        return (1 - steps) * one + steps * other
    return (np.sin((1 - steps) * angle) * one + np.sin(steps * angle) * other) / np.sin(angle)


class Sagan:
    """The sampler of a SAGAN generator."""

    def __init__(self, network):
        self.network, self.size = network, network.image_size

    def latents(self, seeds):
        """Normal latents: float64 (n,z)."""
        return np.stack([random_normal(seed, count=self.network.z_dim) for seed in seeds])

    def between(self, one, other, count):
        """Along the great circle."""
        return slerp(one, other, count)

    def images(self, latents):
        """Images (n,3,S,S), and maps (n,N,N) of N = (S/4)^2 and (S/2)^2 places."""
        parts = [self._batch(latents[i : i + BATCH]) for i in range(0, len(latents), BATCH)]
        images, *maps = (np.concatenate(part) for part in zip(*parts, strict=True))
        return images, maps

    def stream(self, latents):
        """The images, (3,S,S) each."""
        for i in range(0, len(latents), BATCH):
            yield from self._batch(latents[i : i + BATCH])[0]

    def _batch(self, latents):
        with evaluating(self.network):
            dtype = next(iter(self.network.parameters())).dtype
            outputs = self.network(paddle.to_tensor(latents).astype(dtype))
        images, *maps = (output.astype("float32").numpy() for output in outputs)
        require_finite(images)
        return images, *maps


def of(networks, path, latest=False):
    """The sampler of the networks in a file (name -> layer); InputError where there is no such generator.

    Of StyleGAN2 the running means where the file has them, or the `latest` networks.
    """
    for names in (("S", "G"), ("SE", "GE")) if latest else (("SE", "GE"), ("S", "G")):
        style, generator = (networks.get(name) for name in names)
        if style is not None and isinstance(generator, stylegan2.Generator):
            return StyleGan2(style, generator)
    if any(isinstance(network, stylegan2.Generator | stylegan2.StyleVectorizer) for network in networks.values()):
        raise InputError(f"{path}: StyleGAN2 needs its style network S and its generator G, or SE and GE")
    for network in networks.values():
        if isinstance(network, sagan.Generator):
            return Sagan(network)
    kinds = ", ".join(sorted({type(network).__name__ for network in networks.values()}))
    raise InputError(f"{path}: holds no generator of SAGAN or StyleGAN2{kinds and ': '}{kinds}")


def attention_rows(images, maps) -> np.ndarray:
    """Where each image looks from four PLACES: uint8, a row an image; the image with its dots, then the maps of each.

    `images` (n,3,S,S); `maps` (n,N,N) each, of N places in rows. Brighter is more.
    """
    rows = []
    for number, image in enumerate(images):
        pixels = to_pixels(image)
        row = [_dotted(pixels, range(len(PLACES)))]
        for attention in maps:
            row += [_attended(pixels, attention[number], place) for place in range(len(PLACES))]
        rows.append(row)
    return sheet(rows)


def _attended(pixels, attention, place):
    """What is looked at from a place: the map over the image in grey, the place marked."""
    side = int(len(attention) ** 0.5)
    down, across = (int(part * side) for part in PLACES[place])
    coloured = heatmaps.coloured(attention[down * side + across].reshape(side, side), *pixels.shape[:2])
    grey = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return _dotted(heatmaps.overlay(grey, coloured, 0.65), [place])


def _dotted(pixels, places):
    pixels, size = pixels.copy(), len(pixels)
    radius = max(1, size // 32)
    for place in places:
        down, across = (int(part * size) for part in PLACES[place])
        pixels[down - radius : down + radius, across - radius : across + radius] = DOTS[place]
    return pixels
