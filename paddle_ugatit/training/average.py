"""The running mean of networks' weights, whose images often look better; the public U-GAT-IT has none."""

import copy

import paddle
from paddle import nn

from paddle_ugatit.backend.compat import assign


class Average:
    """Running means of networks, updated after every step: mean = decay * mean + (1 - decay) * weights."""

    def __init__(self, networks: dict[str, nn.Layer], decay: float):
        self.decay, self.sources = decay, networks
        self.networks = {name: copy.deepcopy(net) for name, net in networks.items()}

    def restart(self) -> None:
        """Set the means to the networks' weights, which may have been read from a file since they were copied."""
        self._move(0.0)

    def update(self) -> None:
        """Update the means after a step of the networks. Buffers are copied."""
        self._move(self.decay)

    def _move(self, decay: float) -> None:
        with paddle.no_grad():
            for name, net in self.networks.items():
                source = self.sources[name]
                for mean, weight in zip(net.parameters(), source.parameters(), strict=True):
                    assign(mean, mean * decay + weight * (1 - decay))
                for mean, buffer in zip(net.buffers(), source.buffers(), strict=True):
                    assign(mean, buffer)
