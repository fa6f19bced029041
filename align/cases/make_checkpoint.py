"""Write a checkpoint in the public U-GAT-IT format from the PyTorch twin, with random weights.

    python align/make_checkpoint.py --out demo_params_0000000.pt --light

Holds six state dicts, genA2B, genB2A, disGA, disGB, disLA and disLB, as the public training script saves them.
"""

import time
from pathlib import Path

import torch

from paddle_ugatit.backend.errors import InputError
from paddle_ugatit.cli import command
from paddle_ugatit.formats import atomic
from torch_ref import Discriminator, ResnetGenerator


def networks(arguments):
    """Return the six networks of training by name, freshly initialised."""
    options = {key: getattr(arguments, key) for key in ("ngf", "n_blocks", "img_size", "light")}
    made = {name: ResnetGenerator(3, 3, **options) for name in ("genA2B", "genB2A")}
    for name, layers in (("disGA", 7), ("disGB", 7), ("disLA", 5), ("disLB", 5)):
        made[name] = Discriminator(3, arguments.ndf, layers)
    return made


def randomise(module):
    """Move norms and spectral norms away from their initial values, as if after some training."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("rho"):
                parameter.uniform_(0, 1)
            elif name.startswith("UpBlock2") and name.endswith(("gamma", "beta")):
                parameter.add_(0.3 * torch.randn_like(parameter))
        if isinstance(module, Discriminator):
            module(torch.randn(1, 3, 96, 96))  # one forward in training mode settles u and v


def main(argv=None):
    """Write the file; returns the exit code."""
    example = "example: python align/make_checkpoint.py --out demo_params_0000000.pt --light"
    parser = command.Parser("make_checkpoint.py", __doc__.split("\n")[0], example)
    parser.add_argument("--out", required=True, metavar="FILE.pt", help="checkpoint to write")
    parser.add_argument("--light", action="store_true", help="the light generator instead of the full one")
    parser.add_argument("--img-size", type=int, default=256, metavar="N", help="image size (%(default)s)")
    parser.add_argument("--ngf", type=int, default=64, metavar="N", help="channels of the generators (%(default)s)")
    parser.add_argument("--ndf", type=int, default=64, metavar="N", help="channels of the discriminators (%(default)s)")
    parser.add_argument("--n-blocks", type=int, default=4, metavar="N", help="residual blocks (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="K", help="seed of the weights (%(default)s)")
    arguments = parser.parse_args(argv)
    start, out, state = time.perf_counter(), Path(arguments.out), {}
    try:
        command.require(arguments, img_size=command.SIZE, ngf=command.WIDTH, ndf=command.WIDTH, n_blocks=command.WIDTH)
        command.require(arguments, seed=command.SEED)
        command.prepare_outputs(arguments.out)
        torch.manual_seed(arguments.seed)
        for name, module in networks(arguments).items():
            randomise(module)
            state[name] = module.state_dict()
        with atomic.replacing(out) as file:
            torch.save(state, file)
    except (InputError, OSError, ValueError, RuntimeError) as error:
        return command.failed("make_checkpoint", error, 2)
    count = sum(tensor.numel() for network in state.values() for tensor in network.values())
    print(f"{out}: six networks, {count / 1e6:.1f} M values, {out.stat().st_size / 1e6:.0f} MB", end=", ")
    print(f"{time.perf_counter() - start:.1f} s")
    return 0
