"""StyleGAN2's generator at work: seeds to styles to pictures, with truncation, mixing and interpolation.

A seed stands for a latent and for the noise of a picture, the same on every machine. Pictures leave here in [-1,1], as
everywhere in the project; the generator's own are in [0,1], and are cut off there as the public code does.
"""

import math

import numpy as np
import paddle

from paddle_ugatit.data.transforms import to_pixels
from paddle_ugatit.errors import InputError
from paddle_ugatit.inference import evaluating
from paddle_ugatit.sheets import sheet

MEAN_OF = 2000  # styles that the mean for the truncation is taken over
BATCH = 16
_LATENT, _NOISE, _MEAN = 0, 1, 2  # what a stream of random numbers is for


def _random(seed, purpose):
    return np.random.Generator(np.random.PCG64([seed, purpose]))


def latents_of(seeds, latent_dim) -> np.ndarray:
    """Latents from N(0,1): float32 (n,latent)."""
    return np.stack([_random(seed, _LATENT).standard_normal(latent_dim, np.float32) for seed in seeds])


def styles_of(style, latents, truncation=1.0, mean=None) -> np.ndarray:
    """Styles (n,latent) of latents (n,latent), drawn towards the `mean` style where `truncation` is below 1."""
    with evaluating(style):
        found = style(paddle.to_tensor(latents).astype(next(iter(style.parameters())).dtype)).astype("float32").numpy()
    if truncation == 1:
        return found
    mean = mean_style(style) if mean is None else mean
    return mean + truncation * (found - mean)


def mean_style(style) -> np.ndarray:
    """The mean style (latent,), over MEAN_OF latents that are always the same."""
    latent_dim = style.net[0].weight.shape[0]
    return styles_of(style, _random(0, _MEAN).standard_normal((MEAN_OF, latent_dim), np.float32)).mean(0)


def pictures(generator, styles, seeds):
    """Images float32 (3,S,S) in [-1,1], one after another, of styles (n,layers,latent); `seeds` (n,) of their noise."""
    size, dtype = generator.image_size, next(iter(generator.parameters())).dtype
    for start in range(0, len(styles), BATCH):
        noise = [_random(seed, _NOISE).random((size, size, 1), np.float32) for seed in seeds[start : start + BATCH]]
        arrays = (paddle.to_tensor(array).astype(dtype) for array in (styles[start : start + BATCH], np.stack(noise)))
        with evaluating(generator):
            images = generator(*arrays).astype("float32").numpy()
        if not np.isfinite(images).all():
            raise InputError("the generator gives NaN: its weights are damaged")
        yield from images.clip(0, 1) * 2 - 1


def everywhere(generator, styles) -> np.ndarray:
    """One style for all blocks: (n,latent) -> (n,layers,latent)."""
    return np.repeat(styles[:, None], generator.num_layers, 1)


def sampled(style, generator, seeds, truncation=1.0):
    """The images of seeds, (3,S,S) in [-1,1], one after another."""
    styles = styles_of(style, latents_of(seeds, generator.latent_dim), truncation)
    yield from pictures(generator, everywhere(generator, styles), seeds)


def mixed(generator, coarse, fine, seeds, first):
    """For each of `coarse` (n,latent) a row: its style in the `first` blocks and each of `fine` (m,latent) in the rest.

    (n,m,3,S,S); the noise is that of the row's seed.
    """
    rows = []
    for one, seed in zip(coarse, seeds, strict=True):
        styles = everywhere(generator, fine)
        styles[:, :first] = one
        rows.append(np.stack(list(pictures(generator, styles, [seed] * len(fine)))))
    return np.stack(rows)


def between(first, second, steps) -> np.ndarray:
    """Styles (steps,latent) from one (latent,) to another, in equal steps, both included."""
    part = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    return first + part * (second - first)


def grid(images, columns=None) -> np.ndarray:
    """Images (3,S,S) in [-1,1] as one picture, nearly square or with so many columns: uint8 (H,W,3)."""
    pixels = [to_pixels(image) for image in images]
    columns = columns or math.ceil(math.sqrt(len(pixels)))
    pixels += [np.full_like(pixels[0], 255)] * (-len(pixels) % columns)
    return sheet(pixels[start : start + columns] for start in range(0, len(pixels), columns))
