"""StyleGAN2 at work: seeds to styles to pictures, with truncation and mixing; a sampler as sample.py describes it.

A seed stands for a latent and for the noise of a picture, the same on every machine. Pictures leave here in [-1,1], as
everywhere in the project; the generator's own are in [0,1] and cut off there, as in the public code.
"""

import numpy as np
import paddle

from paddle_ugatit.data.transforms import random_bits, random_normal
from paddle_ugatit.inference.translate import evaluating, require_finite

BATCH = 16
MEAN_OF = 2000  # styles that the mean for the truncation is taken over
TRUNCATION = 0.75  # of the public code
_LATENT, _NOISE, _MEAN = 0, 1, 2  # what a stream of random numbers is for


class StyleGan2:
    """The sampler of a style network and a generator.

    A latent here is a style and, as its last number, the seed of the noise: float64 (latent_dim + 1,). With a
    `truncation` below 1 styles are drawn towards their mean: less variety, fewer failures.
    """

    def __init__(self, style, generator, truncation=TRUNCATION):
        self.style, self.generator, self.truncation = style, generator, truncation
        self.size, self._mean = generator.image_size, None

    def latents(self, seeds):
        """Styles, and the seeds again: float64 (n,latent_dim + 1)."""
        dim = self.generator.latent_dim
        styles = self._styles(np.stack([random_normal(seed, _LATENT, count=dim) for seed in seeds]))
        if self.truncation != 1:
            styles = self.mean + self.truncation * (styles - self.mean)
        return np.concatenate([styles, np.float64(seeds)[:, None]], 1)

    @property
    def mean(self):
        """The mean style, over MEAN_OF latents that are always the same: (latent_dim,)."""
        if self._mean is None:
            numbers = random_normal(0, _MEAN, count=MEAN_OF * self.generator.latent_dim)
            self._mean = self._styles(numbers.reshape(MEAN_OF, -1)).mean(0)
        return self._mean

    def _styles(self, latents):
        with evaluating(self.style):
            return self.style(_tensor(latents, self.style)).astype("float64").numpy()

    def between(self, one, other, count):
        """On a straight line from style to style, with the noise of the first: (count,latent_dim + 1)."""
        part = np.linspace(0, 1, count)[:, None]
        way = one + part * (other - one)
        way[:, -1] = one[-1]
        return way

    def images(self, latents):
        """Images (n,3,S,S) in [-1,1], and no attention maps."""
        return np.stack(list(self.stream(latents))), []

    def stream(self, latents):
        """The images, (3,S,S) each."""
        yield from self._drawn(np.repeat(latents[:, None, :-1], self.generator.num_layers, 1), latents[:, -1])

    def mixed(self, rows, columns, first):
        """For each of `rows` its style in the first blocks, and that of each of `columns` in the rest.

        Latents (n,.), (m,.) -> images (n,m,3,S,S), with the row's noise. ValueError unless there are `first` blocks.
        """
        layers = self.generator.num_layers
        if not 0 <= first <= layers:
            raise ValueError(f"this generator has {layers} blocks, {first} of them cannot be mixed")
        coarse = np.arange(layers)[:, None] < first
        styles = np.where(coarse, rows[:, None, None, :-1], columns[None, :, None, :-1])  # (n,m,layers,latent_dim)
        noise = np.repeat(rows[:, -1], len(columns))
        images = np.stack(list(self._drawn(styles.reshape(-1, *styles.shape[2:]), noise)))
        return images.reshape(len(rows), len(columns), *images.shape[1:])

    def _drawn(self, styles, seeds):
        """Images one by one, of styles (n,layers,latent_dim) and seeds (n,) of their noise."""
        for start in range(0, len(styles), BATCH):
            noise = np.stack([self._noise(int(seed)) for seed in seeds[start : start + BATCH]])
            with evaluating(self.generator):
                arrays = (_tensor(array, self.generator) for array in (styles[start : start + BATCH], noise))
                images = self.generator(*arrays).astype("float32").numpy()
            require_finite(images)
            yield from images.clip(0, 1) * 2 - 1

    def _noise(self, seed):
        return random_bits(seed, _NOISE, count=self.size**2).reshape(self.size, self.size, 1) / 2.0**64


def _tensor(array, network):
    return paddle.to_tensor(array).astype(next(iter(network.parameters())).dtype)
