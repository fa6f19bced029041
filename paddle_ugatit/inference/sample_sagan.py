"""Sampling from SAGAN: seeds to latents to images, with attention maps. `Sampler` in sample.py is the interface."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from paddle_ugatit.data.transforms import random_normal
from paddle_ugatit.inference.sample import slerp
from paddle_ugatit.inference.translate import evaluating, require_finite
from paddle_ugatit.models.sagan import SAGANGenerator

BATCH = 16


class SAGANSampler:
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

    def _batch(self, latents: np.ndarray) -> tuple[np.ndarray, ...]:
        with evaluating(self.network):
            dtype = next(iter(self.network.parameters())).dtype
            outputs = self.network(paddle.to_tensor(latents).astype(dtype))
        images, *maps = (output.astype("float32").numpy() for output in outputs)
        require_finite(images)
        return images, *maps


def sampler_of(networks: dict[str, nn.Layer], path: Path | str, latest: bool) -> SAGANSampler | None:
    """Return the sampler of the first SAGAN generator among these networks, or None."""
    generators = [network for network in networks.values() if isinstance(network, SAGANGenerator)]
    return SAGANSampler(generators[0]) if generators else None
