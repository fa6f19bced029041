"""A small convolutional network that sees drawn faces: its features measure KID, its heads tell attributes.

Contents: FaceNetwork. It is the project's own and has no twin: metrics/face_training.py trains it, and its weights ship
as paddle_ugatit/pretrained/face_features.safetensors.
"""

from collections.abc import Sequence

import paddle
import paddle.nn.functional as F
from paddle import nn

SIZE = 64  # height and width of the images it takes
_STAGES = ((3, 16, 2), (16, 32, 1), (32, 48, 2), (48, 48, 1), (48, 64, 2), (64, 64, 1), (64, 96, 2))
_POOLED = (0, 1, 3, 5, 6)  # stages whose maps' means and deviations are features
_SQUEEZED, EMBEDDING = 48, 128


class FaceNetwork(nn.Layer):
    """Seven 3x3 convolutions, an embedding of the last map, and linear heads; ReLU throughout, no norms.

    `heads` are the numbers of classes of the attributes, whose logits are returned one after another.
    """

    def __init__(self, heads: Sequence[int]):
        super().__init__()
        self.convs = nn.LayerList(
            [
                nn.Conv2D(inputs, outputs, 3, stride, 1, weight_attr=nn.initializer.KaimingNormal())
                for inputs, outputs, stride in _STAGES
            ]
        )
        self.squeeze = nn.Conv2D(_STAGES[-1][1], _SQUEEZED, 1)
        self.embed = nn.Linear(_SQUEEZED * (SIZE // 16) ** 2, EMBEDDING)
        self.attributes = nn.Linear(EMBEDDING, sum(heads))
        self.kind = nn.Linear(EMBEDDING, 1)

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Images in [-1,1] (B,3,64,64) -> logits (B,classes) and kind (B,).

        The kind is 1 for a photo-like face, -1 for a cartoon and 0 for neither.
        """
        embedded = self._embedded(self._maps(x)[-1])
        return self.attributes(embedded), paddle.tanh(self.kind(embedded)).flatten()

    def features(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Images in [-1,1] (B,3,64,64) -> kind (B,) and features (B,d).

        The features are the embedding and the mean and the deviation of every channel of five maps, from edges to
        parts of faces.
        """
        maps = self._maps(x)
        embedded = self._embedded(maps[-1])
        statistics = [statistic for stage in _POOLED for statistic in _mean_and_deviation(maps[stage])]
        return paddle.tanh(self.kind(embedded)).flatten(), paddle.concat([embedded, *statistics], 1)

    def _maps(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        maps = []
        for conv in self.convs:
            x = F.relu(conv(x))
            maps.append(x)
        return maps

    def _embedded(self, last: paddle.Tensor) -> paddle.Tensor:
        return F.relu(self.embed(F.relu(self.squeeze(last)).flatten(1)))


def _mean_and_deviation(x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
    """The mean and the standard deviation of each channel over the map: (B,C,H,W) -> two of (B,C)."""
    mean = x.mean([2, 3], keepdim=True)
    return mean.flatten(1), ((x - mean) ** 2).mean([2, 3]).sqrt()


def dimensions() -> int:
    """Return the number of features that FaceNetwork returns."""
    return EMBEDDING + 2 * sum(_STAGES[stage][1] for stage in _POOLED)
