"""One training iteration of U-GAT-IT: the original's updates with less work. Twin: torch_ref/training/ugatit.py.

What is saved, without changing what is computed:
- the translations that the discriminators see are those whose graph the generators' step goes back through; they are
  computed once, since the generators do not change in between;
- no gradient of the discriminators' step reaches a generator, none of the generators' step a discriminator's weight;
- a generator translates one domain and repeats the other in one batch, since its norms are of one image each.
- a discriminator sees real and translated images in one batch, each half with the power iterations and the spectral
  norms of its own pass;
- what is made of one translation alone goes backward before the next is looked at, so that memory holds one such graph.
"""

import paddle

from paddle_ugatit.inference.sheets import sample_sheet
from paddle_ugatit.inference.translate import generate
from paddle_ugatit.layers.spectral_norm import passes_in_one
from paddle_ugatit.losses import adversarial_loss, cam_loss, discriminator_loss, l1
from paddle_ugatit.models.ugatit import Discriminator, ResnetGenerator
from paddle_ugatit.training.accumulation import accumulated_step
from paddle_ugatit.training.distributed import average_gradients
from paddle_ugatit.training.diverged import require_finite
from paddle_ugatit.training.frozen import frozen
from paddle_ugatit.training.precision import Precision
from paddle_ugatit.weights import MODELS


class Trainer:
    """Six networks, under the checkpoint's names in `networks`, and the optimisers of both kinds."""

    averaged = ("genA2B", "genB2A")  # networks of which a running mean may be kept
    shown = ("d_loss", "g_loss")  # losses beside a progress bar

    def __init__(self, config):
        self.config, self.iteration, self.precision = config, 0, Precision(config.amp)
        self.model = next(name for name, revision in MODELS.items() if revision == config.revision)
        options = {
            "ngf": config.ch,
            "n_blocks": config.n_res,
            "img_size": config.img_size,
            "light": config.light,
            "revision": config.revision,
        }
        self.networks = {
            "genA2B": ResnetGenerator(config.img_ch, config.img_ch, **options),
            "genB2A": ResnetGenerator(config.img_ch, config.img_ch, **options),
            "disGA": Discriminator(config.img_ch, config.ch, config.global_layers),
            "disGB": Discriminator(config.img_ch, config.ch, config.global_layers),
            "disLA": Discriminator(config.img_ch, config.ch, config.local_layers),
            "disLB": Discriminator(config.img_ch, config.ch, config.local_layers),
        }
        self.optimizers = {kind: self._adam(kind) for kind in ("gen", "dis")}

    def _adam(self, kind):
        options = {"parameters": self._parameters(kind), "weight_decay": self.config.weight_decay}
        return paddle.optimizer.Adam(self.config.lr, 0.5, 0.999, **options)

    def named_parameters(self, kind):
        """(name, parameter) of the generators, "gen", or the discriminators, "dis", in the optimiser's order."""
        nets = [(name, net) for name, net in self.networks.items() if name.startswith(kind)]
        return [(f"{name}.{key}", parameter) for name, net in nets for key, parameter in net.named_parameters()]

    def _parameters(self, kind):
        return [parameter for _, parameter in self.named_parameters(kind)]

    def step(self, real_a, real_b):
        """One iteration on a batch of each domain, (B,C,H,W) in [-1,1]; the named losses, () each."""
        self.iteration += 1
        if self.config.accumulate > 1:
            return accumulated_step(self, real_a, real_b)
        with self.precision.forward():
            passes = self._translate(real_a, real_b)
            losses = self._discriminator_losses(passes)
        require_finite(losses, "d_loss", self.iteration)
        self.precision.backward(losses["d_loss"])
        self._apply_gradients("dis")
        with self._frozen_discriminators():
            losses |= self._generator_gradients(passes)
            self._apply_gradients("gen")
        self._clip_rho()
        return {name: loss.detach() for name, loss in losses.items()}

    def _translate(self, real_a, real_b):
        """Per domain that images end in: real, translated and repeated images, and the CAM logits of the last two."""
        passes = {}
        for domain, generator, real, other in (("a", "genB2A", real_a, real_b), ("b", "genA2B", real_b, real_a)):
            images, cams, _ = self.networks[generator](paddle.concat([other, real]))
            (fake, same), (fake_cam, same_cam) = images.chunk(2), cams.chunk(2)
            passes[domain] = {"real": real, "fake": fake, "same": same, "fake_cam": fake_cam, "same_cam": same_cam}
        return passes

    def _discriminator_losses(self, passes):
        losses = {}
        for domain, images in passes.items():
            real, fake = images["real"], images["fake"].detach()
            terms = [discriminator_loss(*_two_passes(net, real, fake)) for net in self._discriminators(domain)]
            losses[f"d_loss_{domain}"] = self.config.adv_weight * sum(terms)
        return losses | {"d_loss": losses["d_loss_a"] + losses["d_loss_b"]}

    def _generator_gradients(self, passes, share=1.0):
        """The generators' losses, their gradients times `share` added to the parameters'."""
        losses, arrived = {}, []
        for domain, images in passes.items():
            fake = images["fake"].detach()
            fake.stop_gradient = False
            with self.precision.forward():
                terms = self._terms_of(fake, domain, passes)
            self._send_back(terms, share)
            losses |= terms
            arrived.append(fake.grad)
        with self.precision.forward():
            terms = {name: loss for domain in passes for name, loss in self._repeated(domain, **passes[domain]).items()}
        self._send_back(terms, share, [images["fake"] for images in passes.values()], arrived)
        losses |= terms
        losses = {name: losses[name].detach() for domain in passes for name in losses if name.endswith(f"_{domain}")}
        return losses | {"g_loss": sum(losses.values())}

    def _terms_of(self, fake, domain, passes):
        """The weighted terms of one translation: what it looks like, and what it is when translated back."""
        config, other = self.config, "b" if domain == "a" else "a"
        verdicts = [adversarial_loss(net(fake)) for net in self._discriminators(domain)]
        cycled = self.networks["genA2B" if domain == "a" else "genB2A"](fake)[0]
        return {
            f"g_adv_{domain}": config.adv_weight * sum(verdicts),
            f"g_cycle_{other}": config.cycle_weight * l1(cycled, passes[other]["real"]),
        }

    def _repeated(self, domain, real, fake, same, fake_cam, same_cam):
        """The weighted terms of the passes that translate into a domain and repeat its images, but for `fake`'s."""
        return {
            f"g_identity_{domain}": self.config.identity_weight * l1(same, real),
            f"g_cam_{domain}": self.config.cam_weight * cam_loss(fake_cam, same_cam),
        }

    def _send_back(self, terms, share, tensors=(), gradients=()):
        total = {"g_loss": sum(terms.values())}
        require_finite(terms | total, "g_loss", self.iteration)
        self.precision.backward(total["g_loss"] * share, tensors, gradients)

    def sheets(self, networks, tests):
        """Sample sheets of both directions by these networks, for test pictures "A" and "B", (n,3,S,S) each."""
        return {
            "A2B": sample_sheet(networks, tests["A"], "a2b"),
            "B2A": sample_sheet(networks, tests["B"], "b2a"),
        }

    def generated(self, networks, tests):
        """Translations of the test pictures, and the domain they should look like; the first is what is optimised."""
        for name, source, target in (("A2B", "A", "B"), ("B2A", "B", "A")):
            images = (generate(networks[f"gen{name}"], image[None])[0][0] for image in tests[source])
            yield name, images, target

    def _discriminators(self, domain):
        return self.networks[f"disG{domain.upper()}"], self.networks[f"disL{domain.upper()}"]

    def _frozen_discriminators(self):
        return frozen(self._parameters("dis"))

    def _apply_gradients(self, kind):
        optimizer = self.optimizers[kind]
        average_gradients(self._parameters(kind))
        optimizer.set_lr(self.config.lr_at(self.iteration))
        self.precision.step(optimizer)
        optimizer.clear_grad(set_to_zero=False)

    def _clip_rho(self):
        with paddle.no_grad():
            for name in ("genA2B", "genB2A"):
                for key, parameter in self.networks[name].named_parameters():
                    if key.rpartition(".")[2] == "rho":
                        parameter.set_value(parameter.clip(0, 1))


def _two_passes(net, real, fake):
    """What a discriminator says of real and, after that, of translated images."""
    with passes_in_one(net, 2):
        outputs = net(paddle.concat([real, fake]))
    return zip(*(output.chunk(2) for output in outputs), strict=True)
