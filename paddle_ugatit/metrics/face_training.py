"""Training the network behind `--features faces` on drawn faces, whose attributes are known.

Contents: FaceTraining (its options), drawn, augmented, nothing, train, write.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import paddle
import paddle.nn.functional as F

from paddle_ugatit import formats
from paddle_ugatit.data.faces.attributes import ATTRIBUTES, MIRRORED, labels
from paddle_ugatit.data.faces.draw import draw
from paddle_ugatit.metrics.face_features import outputs, to_network
from paddle_ugatit.models.faces import SIZE, FaceNetwork

_KINDS = {"trainA": 1.0, "trainB": -1.0}  # photo-like, cartoon; 0 is neither
_NOTHING = 3  # every so many images one that is neither is added
_RANGES = (  # option, its smallest and its largest value
    *(("images", 1, 1_000_000), ("epochs", 1, 100_000), ("batch_size", 1, 1_000_000)),
    *(("lr", 0, 1), ("weight_decay", 0, 1), ("kind_weight", 0, 1e6), ("seed", 0, 2**63 - 1)),
)


@dataclass(frozen=True)
class FaceTraining:
    """The options of the training; each affects its result. Raises ValueError if a value is out of range."""

    images: int = 5000  # drawn faces of each domain
    epochs: int = 12
    batch_size: int = 64
    lr: float = 2e-3  # at the start; falls to 0 along a cosine
    weight_decay: float = 1e-3
    kind_weight: float = 4.0  # of the squared error of the kind beside the attributes' cross entropies
    seed: int = 7  # of the faces, the initial weights and the augmentation

    def __post_init__(self) -> None:
        for name, least, most in _RANGES:
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be {least:g} to {most:g}, got {getattr(self, name)}")
        if 2 * self.images < self.batch_size:
            raise ValueError(f"batch_size {self.batch_size} is larger than the data set of {2 * self.images} images")


def drawn(count: int, seed: int, progress: Callable[[int], object]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw `count` faces of each domain: pixels uint8 (2*count,64,64,3), classes int64 (2*count,attributes), kinds."""
    pixels, classes, kinds = [], [], []
    for split, kind in _KINDS.items():
        for index in range(count):
            pixels.append(draw(split, index, SIZE, seed))
            progress(1)
        classes.append(labels(split, count, seed))
        kinds.append(np.full(count, kind, np.float32))
    return np.stack(pixels), np.concatenate(classes), np.concatenate(kinds)


def augmented(pixels: np.ndarray, classes: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Move, turn, scale, mirror, tint, blur and roughen images at random, as little as keeps their attributes.

    uint8 (B,64,64,3), (B,attributes) -> float32 (B,64,64,3) in [0,255], (B,attributes).
    """
    found, classes = np.empty(pixels.shape, np.float32), classes.copy()
    middle = ((SIZE - 1) / 2, (SIZE - 1) / 2)
    for index, image in enumerate(pixels):
        place: np.ndarray = cv2.getRotationMatrix2D(middle, generator.uniform(-6, 6), generator.uniform(0.92, 1.08))
        place[:, 2] += generator.uniform(-3, 3, 2)
        moved: np.ndarray = cv2.warpAffine(image, place, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)
        if generator.random() < 0.5:
            moved = cv2.flip(moved, 1)
            for name, swapped in MIRRORED.items():
                column = list(ATTRIBUTES).index(name)
                classes[index, column] = swapped[classes[index, column]]
        tint, light = generator.uniform(0.95, 1.05, 3), generator.uniform(-6, 6)
        tinted: np.ndarray = (moved * tint + light).astype(np.float32)
        if generator.random() < 0.4:
            tinted = cv2.GaussianBlur(tinted, (0, 0), generator.uniform(0.3, 1.2))
        if generator.random() < 0.4:
            tinted = tinted + generator.normal(0, generator.uniform(1, 12), image.shape).astype(np.float32)
        found[index] = tinted
    return found.clip(0, 255), classes


def nothing(pixels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Make images that are of neither domain from faces: (B,64,64,3) -> float32 (B,64,64,3) in [0,255].

    Of each some: one colour, noise, a wide blur, shuffled tiles, what a random convolution makes of the image, as an
    untrained generator does, and faces smeared in shape and colour, as in the first hundreds of iterations.
    """
    return np.stack([_WITHOUT[generator.integers(len(_WITHOUT))](image, generator) for image in pixels]).clip(0, 255)


def _one_colour(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    colour = generator.uniform(0, 255, 3) if generator.random() < 0.5 else np.full(3, generator.uniform(0, 255))
    return np.broadcast_to(colour, image.shape).astype(np.float32)


def _noise(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    rough = generator.normal(generator.uniform(60, 200), generator.uniform(5, 80), image.shape)
    return cv2.GaussianBlur(rough.astype(np.float32), (0, 0), generator.uniform(0.2, 6))


def _wide_blur(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return cv2.GaussianBlur(image.astype(np.float32), (0, 0), generator.uniform(8, 30))


def _shuffled(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    side = int(generator.choice([2, 4, 8]))
    tiles = image.reshape(SIZE // side, side, SIZE // side, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
    tiles = tiles[generator.permutation(len(tiles))].reshape(SIZE // side, SIZE // side, side, side, 3)
    return tiles.swapaxes(1, 2).reshape(image.shape).astype(np.float32)


def _random_convolution(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A weak random filter across all channels, around a random grey."""
    side = int(generator.choice([3, 5, 7]))
    centred = image.astype(np.float32) / 127.5 - 1
    mixed = np.zeros_like(centred)
    for out in range(3):
        for channel in range(3):
            kernel = generator.normal(0, 1 / side, (side, side)).astype(np.float32)
            mixed[:, :, out] += cv2.filter2D(centred[:, :, channel], -1, kernel, borderType=cv2.BORDER_REFLECT)
    gain = generator.uniform(0.02, 0.4)
    return np.float32(127.5) * (1 + np.tanh(np.float32(gain) * mixed)) + np.float32(generator.normal(0, 4))


def _smeared(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Blurred, with colours mixed and edges of a random filter over them."""
    blurred = cv2.GaussianBlur(image.astype(np.float32), (0, 0), generator.uniform(1.5, 5))
    share = generator.uniform(0.2, 1)
    mix = share * np.eye(3) + (1 - share) / 3 + generator.normal(0, 0.15, (3, 3))
    mixed = (blurred - 127.5) @ mix.astype(np.float32) * np.float32(generator.uniform(0.5, 1.5))
    edges = _random_convolution(image, generator) - 127.5
    return np.float32(127.5 + generator.normal(0, 20)) + mixed + np.float32(generator.uniform(0, 1.5)) * edges


_WITHOUT = (_one_colour, _noise, _wide_blur, _shuffled, _random_convolution, _smeared, _smeared, _smeared)


def train(
    options: FaceTraining, network: FaceNetwork, data: tuple[np.ndarray, ...], progress: Callable[[str], object]
) -> None:
    """Train the network on what `drawn` returns; `progress(note)` is called after every step."""
    pixels, classes, kinds = data
    generator = np.random.default_rng(options.seed)
    steps = options.epochs * (len(pixels) // options.batch_size)
    rate = paddle.optimizer.lr.CosineAnnealingDecay(options.lr, steps)
    optimizer = paddle.optimizer.AdamW(rate, parameters=network.parameters(), weight_decay=options.weight_decay)
    for _ in range(options.epochs):
        order = generator.permutation(len(pixels))
        for start in range(0, len(order) - options.batch_size + 1, options.batch_size):
            chosen = order[start : start + options.batch_size]
            images, wanted = augmented(pixels[chosen], classes[chosen], generator)
            empty = nothing(pixels[chosen[::_NOTHING]], generator)
            kind = np.concatenate([kinds[chosen], np.zeros(len(empty), np.float32)])
            logits, found = network(paddle.to_tensor(to_network(np.concatenate([images, empty]))))
            loss = attribute_loss(logits[: len(chosen)], wanted)
            loss += options.kind_weight * ((found - paddle.to_tensor(kind)) ** 2).mean()
            loss.backward()
            optimizer.step()
            optimizer.clear_grad()
            rate.step()
            progress(f"loss {loss.item():.3f}")


def attribute_loss(logits: paddle.Tensor, classes: np.ndarray) -> paddle.Tensor:
    """Return the sum over attributes of the mean cross entropies: (B,classes), int64 (B,attributes) -> scalar."""
    parts = paddle.split(logits, [len(names) for names in ATTRIBUTES.values()], 1)
    wanted = paddle.to_tensor(classes)
    return sum((F.cross_entropy(part, wanted[:, column]) for column, part in enumerate(parts)), paddle.zeros([]))


def write(path: Path | str, network: FaceNetwork, pixels: np.ndarray) -> None:
    """Write the weights, and the features' mean and deviation over `pixels`, in half precision."""
    every = outputs(network.features, pixels)[1].astype(np.float64)
    deviation = every.std(0)
    arrays = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    # A feature that hardly varies would be rounding noise if it were divided by its own deviation alone.
    arrays |= {"mean": every.mean(0), "deviation": deviation + 1e-2 * deviation.mean()}
    half = {name: np.asarray(array, np.float16) for name, array in arrays.items()}
    formats.write(path, formats.Checkpoint({"": half}, "paddle"))
