"""A small pair of trainers in which some parameters get no gradient in some steps: TorchSmall, PaddleSmall.

They have the interface of the real trainers, so that check_training can run them in lockstep. Odd steps use both
branches, even ones only the first; Adam must leave parameters without a gradient, and their moments, unchanged.
"""

from types import SimpleNamespace

import paddle
import torch

from align.faults.small_layer import SmallLayer


class _TorchNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 4, 3, bias=False)
        self.second = torch.nn.Conv2d(3, 4, 3, bias=False)


class _PaddleConv(SmallLayer):
    def __init__(self):
        super().__init__()
        self.weight = self.parameter(4, 3, 3, 3)

    def forward(self, x):
        return paddle.nn.functional.conv2d(x, self.weight)


class _PaddleNet(paddle.nn.Layer):
    def __init__(self):
        super().__init__()
        self.first, self.second = _PaddleConv(), _PaddleConv()


class _Small:
    """One step of either framework; `_update(loss)` differs."""

    def step(self, real_a, real_b):
        """Make one iteration; returns the losses by name."""
        self.iteration += 1
        net = self.networks["gen"]
        loss = (net.first(real_a) ** 2).mean()
        if self.iteration % 2:
            loss = loss + (net.second(real_b) ** 2).mean()
        self._update(loss)
        return {"g_loss": loss.detach()}


class TorchSmall(_Small):
    """PyTorch's side."""

    def __init__(self, config):
        self.config, self.iteration, self.networks = config, 0, {"gen": _TorchNet()}
        parameters = list(self.networks["gen"].parameters())
        self.optimizers = {"gen": torch.optim.Adam(parameters, 1e-3, (0.5, 0.999), weight_decay=config.weight_decay)}

    def _update(self, loss):
        self.optimizers["gen"].zero_grad()
        loss.backward()
        self.optimizers["gen"].step()


class PaddleSmall(_Small):
    """Paddle's side."""

    def __init__(self, config):
        self.config, self.iteration, self.networks = config, 0, {"gen": _PaddleNet()}
        options = {"parameters": self.networks["gen"].parameters(), "weight_decay": config.weight_decay}
        self.optimizers = {"gen": paddle.optimizer.Adam(1e-3, 0.5, 0.999, **options)}

    def _update(self, loss):
        loss.backward()
        self.optimizers["gen"].step()
        # To None, not to zero: with zero, moments and weight decay would still be applied.
        cleared = SimpleNamespace(clear_grad=lambda: [p.clear_gradient(False) for p in self.parameters()])
        self.optimizers["gen"].__dict__.get("clear_grad", cleared.clear_grad)()

    def parameters(self):
        return self.networks["gen"].parameters()
