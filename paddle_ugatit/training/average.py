"""The running mean of networks' weights, often better to look at than the weights themselves; the original has none."""

import copy

import paddle


class Average:
    """Copies of networks, moved towards them after every step: mean = decay * mean + (1 - decay) * weights."""

    def __init__(self, networks, decay):
        self.decay, self.sources = decay, networks
        self.networks = {name: copy.deepcopy(net) for name, net in networks.items()}

    def update(self):
        """After a step of the networks it follows. Buffers are taken over as they are."""
        with paddle.no_grad():
            for name, net in self.networks.items():
                source = self.sources[name]
                for mean, weight in zip(net.parameters(), source.parameters(), strict=True):
                    mean.set_value(mean * self.decay + weight * (1 - self.decay))
                for mean, buffer in zip(net.buffers(), source.buffers(), strict=True):
                    mean.set_value(buffer)
