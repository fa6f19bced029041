"""The PyTorch twin of the toy system's training."""

import torch

from torch_ref.losses import l1
from torch_ref.models.toy import ToyNetwork


class Trainer:
    """One network, "net"."""

    def __init__(self, config):
        self.config, self.iteration, self.networks = config, 0, {"net": ToyNetwork(config.width)}
        self.optimizers = {"net": torch.optim.Adam(self.networks["net"].parameters(), config.lr)}

    def step(self, a, b):
        """One iteration on images (B,3,S,S)."""
        self.iteration += 1
        loss = l1(self.networks["net"](a), -a)
        self.optimizers["net"].zero_grad()
        loss.backward()
        self.optimizers["net"].step()
        return {"loss": loss.detach()}
