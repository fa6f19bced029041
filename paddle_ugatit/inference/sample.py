"""Sampling from a generator: images from seeds, interpolation between them, and attention maps.

`Sampler` is the interface; its classes run a generator in evaluation mode and without gradients: Sagan here, StyleGan2
in sample_stylegan2.py. `of` builds the sampler for a checkpoint's networks.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import paddle
from paddle import nn

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data.transforms import random_normal, to_pixels
from paddle_ugatit.inference import heatmaps
from paddle_ugatit.inference.sample_stylegan2 import StyleGan2
from paddle_ugatit.inference.sheets import sheet
from paddle_ugatit.inference.translate import evaluating, require_finite
from paddle_ugatit.models import sagan, stylegan2

BATCH = 16
PLACES = ((0.3, 0.35), (0.3, 0.65), (0.5, 0.5), (0.8, 0.5))  # down and across: queries whose attention is shown
DOTS = ((255, 0, 0), (0, 255, 0), (0, 128, 255), (255, 255, 0))


class Sampler(Protocol):
    """What a sampler offers."""

    size: int  # height and width of its images in pixels

    def latents(self, seeds: Sequence[int]) -> np.ndarray:
        """Return one latent per seed, the same on every machine: (n,z)."""

    def between(self, one: np.ndarray, other: np.ndarray, count: int) -> np.ndarray:
        """Interpolate from one latent (z,) to another, both included: (count,z)."""

    def images(self, latents: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Generate images (n,3,S,S) in [-1,1] and attention maps (n,N,N), none if the network has no attention."""

    def stream(self, latents: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the images (3,S,S) one by one, with the memory of one batch."""


def slerp(one: np.ndarray, other: np.ndarray, count: int) -> np.ndarray:
    """Interpolate from one vector (z,) to another in equal angles: (count,z).

    On a straight line between two normal latents, the middle is shorter than any latent seen in training.
    """
    length = np.linalg.norm(one) * np.linalg.norm(other)
    angle = np.arccos(np.clip(one @ other / length, -1, 1)) if length else 0.0
    steps = np.linspace(0, 1, count)[:, None]
    if np.sin(angle) < 1e-6:
        return (1 - steps) * one + steps * other
    return (np.sin((1 - steps) * angle) * one + np.sin(steps * angle) * other) / np.sin(angle)


class Sagan:
    """The sampler of a SAGAN generator."""

    def __init__(self, network: nn.Layer):
        self.network, self.size = network, network.image_size

    def latents(self, seeds: Sequence[int]) -> np.ndarray:
        """Return one normal latent per seed: float64 (n,z)."""
        return np.stack([random_normal(seed, count=self.network.z_dim) for seed in seeds])

    def between(self, one: np.ndarray, other: np.ndarray, count: int) -> np.ndarray:
        """Interpolate along the great circle: (count,z)."""
        return slerp(one, other, count)

    def images(self, latents: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Generate images (n,3,S,S), and maps (n,N,N) over N = (S/4)^2 and (S/2)^2 positions."""
        parts = [self._batch(latents[i : i + BATCH]) for i in range(0, len(latents), BATCH)]
        images, *maps = (np.concatenate(part) for part in zip(*parts, strict=True))
        return images, maps

    def stream(self, latents: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the images (3,S,S) one by one."""
        for i in range(0, len(latents), BATCH):
            yield from self._batch(latents[i : i + BATCH])[0]

    def _batch(self, latents):
        with evaluating(self.network):
            dtype = next(iter(self.network.parameters())).dtype
            outputs = self.network(paddle.to_tensor(latents).astype(dtype))
        images, *maps = (output.astype("float32").numpy() for output in outputs)
        require_finite(images)
        return images, *maps


def of(networks: dict[str, nn.Layer], path: Path | str, latest: bool = False) -> Sagan | StyleGan2:
    """Return the sampler for the networks of a checkpoint, by name.

    For StyleGAN2 it uses the running means if the file has them, unless `latest`. Raises InputError, naming `path`, if
    there is no generator to sample from.
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


def attention_rows(images: np.ndarray, maps: list[np.ndarray]) -> np.ndarray:
    """Draw the attention of four queries, PLACES, one row per image: the image with dots, then the map of each query.

    `images` is (n,3,S,S), each of `maps` (n,N,N) over N positions in row-major order. The result is uint8
    (n*S, columns*S, 3).
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
    """The attention of one query over the image in grey, with the query marked."""
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
