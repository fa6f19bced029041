"""Faults of the optimiser and the iteration, planted in Paddle's trainer and numbered as in the catalogue: FAULTS.

TINY is a configuration whose steps take a fraction of a second; its learning rate makes some rho leave [0,1] at once.
"""

from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import numpy as np
import paddle

from align.checks.training import SMALL, lockstep
from align.faults.small_training import PaddleSmall, TorchSmall
from align.planting import in_force
from paddle_ugatit import losses
from paddle_ugatit.models.ugatit import Discriminator
from paddle_ugatit.training import Config, Trainer
from paddle_ugatit.training import ugatit as trainer
from torch_ref.training.ugatit import Trainer as TorchTrainer

TINY = replace(SMALL, ch=2, img_size=24, global_layers=5, local_layers=3, lr=0.02)
TRAINERS = (TorchTrainer, Trainer)
_translation, _forward, _clip = Trainer.translation, Discriminator.forward, Trainer.clip_rho


@dataclass(frozen=True)
class TrainingFault:
    """One fault: `plant(trainer)` or `patches`. `what` of `network` must be blamed first, after `step`."""

    number: int
    name: str
    what: str
    network: str
    cause: str
    plant: object = None
    patches: tuple = ()
    step: int = 1
    steps: int = 3
    trainers: tuple = TRAINERS
    system: str = "ugatit"
    config: object = TINY

    @contextmanager
    def planted(self):
        """Within the block the patches are in force; yields what `lockstep` takes as `tamper`."""
        with in_force(self.patches):
            yield self.plant

    def entries(self, tamper, seed=0, causes=False):
        """Return the check's entry of each step, from `lockstep`."""
        return list(lockstep(self.config, self.steps, seed, tamper, self.trainers, self.system, causes))


def _adam(kind=paddle.optimizer.Adam, **wrong):
    def plant(ours):
        right = {"beta1": 0.5, "beta2": 0.999, "weight_decay": 1e-4}
        for name in ours.optimizers:
            ours.optimizers[name] = kind(1e-4, parameters=ours.parameters(name), **(right | wrong))

    return plant


def _decay_left_off(leaf):
    """Plant: no weight decay of some parameters; Paddle prefers a parameter's own regulariser, here one of 0."""

    def plant(ours):
        for kind in ours.optimizers:
            for name, parameter in ours.named_parameters(kind):
                if name.rpartition(".")[2] == leaf:
                    parameter.regularizer = paddle.regularizer.L2Decay(0.0)
        _adam()(ours)

    return plant


def _eps_unscaled(ours):
    """Plant: eps is added to the uncorrected root; Paddle's own form scales it by sqrt(1 - beta2^t)."""
    for optimizer in ours.optimizers.values():
        optimizer.step = _counting(optimizer, optimizer.step)


def _counting(optimizer, step):
    def counted():
        optimizer.steps_made = getattr(optimizer, "steps_made", 0) + 1
        optimizer._epsilon = 1e-8 / np.sqrt(1 - 0.999**optimizer.steps_made)
        step()

    return counted


def _shifted(change):
    class Shifted(Config):
        def lr_at(self, step):
            return super().lr_at(change(step))

    def plant(ours):
        ours.config = Shifted(**asdict(ours.config))

    return plant


def _fake_then_real(self, domain, images):
    def loss_of(net):
        fake = net(images.fake.detach())
        return losses.discriminator_loss(net(images.real), fake)

    return sum(map(loss_of, self.discriminators(domain)))


def _swapped(self, domain, real_a, real_b):
    other = _translation(self, "b" if domain == "a" else "a", real_a, real_b)
    return _translation(self, domain, real_a, real_b)._replace(fake=other.fake)


def _seen_twice(self, x):
    _forward(self, x)
    return _forward(self, x)


def _least_squares_cam(translated, identity):
    return losses.least_squares(translated, 1) + losses.least_squares(identity, 0)


def _accumulating(self, kind):
    self.optimizers[kind].set_lr(self.config.lr_at(self.iteration))
    self.optimizers[kind].step()


def _remembered(self, domain, real_a, real_b):
    self.reals = real_a, real_b
    return _translation(self, domain, real_a, real_b)


def _not_detached(self, domain, images):
    """On a fresh translation, since a graph cannot be backpropagated twice."""
    fresh = _translation(self, domain, *self.reals)
    return sum(losses.discriminator_loss(net(fresh.real), net(fresh.fake)) for net in self.discriminators(domain))


def _clip_first(self, kind):
    if kind == "gen":
        _clip(self)
    optimizer = self.optimizers[kind]
    optimizer.set_lr(self.config.lr_at(self.iteration))
    optimizer.step()
    optimizer.clear_grad(set_to_zero=False)


def _nothing(self):
    return None


def _zeros_for_none(ours):
    ours.optimizers["gen"].clear_grad = lambda: [p.clear_gradient(True) for p in ours.networks["gen"].parameters()]


_OURS = Trainer
FAULTS = [
    TrainingFault(
        41,
        "gradients accumulate",
        "moment1",
        "dis",
        "gradients accumulate over the steps",
        patches=((_OURS, "update", _accumulating),),
        step=2,
    ),
    TrainingFault(
        42,
        "discriminators' loss not cut off from the generators",
        "moment1",
        "gen",
        "generators keep the gradient of the discriminators' step",
        patches=((_OURS, "translation", _remembered), (_OURS, "discriminators_loss", _not_detached)),
    ),
    TrainingFault(44, "AdamW for Adam", "moment1", "dis", "AdamW: decoupled decay", _adam(paddle.optimizer.AdamW)),
    TrainingFault(45, "beta1 0.9", "moment1", "dis", "beta1 0.9", _adam(beta1=0.9)),
    TrainingFault(46, "no decay of rho", "moment1", "gen", "no weight decay of rho", _decay_left_off("rho")),
    TrainingFault(46, "no decay of biases", "moment1", "dis", "no weight decay of bias", _decay_left_off("bias")),
    TrainingFault(47, "eps beside the uncorrected root", "parameter", "dis", "eps not corrected", _eps_unscaled),
    TrainingFault(
        48,
        "gradient zero for none",
        "moment1",
        "gen",
        "gradients zero where there are none",
        _zeros_for_none,
        step=2,
        trainers=(TorchSmall, PaddleSmall),
    ),
    TrainingFault(
        49,
        "decay a step early",
        "learning rate",
        "dis",
        "learning rate a step early",
        _shifted(lambda step: step + 1),
        step=3,
        steps=5,
    ),
    TrainingFault(
        49,
        "decay per epoch of 3",
        "learning rate",
        "dis",
        "learning rate by epochs of 3 steps",
        _shifted(lambda step: (step - 1) // 3 * 3 + 1),
        step=5,
        steps=5,
    ),
    TrainingFault(
        50,
        "rho clipped before the step",
        "parameter",
        "gen",
        "rho clipped before the step",
        patches=((_OURS, "clip_rho", _nothing), (_OURS, "update", _clip_first)),
    ),
    TrainingFault(
        51,
        "translated before real",
        "loss",
        "losses",
        "discriminators see translated before real",
        patches=((_OURS, "discriminators_loss", _fake_then_real),),
    ),
    TrainingFault(
        52,
        "an extra discriminator pass",
        "loss",
        "losses",
        "every discriminator pass made twice",
        patches=((Discriminator, "forward", _seen_twice),),
    ),
    TrainingFault(
        53,
        "fakes of the wrong direction",
        "loss",
        "losses",
        "discriminators get the translations of the other direction",
        patches=((_OURS, "translation", _swapped),),
    ),
    TrainingFault(
        54,
        "cam loss by least squares",
        "loss",
        "losses",
        "CAM loss by least squares",
        patches=((trainer, "cam_loss", _least_squares_cam),),
    ),
]
