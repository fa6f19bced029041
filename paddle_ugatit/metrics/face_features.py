"""Features that see drawn faces, and their attributes, by the small network that ships with the package.

Contents: FaceFeatures. Random features rank grey pictures near real ones; these were trained on both domains of the
procedural faces (docs/faces.md). They say nothing about photographs of people.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import paddle
from PIL import Image

from paddle_ugatit import formats
from paddle_ugatit.backend.compat import default_dtype
from paddle_ugatit.data.faces.attributes import ATTRIBUTES
from paddle_ugatit.models.faces import SIZE, FaceNetwork, dimensions
from paddle_ugatit.weights.pretrained import FACE_FEATURES, packaged

VERSION = "1"  # of what `features` makes of the network's; part of the key of the cache
RESIZE = "bicubic, antialiased, to 64 px"
_SOFTEST = 1.65  # where standardised features saturate, so that no odd image outweighs all others
# The kind's part in the mean product of two images of one kind, where the others make about 0.6. Less, and grey
# pictures would be farther from cartoons than photo-like faces; more, and so would those of a short training.
_KIND_SHARE = 1.3
_CHUNK = 64  # images per run of the network


class FaceFeatures:
    """The trained network as a feature extractor, by default the one that ships.

    Raises WeightError if its file is missing or damaged, CheckpointError if `file` cannot be read.
    """

    def __init__(self, file: Path | str | None = None):
        file = file or packaged(FACE_FEATURES)
        self.sha256 = formats.sha256(file)
        arrays = dict(formats.read(file).networks[""])
        self._mean, self._deviation = (arrays.pop(name).astype(np.float32) for name in ("mean", "deviation"))
        with default_dtype("float32"):
            self._network = FaceNetwork([len(classes) for classes in ATTRIBUTES.values()])
        self._network.set_state_dict({name: array.astype(np.float32) for name, array in arrays.items()})

    dimensions = dimensions() + 1

    def features(self, pixels: np.ndarray) -> np.ndarray:
        """Extract features: uint8 or float pixels (B,64,64,3) in [0,255] -> float32 (B,d).

        The network's features are standardised by their mean and deviation over both domains, and saturate at 1.65
        deviations; the last one is the kind: a photo-like face, a cartoon, or neither.
        """
        kinds, features = outputs(self._network.features, pixels)
        softened = _SOFTEST * np.tanh((features - self._mean) / (_SOFTEST * self._deviation))
        scaled = kinds[:, None] * float(np.sqrt(_KIND_SHARE * self.dimensions))
        return np.concatenate([softened, scaled], 1).astype(np.float32)

    def attributes(self, pixels: np.ndarray) -> np.ndarray:
        """Tell the attributes of faces: pixels (B,64,64,3) in [0,255] -> int64 (B, attributes), as in ATTRIBUTES."""
        logits, _ = outputs(self._network, pixels)
        bounds = np.cumsum([len(classes) for classes in ATTRIBUTES.values()])[:-1]
        return np.stack([part.argmax(1) for part in np.split(logits, bounds, axis=1)], 1)


def outputs(run: Callable[[paddle.Tensor], tuple[paddle.Tensor, ...]], pixels: np.ndarray) -> list[np.ndarray]:
    """Return what `run` makes of pixels (N,64,64,3), a chunk at a time: one array for each of its results."""
    parts = []
    with paddle.no_grad():
        for start in range(0, len(pixels), _CHUNK):
            x = paddle.to_tensor(to_network(pixels[start : start + _CHUNK]))
            parts.append([output.numpy() for output in run(x)])
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def resized(image: np.ndarray) -> np.ndarray:
    """Resize an image (H,W,3) uint8 to float32 (64,64,3) in [0,255], antialiased; one of that size is kept as it is."""
    if image.shape[:2] != (SIZE, SIZE):
        image = np.asarray(Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    return image.astype(np.float32)


def to_network(pixels: np.ndarray) -> np.ndarray:
    """Scale pixels in [0,255] to the network's input: (B,64,64,3) -> float32 (B,3,64,64) in [-1,1]."""
    scaled = pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))
