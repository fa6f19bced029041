"""Training of U-GAT-IT (Kim et al., ICLR 2020, section 2.2): one iteration of the public code, written plainly.

Every pass is run by itself, and nothing is reused.

Twin: paddle_ugatit/training/ugatit.py, which makes the same updates with less work.
"""

from dataclasses import dataclass
from typing import Any

import torch

from torch_ref.losses import adversarial_loss, cam_loss, discriminator_loss, l1
from torch_ref.models.ugatit import Discriminator, ResnetGenerator


@dataclass(frozen=True)
class Config:
    """The options of a run, under the names of the public command line and with its defaults.

    Written from the paper (section 2.2 and appendix) and from that command line, not from the port, so that a wrong
    default or schedule of the port shows as a difference.
    """

    light: bool = False
    revision: str = "current"
    older_cam: bool = False
    iteration: int = 1_000_000
    batch_size: int = 1
    lr: float = 0.0001
    decay_flag: bool = True
    weight_decay: float = 0.0001
    adv_weight: float = 1.0
    cycle_weight: float = 10.0
    identity_weight: float = 10.0
    cam_weight: float = 1000.0
    ch: int = 64
    n_res: int = 4
    img_size: int = 256
    margin: int = 30  # transforms.Resize((args.img_size + 30, args.img_size+30)), RandomCrop(args.img_size)
    img_ch: int = 3
    global_layers: int = 7
    local_layers: int = 5

    def lr_at(self, step: int) -> float:
        """Return the learning rate of iteration `step`, counted from 1.

        Each iteration of the second half subtracts lr / (iteration // 2) before its updates. quirk: if `iteration` is
        odd, the second half has one iteration more, in which the public code's rate is negative, so that it takes back
        a part of the last updates. Here that last rate is 0; `public_lr_at` returns the public one.
        """
        return max(0.0, self.public_lr_at(step))

    def public_lr_at(self, step: int) -> float:
        """Return the public code's rate of iteration `step`; a single iteration, at which it fails, has `lr`."""
        half = self.iteration // 2
        subtracted = max(0, step - half)
        if not self.decay_flag or not half:
            return self.lr
        return self.lr * (half - subtracted) / half


class Trainer:
    """Six networks, in `networks` under the checkpoint's names, and two optimisers, "gen" and "dis".

    `config` is a Config, or has its fields.
    """

    def __init__(self, config: Any):
        self.config, self.iteration = config, 0
        variant = {"revision": config.revision, "older_cam": config.older_cam}
        options = {
            "ngf": config.ch,
            "n_blocks": config.n_res,
            "img_size": config.img_size,
            "light": config.light,
            **variant,
        }
        self.networks = {
            "genA2B": ResnetGenerator(config.img_ch, config.img_ch, **options),
            "genB2A": ResnetGenerator(config.img_ch, config.img_ch, **options),
            "disGA": Discriminator(config.img_ch, config.ch, config.global_layers, **variant),
            "disGB": Discriminator(config.img_ch, config.ch, config.global_layers, **variant),
            "disLA": Discriminator(config.img_ch, config.ch, config.local_layers, **variant),
            "disLB": Discriminator(config.img_ch, config.ch, config.local_layers, **variant),
        }
        self.optimizers = {kind: self._adam(kind) for kind in ("gen", "dis")}

    def _adam(self, kind: str) -> torch.optim.Adam:
        parameters = [p for name, net in self.networks.items() if name.startswith(kind) for p in net.parameters()]
        decay = self.config.weight_decay
        return torch.optim.Adam(parameters, self.config.lr, betas=(0.5, 0.999), weight_decay=decay)

    def step(self, real_a: torch.Tensor, real_b: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run one iteration on a batch of each domain, (B,C,H,W) in [-1,1]; returns the named losses, () each."""
        self.iteration += 1
        for optimizer in self.optimizers.values():
            optimizer.param_groups[0]["lr"] = self.config.lr_at(self.iteration)
        losses = self._discriminator_losses(real_a, real_b)
        self._update("dis", losses["d_loss"])
        losses |= self._generator_losses(real_a, real_b)
        self._update("gen", losses["g_loss"])
        self._clip_rho()
        return {name: loss.detach() for name, loss in losses.items()}

    def _discriminator_losses(self, real_a: torch.Tensor, real_b: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the losses of the discriminators of both domains, and their sum as "d_loss"."""
        nets = self.networks
        fake_a2b, fake_b2a = nets["genA2B"](real_a)[0], nets["genB2A"](real_b)[0]
        losses = {}
        for domain, real, fake in (("a", real_a, fake_b2a), ("b", real_b, fake_a2b)):
            terms = [discriminator_loss(net(real), net(fake)) for net in self._discriminators(domain)]
            losses[f"d_loss_{domain}"] = self.config.adv_weight * sum(terms)
        return losses | {"d_loss": losses["d_loss_a"] + losses["d_loss_b"]}

    def _generator_losses(self, real_a: torch.Tensor, real_b: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the losses of both generators, and their sum as "g_loss"."""
        nets, losses = self.networks, {}
        fake_a2b, cam_a2b, _ = nets["genA2B"](real_a)
        fake_b2a, cam_b2a, _ = nets["genB2A"](real_b)
        cycled_a, cycled_b = nets["genB2A"](fake_a2b)[0], nets["genA2B"](fake_b2a)[0]
        same_a, same_cam_a, _ = nets["genB2A"](real_a)
        same_b, same_cam_b, _ = nets["genA2B"](real_b)
        losses |= self._direction("a", real_a, fake_b2a, cycled_a, same_a, cam_b2a, same_cam_a)
        losses |= self._direction("b", real_b, fake_a2b, cycled_b, same_b, cam_a2b, same_cam_b)
        return losses | {"g_loss": sum(losses.values())}

    def _direction(
        self,
        domain: str,
        real: torch.Tensor,
        fake: torch.Tensor,
        cycled: torch.Tensor,
        same: torch.Tensor,
        fake_cam: torch.Tensor,
        same_cam: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """Return the weighted terms of all images that end in `domain`."""
        config = self.config
        verdicts = [adversarial_loss(net(fake)) for net in self._discriminators(domain)]
        return {
            f"g_adv_{domain}": config.adv_weight * sum(verdicts),
            f"g_cycle_{domain}": config.cycle_weight * l1(cycled, real),
            f"g_identity_{domain}": config.identity_weight * l1(same, real),
            f"g_cam_{domain}": config.cam_weight * cam_loss(fake_cam, same_cam),
        }

    def _discriminators(self, domain: str) -> tuple[Discriminator, Discriminator]:
        """Return the global and the local discriminator of domain "a" or "b"."""
        return self.networks[f"disG{domain.upper()}"], self.networks[f"disL{domain.upper()}"]

    def _update(self, kind: str, loss: torch.Tensor) -> None:
        self.optimizers[kind].zero_grad()
        loss.backward()
        self.optimizers[kind].step()

    def _clip_rho(self) -> None:
        """Clip every rho of the generators to [0, 1]."""
        with torch.no_grad():
            for name in ("genA2B", "genB2A"):
                for key, parameter in self.networks[name].named_parameters():
                    if key.rpartition(".")[2] == "rho":
                        parameter.clamp_(0, 1)
