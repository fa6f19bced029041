"""Sampling from a generator: images from seeds, interpolation between them, and attention maps.

`Sampler` is the interface; its classes, in sample_NAME.py, run a generator in evaluation mode and without gradients.
`of` builds the sampler for a checkpoint's networks.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from paddle import nn

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data.transforms import to_pixels
from paddle_ugatit.inference import heatmaps
from paddle_ugatit.inference.sheets import sheet
from paddle_ugatit.systems import sampled

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


def of(networks: dict[str, nn.Layer], path: Path | str, latest: bool = False) -> Sampler:
    """Return the sampler for the networks of a checkpoint, by name.

    Running means are used if the file has them, unless `latest`. Raises InputError, naming `path`, if there is no
    generator to sample from.
    """
    for system in sampled():
        if (sampler := system.sampling.sampler_of(networks, path, latest)) is not None:
            return sampler
    kinds = ", ".join(sorted({type(network).__name__ for network in networks.values()}))
    titles = " or ".join(system.title for system in sampled())
    raise InputError(f"{path}: holds no generator of {titles}{kinds and ': '}{kinds}")


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


def _attended(pixels: np.ndarray, attention: np.ndarray, place: int) -> np.ndarray:
    """The attention of one query over the image in grey, with the query marked."""
    side = int(len(attention) ** 0.5)
    down, across = (int(part * side) for part in PLACES[place])
    coloured = heatmaps.coloured(attention[down * side + across].reshape(side, side), *pixels.shape[:2])
    grey = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return _dotted(heatmaps.overlay(grey, coloured, 0.65), [place])


def _dotted(pixels: np.ndarray, places: Iterable[int]) -> np.ndarray:
    pixels, size = pixels.copy(), len(pixels)
    radius = max(1, size // 32)
    for place in places:
        down, across = (int(part * size) for part in PLACES[place])
        pixels[down - radius : down + radius, across - radius : across + radius] = DOTS[place]
    return pixels
