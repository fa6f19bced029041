"""The toy system's training: domain A becomes its own negative."""

from dataclasses import dataclass

import paddle

from paddle_ugatit.inference.sheets import grid
from paddle_ugatit.losses import l1
from paddle_ugatit.models.toy import ToyNetwork
from paddle_ugatit.training.options import RunOptions
from paddle_ugatit.training.precision import Precision


@dataclass(frozen=True)
class Config(RunOptions):
    """The options of a run."""

    img_size: int = 8
    width: int = 4
    lr: float = 1e-2
    img_ch = 3


class Trainer:
    """One network, "net"."""

    model, averaged, shown = "toy", ("net",), ("loss",)

    def __init__(self, config):
        self.config, self.iteration, self.networks = config, 0, {"net": ToyNetwork(config.width)}
        self.notes, self.scalars, self.precision = [], {}, Precision(config.amp)
        self.optimizers = {"net": paddle.optimizer.Adam(config.lr, parameters=self.networks["net"].parameters())}

    def named_parameters(self, kind):
        """Return (name, parameter) in the optimiser's order."""
        return [(f"net.{key}", parameter) for key, parameter in self.networks[kind].named_parameters()]

    def step(self, a, b):
        """Run one iteration on images (B,3,S,S); returns the loss."""
        self.iteration += 1
        loss = l1(self.networks["net"](a), -a)
        loss.backward()
        self.optimizers["net"].step()
        self.optimizers["net"].clear_grad()
        return {"loss": loss.detach()}

    def sheets(self, networks, tests):
        """Return a sheet of the test images' negatives."""
        return {"negatives": grid(networks["net"](paddle.to_tensor(tests["A"])).numpy().clip(-1, 1), 4)}

    def generated(self, networks, tests):
        """Yield the negatives one by one."""
        yield "negatives", (networks["net"](paddle.to_tensor(x[None]))[0].numpy() for x in tests["A"]), "B"
