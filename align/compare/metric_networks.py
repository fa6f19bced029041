"""The networks of the metrics besides the public Inception, stated plainly in PyTorch: for faces, and a random one."""

import numpy as np
import torch
import torch.nn.functional as F

from paddle_ugatit import formats
from paddle_ugatit.weights.pretrained import FACE_FEATURES, packaged
from torch_ref.layers.batch_norm import FrozenBatchNorm2D
from torch_ref.models.inception import InceptionV3

# The classes of each attribute: hair colour, cut, fringe, skin, eyes, glasses, beard, pose, mouth, expression.
CLASSES = (6, 6, 4, 3, 5, 2, 2, 3, 2, 2)
_STRIDES = (2, 1, 2, 1, 2, 1, 2)
_POOLED = (0, 1, 3, 5, 6)  # the convolutions after which means and deviations are taken


class Faces:
    """The network that ships for drawn faces, in float64; pixels are (B,64,64,3) in [0, 255]."""

    def __init__(self):
        arrays = formats.read(packaged(FACE_FEATURES)).networks[""]
        self._arrays = {name: torch.from_numpy(np.asarray(array, np.float64)) for name, array in arrays.items()}

    def features(self, pixels):
        """(B,641): the embedding, means and deviations of five maps, all standardised and softened; and the kind."""
        _, kind, plain = self._outputs(pixels)
        softened = 1.65 * torch.tanh((plain - self._arrays["mean"]) / self._arrays["deviation"] / 1.65)
        return torch.cat([softened, kind * np.sqrt(1.3 * (softened.shape[1] + 1))], 1).numpy()

    def outputs(self, pixels):
        """(B,n): what the network itself gives, logits and kind, then kind and features."""
        logits, kind, plain = self._outputs(pixels)
        return torch.cat([logits, kind, kind, plain], 1).numpy()

    def _outputs(self, pixels):
        maps, embedded = self._run(pixels)
        parts = [embedded]
        for stage in _POOLED:
            parts += [maps[stage].mean((2, 3)), maps[stage].var((2, 3), unbiased=False).sqrt()]
        kind = torch.tanh(self._linear("kind", embedded))
        return self._linear("attributes", embedded), kind, torch.cat(parts, 1)

    def attributes(self, pixels):
        """(B,10): the likeliest class of each attribute."""
        logits = self._linear("attributes", self._run(pixels)[1])
        return np.stack([part.argmax(1).numpy() for part in torch.split(logits, CLASSES, 1)], 1)

    def _run(self, pixels):
        x = torch.from_numpy(pixels.astype(np.float64).transpose(0, 3, 1, 2) / 127.5 - 1)
        maps = []
        for i, stride in enumerate(_STRIDES):
            x = F.relu(self._conv(f"convs.{i}", x, stride, 1))
            maps.append(x)
        squeezed = F.relu(self._conv("squeeze", x, 1, 0))
        return maps, F.relu(self._linear("embed", squeezed.flatten(1)))

    def _conv(self, name, x, stride, padding):
        return F.conv2d(x, self._arrays[f"{name}.weight"], self._arrays[f"{name}.bias"], stride, padding)

    def _linear(self, name, x):
        return x @ self._arrays[f"{name}.weight"] + self._arrays[f"{name}.bias"]


def shapes_of_inception():
    """The names and shapes of the twin's weights at its full width, without making them."""
    with torch.device("meta"):
        network = InceptionV3()
    return dict(sorted((key, tuple(value.shape)) for key, value in network.state_dict().items()))


def random_inception(narrow, seed):
    """The random Inception by its definition: drawn from one stream, each batch norm set to its input's statistics."""
    rng = np.random.default_rng(seed)
    network = InceptionV3(narrow).double().requires_grad_(False)
    for key, value in network.named_parameters():
        value.copy_(torch.from_numpy(_drawn(key, tuple(value.shape), rng).astype(np.float32)))
    norms = [layer for layer in network.modules() if isinstance(layer, FrozenBatchNorm2D)]
    for norm in norms:
        norm.register_forward_pre_hook(_calibrate)
    network(torch.from_numpy(_patches(rng)))
    return {key: value.numpy() for key, value in network.state_dict().items()}


def _drawn(key, shape, rng):
    if ".bn." in key:
        return rng.uniform(0.5, 1.5, shape) if key.endswith("weight") else rng.uniform(-0.3, 0.5, shape)
    if len(shape) == 2:  # drawn in Paddle's layout, (in,out)
        return rng.standard_normal(shape[::-1]).T * np.sqrt(2 / shape[1])
    return rng.standard_normal(shape) * np.sqrt(2 / (np.prod(shape[1:]) if len(shape) == 4 else shape[0]))


def _calibrate(norm, inputs):
    norm.running_mean.copy_(inputs[0].mean((0, 2, 3)))
    norm.running_var.copy_(inputs[0].var((0, 2, 3), unbiased=False))


def _patches(rng):
    """Eight pictures of patches of 100, 30, 8 and 1 pixels, of random contrast and brightness: (8,3,299,299)."""
    total = np.zeros((8, 3, 299, 299))
    for count, side in ((3, 100), (10, 30), (40, 8), (299, 1)):
        colours = rng.uniform(-1, 1, (8, 3, count, count)) * rng.uniform(0, 1, (8, 1, 1, 1))
        total += colours.repeat(side, 2).repeat(side, 3)[:, :, :299, :299]
    return np.clip(total + rng.uniform(-0.6, 0.6, (8, 3, 1, 1)), -1, 1).astype(np.float32).astype(np.float64)
