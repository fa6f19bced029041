"""Sampling from StyleGAN2: seeds to styles to images, with truncation and style mixing.

A seed determines both a latent and the noise of an image, the same on every machine. Images are returned in [-1,1], as
everywhere in the project; the generator's own range is [0,1], to which they are clipped as in the public code.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.data.transforms import random_bits, random_normal
from paddle_ugatit.inference.translate import evaluating, require_finite
from paddle_ugatit.models.stylegan2 import StyleGAN2Generator, StyleVectorizer

BATCH = 16
MEAN_OF = 2000  # styles averaged for the truncation
TRUNCATION = 0.75  # of the public code
_LATENT, _NOISE, _MEAN = 0, 1, 2  # separate streams of random numbers


class StyleGAN2Sampler:
    """The sampler of a style network and a generator.

    A latent is a style followed by the seed of the noise: float64 (latent_dim + 1,). A `truncation` below 1 moves
    styles towards their mean: less variety, fewer failures.
    """

    def __init__(self, style: nn.Layer, generator: nn.Layer, truncation: float = TRUNCATION):
        self.style, self.generator, self.truncation = style, generator, truncation
        self.size = generator.image_size
        self._mean: np.ndarray | None = None

    def latents(self, seeds: Sequence[int]) -> np.ndarray:
        """Return one style per seed, followed by the seed: float64 (n,latent_dim + 1)."""
        dim = self.generator.latent_dim
        styles = self._styles(np.stack([random_normal(seed, _LATENT, count=dim) for seed in seeds]))
        if self.truncation != 1:
            styles = self.mean + self.truncation * (styles - self.mean)
        return np.concatenate([styles, np.array(seeds, np.float64)[:, None]], 1)

    @property
    def mean(self) -> np.ndarray:
        """The mean style over MEAN_OF fixed latents: (latent_dim,)."""
        if self._mean is None:
            numbers = random_normal(0, _MEAN, count=MEAN_OF * self.generator.latent_dim)
            self._mean = self._styles(numbers.reshape(MEAN_OF, -1)).mean(0)
        return self._mean

    def _styles(self, latents: np.ndarray) -> np.ndarray:
        with evaluating(self.style):
            return self.style(_tensor(latents, self.style)).astype("float64").numpy()

    def between(self, one: np.ndarray, other: np.ndarray, count: int) -> np.ndarray:
        """Interpolate linearly between two styles, with the noise of the first: (count,latent_dim + 1)."""
        part = np.linspace(0, 1, count)[:, None]
        way = one + part * (other - one)
        way[:, -1] = one[-1]
        return way

    def images(self, latents: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Generate images (n,3,S,S) in [-1,1], and no attention maps."""
        return np.stack(list(self.stream(latents))), []

    def stream(self, latents: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the images (3,S,S) one by one."""
        yield from self._drawn(np.repeat(latents[:, None, :-1], self.generator.num_layers, 1), latents[:, -1])

    def mixed(self, rows: np.ndarray, columns: np.ndarray, first: int) -> np.ndarray:
        """Mix styles: those of `rows` in the first blocks, those of `columns` in the rest, for every pair.

        Latents (n,.), (m,.) -> images (n,m,3,S,S), with the noise of the row. Raises ValueError if the generator has
        fewer than `first` blocks.
        """
        layers = self.generator.num_layers
        if not 0 <= first <= layers:
            raise ValueError(f"this generator has {layers} blocks, {first} of them cannot be mixed")
        coarse = np.arange(layers)[:, None] < first
        styles = np.where(coarse, rows[:, None, None, :-1], columns[None, :, None, :-1])  # (n,m,layers,latent_dim)
        noise = np.repeat(rows[:, -1], len(columns))
        images = np.stack(list(self._drawn(styles.reshape(-1, *styles.shape[2:]), noise)))
        return images.reshape(len(rows), len(columns), *images.shape[1:])

    def _drawn(self, styles: np.ndarray, seeds: np.ndarray) -> Iterator[np.ndarray]:
        """The images of styles (n,layers,latent_dim) and of the seeds (n,) of their noise, one by one."""
        for start in range(0, len(styles), BATCH):
            noise = np.stack([self._noise(int(seed)) for seed in seeds[start : start + BATCH]])
            with evaluating(self.generator):
                arrays = (_tensor(array, self.generator) for array in (styles[start : start + BATCH], noise))
                images = self.generator(*arrays).astype("float32").numpy()
            require_finite(images)
            yield from images.clip(0, 1) * 2 - 1

    def _noise(self, seed: int) -> np.ndarray:
        return random_bits(seed, _NOISE, count=self.size**2).reshape(self.size, self.size, 1) / 2.0**64


def sampler_of(networks: dict[str, nn.Layer], path: Path | str, latest: bool) -> StyleGAN2Sampler | None:
    """Return the sampler of the running means SE and GE, or of S and G if they are absent or `latest`; or None.

    Raises InputError, naming `path`, if only one of the two networks is there.
    """
    for names in (("S", "G"), ("SE", "GE")) if latest else (("SE", "GE"), ("S", "G")):
        style, generator = (networks.get(name) for name in names)
        if style is not None and isinstance(generator, StyleGAN2Generator):
            return StyleGAN2Sampler(style, generator)
    if any(isinstance(network, StyleGAN2Generator | StyleVectorizer) for network in networks.values()):
        raise InputError(f"{path}: StyleGAN2 needs its style network S and its generator G, or SE and GE")
    return None


def _tensor(array: np.ndarray, network: nn.Layer) -> paddle.Tensor:
    return paddle.to_tensor(array).astype(next(iter(network.parameters())).dtype)
