"""What a whole run must leave behind, by the PyTorch twin: the states after every step, from batches stated plainly.

Random numbers are drawn by Paddle itself, in the order in which a step needs them, after its own seed.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import paddle
import torch
from torch import nn

from align.cases import TRAINING, randomise, representable
from align.cases.runs import RunCase
from align.compare.data import MARGIN
from align.compare.stream import PlainStream
from align.compare.torch_side import TorchSide
from align.compare.training import one_step, torch_state, twin_config
from torch_ref.models.stylegan2 import EqualLinear

State = dict[tuple[str, str, str], np.ndarray]  # (network, what, name) -> array
SIDE = TorchSide("float64")


def twin(case: RunCase, seed: int):
    """Return PyTorch's trainer with weights away from initial values that could hide a fault, exact in float32."""
    training = TRAINING[case.system]
    config = type(training.small)(**case.all_options)
    trainer = SIDE.build(lambda _: training.trainers[0](twin_config(training.trainers[0], config)), seed)
    for number, (name, net) in enumerate(trainer.networks.items()):
        state = {key: representable(array) for key, array in SIDE.state(net).items()}
        training.moved(name, randomise(state, [seed, number]))
        SIDE.load(net, {key: representable(array) for key, array in state.items()})
    return trainer


def public_states(trainer) -> dict[str, dict[str, torch.Tensor]]:
    """Return the weights of every network in float32, as torch.save takes them."""
    narrow = lambda tensor: tensor.float() if tensor.is_floating_point() else tensor  # noqa: E731
    return {
        name: {key: narrow(t.clone()) for key, t in net.state_dict().items()} for name, net in trainer.networks.items()
    }


def linear_keys(net: nn.Module) -> set[str]:
    """Return the keys of what Paddle holds transposed: the weights of fully connected layers."""
    layers = {path for path, layer in net.named_modules() if isinstance(layer, nn.Linear | EqualLinear)}
    return {
        key for key in net.state_dict() if key.rpartition(".")[0] in layers and key.endswith(("weight", "weight_orig"))
    }


def streams(case: RunCase, folder: Path) -> list[PlainStream]:
    """Return the stream of each domain that a run reads."""
    options, found = case.all_options, []
    for domain in options.get("domain", "AB" if case.system in ("ugatit", "adain") else "B"):
        files = sorted((folder / f"train{domain}").iterdir())
        framing = options.get("keep_aspect", False), options.get("center_crop", 0), options.get("margin", MARGIN)
        size, number = options["img_size"], "AB".index(domain)
        found.append(PlainStream(files, files, size, options["seed"], number, options.get("load_size"), *framing))
    return found


def states(case: RunCase, trainer, folder: Path) -> Iterator[State]:
    """Yield the state after every step, with the running means."""
    batches = streams(case, folder)
    nets = {name: trainer.networks[name] for name in case.averaged}
    means = {name: {key: p.detach().clone() for key, p in net.named_parameters()} for name, net in nets.items()}
    decay, count = case.options.get("ema", 0), case.options["batch_size"]
    for step in range(1, case.options["iteration"] + 1):
        batch = [stream.batch(step, count).astype(np.float64) for stream in batches]
        state = torch_state(trainer, one_step(trainer, SIDE, batch, random_numbers(case, step)))
        for name, net in nets.items():
            for key, parameter in net.named_parameters():
                means[name][key] = decay * means[name][key] + (1 - decay) * parameter.detach()
                state[f"ema {name}", "parameter", key] = means[name][key].numpy().copy()
            state |= {(f"ema {name}", "state", key): b.numpy().copy() for key, b in net.named_buffers()}
        if getattr(trainer, "path_length", None) is not None:
            state["scalars", "state", "path_length"] = np.float64(trainer.path_length)
        yield state


def random_numbers(case: RunCase, step: int) -> dict[str, np.ndarray]:
    """Return what a step draws: by name, in the order of the draws."""
    paddle.seed(int(np.random.SeedSequence([case.all_options["seed"], step, 0]).generate_state(1)[0]))
    if case.system == "sagan":
        found = {kind: paddle.randn([case.options["batch_size"], case.options["z_dim"]]).numpy() for kind in "DG"}
        if case.options.get("adv_loss") == "wgan-gp":
            found["mix"] = paddle.rand([case.options["batch_size"]]).numpy()
        return found
    return _drawn_by_stylegan2(case.options) if case.system == "stylegan2" else {}


def _drawn_by_stylegan2(options: dict) -> dict[str, np.ndarray]:
    count, size = options["batch_size"], options["img_size"]
    layers = size.bit_length() - 2
    # Of the numbers that decide what is done.
    host = np.random.default_rng(paddle.base.core.default_cpu_generator().random())
    found = {"path": paddle.randn([count, 3, size, size]).numpy()}
    for half in ("d", "g"):
        mixed = host.random() < options["mixing"]
        first = int(host.integers(layers)) if mixed else layers
        found[f"{half}_latents"] = paddle.randn([count, 2, options["latent_dim"]]).numpy()
        found[f"{half}_mix"] = np.arange(layers) < first
        found[f"{half}_noise"] = paddle.rand([count, size, size, 1]).numpy()
    for images in ("real", "d", "g"):
        if host.random() < options["augment"]:
            found[f"{images}_augment"] = paddle.rand([count, 7]).numpy()
    return found
